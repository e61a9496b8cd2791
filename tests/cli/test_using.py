"""``--using``: an environment on top of another, by the names that people gave."""

from __future__ import annotations

import json

import pytest

from conjoin.spec.platform import host_platform


@pytest.fixture
def base(called, world) -> dict[str, dict[str, str]]:
    done = called("resolve", *world.asked, "--alias", "team/base:v1", "--json")
    assert done.returncode == 0, done.stderr
    return _packages(done)


def _packages(done) -> dict[str, dict[str, str]]:
    packages = json.loads(done.stdout)["platforms"][host_platform()]
    return {package["name"]: package for package in packages}


def test_an_alias_is_extended_and_stays_what_it_was(called, base) -> None:
    # Neither channel nor index is typed again: they are the base's.
    done = called(
        "resolve", "--using", "team/base:v1", "--conda", "forgedemo", "--alias", "mine:v1", "--json"
    )
    assert done.returncode == 0, done.stderr
    made = _packages(done)
    assert {name: made[name] for name in base} == base
    assert made.keys() - base.keys() == {"forgedemo"}
    shown = _packages(called("show", "team/base:v1", "--json"))
    assert shown.keys() == base.keys()
    # The same again is known already, and the alias that is written once means just that.
    again = called(
        "resolve", "--using", "team/base:v1", "--conda", "forgedemo", "--alias", "mine:v1", "--json"
    )
    assert json.loads(again.stdout)["newly_resolved"] is False


def test_create_and_run_extend_too(called, base, tmp_path) -> None:
    made = called(
        "create", "--using", "team/base:v1", "--conda", "forgedemo", "--prefix", tmp_path / "env", "-q"
    )
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "env" / "bin" / "reader").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["--using", "team/base:v1", "--conda", "tinylib >=2"],
        ["--using", "team/base:v1", "--pypi", "newer"],
        ["--using", "team/base:v1", "--python", "3.8", "--pypi", "shelf"],
        ["--using", "team/base:v1"],
        ["--using", "team/bass:v1", "--pypi", "shelf"],
        ["--using", "team/base:v1", "--pypi", "shelf", "--platform", "osx-arm64"],
    ],
)
def test_what_cannot_be_is_said_in_one_line(called, base, isolated_home, command, snapshot) -> None:
    done = called("resolve", *command)
    first = done.stderr.splitlines()
    told = "\n".join(line for line in first if line.startswith(("error:", "  help:")))
    told = told.replace(str(isolated_home), "HOME")
    for package in ("python", "tinylib"):
        told = told.replace(base[package]["build"], "BUILD")
    told = told.replace(base["python"]["version"], "VERSION")
    told = told.replace(host_platform(), "PLATFORM")
    assert f"{told}\nexit code {done.returncode}" == snapshot
