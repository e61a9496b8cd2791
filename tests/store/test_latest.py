"""Whose resolution is taken: the newest of those who count, found without reading every pointer."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from conjoin.cli.main import main
from conjoin.errors import UsageError
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.store.layout import lock_key
from conjoin.store.lookup.latest import find_latest, parse_whose
from conjoin.store.store import Store
from loopback import LoopbackServer
from object_stores import ObjectServer
from worlds import make_index, make_wheel

ASKED = {"asked": "something"}


def _lock(number: int) -> Lock:
    package = LockedPackage(
        kind="pypi",
        name="x",
        version=str(number),
        file=f"x-{number}-py3-none-any.whl",
        url=f"https://files.example/x-{number}-py3-none-any.whl",
        sha256=f"{number:064x}",
    )
    locked = LockedPlatform(virtual_packages={}, packages=(package,))
    return make_lock(ASKED, requirements_id(ASKED), {"linux-64": locked})


def _resolved(store: Store, number: int, user: str, day: int) -> Lock:
    lock = _lock(number)
    store.locks.put(lock)
    when = datetime(2026, 11, day, 12, tzinfo=timezone.utc)
    store.locks.point(lock.req_id, lock.full_id, user, {}, now=when)
    return lock


@pytest.fixture(params=["team's folder", "object store"])
def team(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LOGNAME", "grace")
    shared = str(tmp_path / "team") if request.param == "team's folder" else f"memory://{tmp_path.name}"
    return Store(shared)


def _found(store: Store, whose: str) -> tuple[str, str, str] | None:
    taken = find_latest(store, _lock(1).req_id, parse_whose(whose))
    return (taken.lock.platforms["linux-64"].packages[0].version, taken.user, taken.time) if taken else None


def test_who_counts(team: Store) -> None:
    assert _found(team, "any") is None
    _resolved(team, 1, "grace", 1)
    _resolved(team, 2, "ada", 3)
    _resolved(team, 3, "lin", 2)
    assert _found(team, "me") == ("1", "grace", "2026-11-01T12:00:00Z")
    assert _found(team, "any") == ("2", "ada", "2026-11-03T12:00:00Z")
    assert _found(team, "lin") == ("3", "lin", "2026-11-02T12:00:00Z")
    assert _found(team, "lin, me") == ("3", "lin", "2026-11-02T12:00:00Z")
    assert _found(team, ":any:") == _found(team, "any")
    assert _found(team, "somebody") is None


def test_none_is_what_this_host_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    team = Store(f"memory://{tmp_path.name}")
    _resolved(team, 1, "grace", 2)
    assert _found(team, "none") is None
    _resolved(team.local, 2, "grace", 1)
    assert _found(team, "none") == ("2", "grace", "2026-11-01T12:00:00Z")
    # What is here goes before what the same user did elsewhere; but "any" means the newest of all.
    assert _found(team, "me") == ("2", "grace", "2026-11-01T12:00:00Z")
    assert _found(team, "any") == ("1", "grace", "2026-11-02T12:00:00Z")


def test_a_lock_that_was_collected_makes_room_for_the_next(team: Store) -> None:
    _resolved(team, 1, "ada", 1)
    gone = _resolved(team, 2, "ada", 2)
    team.backend.delete(lock_key(gone.req_id, gone.full_id))
    assert _found(team, "any") == ("1", "ada", "2026-11-01T12:00:00Z")


def test_the_store_is_asked_for_one_list_and_one_lock(team: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 21):
        _resolved(team, number, f"user{number % 3}", number)
    asked: list[str] = []
    for name in ("keys", "get", "size"):
        real = getattr(type(team.backend), name)

        def counted(*arguments, _real=real, _name=name):
            asked.append(_name)
            return _real(*arguments)

        monkeypatch.setattr(team.backend, name, counted.__get__(team.backend))
    assert _found(team, "any") == ("20", "user2", "2026-11-20T12:00:00Z")
    assert sorted(asked) == ["get", "keys"]


@pytest.mark.parametrize("text", ["", ",", "a/b", "none,ada", "any,ada", "../x"])
def test_what_names_nobody(text: str) -> None:
    with pytest.raises(UsageError):
        parse_whose(text)


def test_two_users_of_one_bucket(
    s3_place: str,
    s3: ObjectServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """As people type it: what ada resolved and pushed serves grace on another machine, if she wants."""
    make_index(tmp_path / "index", [make_wheel(tmp_path, "shelf", "1.0")])

    def machine(user: str) -> None:
        monkeypatch.setenv("LOGNAME", user)
        for place in ("store", "state", "cache", "envs"):
            monkeypatch.setenv(f"CONJOIN_{place.upper()}", str(tmp_path / user / place))

    with LoopbackServer(tmp_path / "index") as index:
        asked = ["--python-source", "host", "--pypi", "shelf", "--index-url", f"{index.url}/"]

        def resolve(*more: str) -> tuple[dict, str]:
            code = main(["resolve", *asked, "--store", s3_place, "--json", *more])
            told = capsys.readouterr()
            assert code == 0, told.err
            return json.loads(told.out), told.err

        machine("ada")
        hers, _ = resolve("--alias", "team/shelf:v1")
        # A newer shelf came: whoever solves now gets another environment.
        make_index(tmp_path / "index", [make_wheel(tmp_path, "shelf", version) for version in ("1.0", "2.0")])
        machine("grace")
        index.forget()
        for whose in ("any", "ada", "lin,ada"):
            s3.forget()
            taken, said = resolve("--use-latest", whose)
            assert (taken["newly_resolved"], taken["full_id"]) == (False, hers["full_id"])
            assert (taken["taken_from"]["user"], taken["taken_from"]["store"]) == ("ada", s3_place)
            assert "taken from what ada resolved at" in said
            assert len(s3.requests) <= 2, s3.requests  # a list, and the lock until it is here
        assert index.requests == []
        own, _ = resolve()  # the default: her own, and she has none
        assert own["newly_resolved"] is True
        assert own["full_id"] != hers["full_id"]
        assert resolve("--use-latest", "me")[0]["taken_from"]["user"] == "grace"
        assert resolve("--use-latest", "ada")[0]["full_id"] == hers["full_id"]
        assert resolve("--use-latest", "any")[0]["full_id"] == own["full_id"]  # the newest, here or there
        # A third machine: hers is newer, but nobody there pushed it.
        machine("lin")
        assert resolve("--use-latest", "any")[0]["full_id"] == hers["full_id"]
        assert main(["push", "team/shelf:v1", "--store", str(tmp_path / "folder")]) == 6  # no name of lin's
