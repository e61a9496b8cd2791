"""``--use-latest``: what a colleague resolved is taken, and said to be theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def team(tmp_path: Path) -> str:
    """A folder that two users share."""
    return str(tmp_path / "team")


def _resolve(called, world, team: str, *more: str) -> tuple[dict, str]:
    done = called("resolve", *world.asked, "--store", team, *more, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_colleagues_resolution(called, world, team: str, monkeypatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    first, _ = _resolve(called, world, team)
    assert "taken_from" not in first
    monkeypatch.setenv("LOGNAME", "grace")
    asked = world.requests()
    taken, said = _resolve(called, world, team, "--use-latest", "any")
    assert world.requests() == asked
    assert (taken["newly_resolved"], taken["full_id"]) == (False, first["full_id"])
    assert taken["taken_from"]["user"] == "ada"
    assert taken["taken_from"]["store"] == team
    assert f"taken from what ada resolved at {taken['taken_from']['time']} ({team})" in said
    monkeypatch.setenv("CONJOIN_USE_REMOTE_LATEST", "lin,ada")
    assert _resolve(called, world, team)[0]["taken_from"]["user"] == "ada"
    # None of grace's own, unless she says so; and --force always solves.
    assert _resolve(called, world, team, "--use-latest", "any", "--force")[0]["newly_resolved"] is True
    assert _resolve(called, world, team, "--use-latest", "me")[0]["taken_from"]["user"] == "grace"


def test_me_is_the_default(called, world, team: str, monkeypatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    _resolve(called, world, team)
    monkeypatch.setenv("LOGNAME", "grace")
    assert _resolve(called, world, team)[0]["newly_resolved"] is True


def test_create_takes_it_too(called, world, team: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    _resolve(called, world, team)
    monkeypatch.setenv("LOGNAME", "grace")
    done = called(
        "create", *world.asked, "--store", team, "--use-latest", "ada", "--prefix", tmp_path / "env"
    )
    assert done.returncode == 0, done.stderr
    assert "taken from what ada resolved" in done.stderr


def test_nobody_is_named(called, world, team: str) -> None:
    done = called("resolve", *world.asked, "--store", team, "--use-latest", "a/b")
    assert done.returncode == 2
    assert done.stderr == (
        "error: 'a/b' is not the name of a user; expected none, me, any, or names of users with commas"
        " between them\n"
    )
