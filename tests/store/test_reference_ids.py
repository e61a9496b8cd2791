"""Environments by the beginnings of their ids, in each kind of store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.cli.main import main
from conjoin.errors import NotFound, UsageError
from conjoin.store.aliases import parse_alias
from conjoin.store.backend import cloud
from conjoin.store.bundle.reader import open_bundle
from conjoin.store.layout import complete_key, lock_key, pointer_key
from conjoin.store.lookup.reference import alias_in, find_by_id_prefix, find_lock
from conjoin.store.transfer.get import get
from object_stores import MakeLock, ObjectServer


def ids(req_id: str, full_id: str) -> tuple[str, str]:
    return req_id.ljust(40, "0"), full_id.ljust(40, "0")


ONE = ids("abcd1111", "ffff1111")
TWO = ids("abcd1111", "ffff2222")
OTHER = ids("abcd2222", "ffff1111")
LAST = ids("ffff", "eeee")


def fill(store: Store) -> None:
    for each in (ids("0000", "1"), ONE, TWO, OTHER, LAST):
        store.backend.put(lock_key(*each), b"{}")
        store.backend.put(complete_key(*each, "linux-64"), b"{}")
        store.backend.put(pointer_key(each[0], "ada", "20261121T000000.000000Z", each[1]), b"{}")
    # Not all of it is there: no environment.
    store.backend.put(complete_key(*ids("eeee", "1"), "linux-64"), b"{}")


def test_one_that_begins_so(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "_LISTED_AT_ONCE", 2)
    store = Store(place)
    fill(store)
    for text, found in (
        ("abcd1111:ffff1", ONE),
        ("abcd1:ffff2", TWO),
        ("abcd2", OTHER),
        ("abcd2:ffff", OTHER),
        ("ffff", LAST),
        (LAST[0], LAST),
        (f"{ONE[0]}:ffff1111", ONE),
        ("abcd3", None),
        ("abcd2:eeee", None),
        ("eeee", None),
        ("fff", None),  # of too few digits
        ("zzzz", None),
    ):
        assert find_by_id_prefix(text, store) == found, text


def test_several_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store)
    with pytest.raises(UsageError) as caught:
        find_lock("abcd", store)
    assert str(caught.value) == (
        "3 environments begin with abcd: abcd111:ffff111, abcd111:ffff222, abcd222:ffff111; give more of one"
    )
    for number in range(5):
        store.backend.put(lock_key(*ids("abcd3333", f"{number}")), b"{}")
    with pytest.raises(UsageError, match=r"8 environments begin with abcd: .* and 3 more; give more of one"):
        find_lock("abcd", store)


def test_a_name_wins(tmp_path: Path, make_environment: MakeLock) -> None:
    store = Store(tmp_path / "store")
    begun, named = make_environment(1), make_environment(1, seed=1)
    for lock in (begun, named):
        store.locks.put(lock)
    text = begun.req_id[:8]
    assert find_lock(text, store) == begun
    assert alias_in(text, begun) is None
    store.alias(named, text)
    assert find_lock(text, store) == named
    assert alias_in(text, named) == parse_alias(text)


def test_here_and_there_count_together(new_place, make_environment: MakeLock) -> None:
    store = Store(new_place("memory"))
    here, there = make_environment(1), make_environment(1, seed=1)
    store.local.locks.put(here)
    store.push(there)
    assert find_lock(here.req_id[:8], store) == here
    assert find_lock(f"{there.req_id[:6]}:{there.full_id[:6]}", store) == there
    assert get(store, there.req_id[:9]).alias is None
    twin = (here.req_id, "0" * 40)
    store.backend.put(lock_key(*twin), b"{}")
    with pytest.raises(UsageError, match="2 environments begin with"):
        find_lock(here.req_id[:8], store)


def test_what_nobody_has_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no alias abcdef:latest"):
        find_lock("abcdef", Store(tmp_path / "store"))


def test_it_costs_a_request_for_a_name_and_one_for_a_list(
    s3: ObjectServer, s3_place: str, make_environment: MakeLock
) -> None:
    store = Store(s3_place)
    fill(store)
    lock = make_environment(1)
    store.local.locks.put(lock)
    s3.forget()
    assert find_lock(lock.req_id[:12], store) == lock
    assert len(s3.requests) == 2, s3.requests


def test_what_list_prints_can_be_typed(
    tmp_path: Path, make_environment: MakeLock, capsys: pytest.CaptureFixture
) -> None:
    store = Store()
    locks = [make_environment(1, seed=number) for number in range(3)]
    for lock in locks:
        store.save(lock, versions={})
    assert main(["list"]) == 0
    printed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert len(printed) == 3
    shown = set()
    for short in printed:
        assert main(["show", short, "--json"]) == 0
        shown.add(json.loads(capsys.readouterr().out)["full_id"])
    assert shown == {lock.full_id for lock in locks}
    assert main(["export", printed[0], "--offline-bundle", str(tmp_path / "a.bundle"), "--json"]) == 0
    with open_bundle(tmp_path / "a.bundle") as bundle:
        assert bundle.alias == ""  # the short id is no name
    capsys.readouterr()
    assert main(["alias", printed[1], "mine"]) == 0
    store.backend.put(lock_key(locks[0].req_id, "0" * 40), b"{}")
    assert main(["show", locks[0].req_id[:7]]) == 2
    assert "2 environments begin with" in capsys.readouterr().err
