"""The log of a store: an object for each act, newest first, whatever lies between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.store.layout import log_key, parse_log_key
from conjoin.store.transfer.push import push
from object_stores import MakeLock


def test_one_entry_for_each_act_newest_first(
    place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make_environment(2, 10, 1), make_environment(2, 10, 2)
    store = Store(place)
    monkeypatch.setenv("LOGNAME", "ann")
    push(store, one, alias="team/x")
    monkeypatch.setenv("LOGNAME", "bob")
    push(store, two, alias="team/x")
    push(store, two, alias="team/x")  # which changes nothing
    entries = list(store.log.entries())
    ids = [f"{lock.req_id}:{lock.full_id}" for lock in (one, two)]
    assert [(each.user, each.act, each.name, each.environments) for each in entries] == [
        ("bob", "alias", "team/x:latest", (ids[1],)),
        ("bob", "push", "", (ids[1],)),
        ("ann", "alias", "team/x:latest", (ids[0],)),
        ("ann", "push", "", (ids[0],)),
    ]
    assert [each.before for each in entries if each.act == "alias"] == [ids[0], ""]
    assert entries[1].count == 2
    assert [each.act for each in entries if each.concerns("team/x")] == ["alias", "alias"]
    assert [each.act for each in entries if each.concerns(one.req_id[:10])] == ["alias", "alias", "push"]
    assert not any(each.concerns("team") for each in entries)


def test_entries_at_the_same_moment_are_all_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.log.add("delete", told=str(number)), range(40)))
    assert sorted(int(each.told) for each in store.log.entries()) == list(range(40))


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"{}", b'{"time": "x", "user": "u", "act": "gc"}'])
def test_a_damaged_entry_is_told_and_passed_over(tmp_path: Path, data: bytes) -> None:
    store = Store(tmp_path)
    store.log.add("gc", count=1)
    store.backend.put(log_key("20990101T000000.000000Z", "eve", "push"), data)
    store.backend.put("log/2099/what else lies there", b"")
    told: list[str] = []
    assert [each.act for each in store.log.entries(told.append)] == ["gc"]
    assert len(told) == 1
    assert "an entry of the log is damaged" in told[0]


def test_what_cannot_be_logged_is_done_all_the_same(
    tmp_path: Path, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "team")
    lock = make_environment(1, 10)
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "log").write_text("a file in its place")
    with pytest.warns(UserWarning, match="it is done, and the store's log could not be written"):
        push(store, lock, alias="team/x:v1")
    assert Store(tmp_path / "team").get("team/x:v1") == lock


def test_collecting_and_deleting_are_logged(tmp_path: Path, make_environment: MakeLock) -> None:
    from conjoin.collecting import collect_store

    store = Store(tmp_path / "team")
    lock = make_environment(1, 10)
    push(store, lock)
    collect_store(store, 86400, dry_run=True)
    collect_store(store, 0, keep_defaults=False, now=2e9 + 1e9)
    [entry, _] = store.log.entries()
    assert entry.act == "gc"
    assert entry.environments == (f"{lock.req_id}:{lock.full_id}",)
    assert entry.count >= 2
    assert entry.size > 0


def test_keys_tell_when_who_and_what() -> None:
    key = log_key("20261201T010203.000004Z", "ann-b@example.org", "push")
    assert key == "log/2026/20261201T010203.000004Z-ann-b@example.org-push.json"
    assert parse_log_key(key) == ("20261201T010203.000004Z", "ann-b@example.org", "push")
    for other in ("log/2025/20261201T010203.000004Z-ann-push.json", "log/2026/x", "log/2026/a-b-c.json"):
        assert parse_log_key(other) is None
