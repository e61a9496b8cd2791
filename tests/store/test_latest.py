"""Whose resolution is taken: the newest of those who count, found without reading every pointer."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from holdfast.errors import UsageError
from holdfast.lock.identity import make_lock, requirements_id
from holdfast.lock.model import Lock, LockedPackage, LockedPlatform
from holdfast.store.latest import find_latest, parse_whose
from holdfast.store.layout import lock_key
from holdfast.store.store import Store

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
