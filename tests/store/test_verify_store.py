"""Every object of a store by its hash, and all that names others: what is found, and what is put right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conjoin.errors import Unreachable
from conjoin.lock.format import encode
from conjoin.store import layout
from conjoin.store.store import Store
from conjoin.store.transfer.push import push
from conjoin.store.verification import remembered
from conjoin.store.verification.verify_store import StoreReport, verify_store


@pytest.fixture(autouse=True)
def settled(monkeypatch) -> None:
    monkeypatch.setattr(remembered, "_SETTLED", 0.0)


@pytest.fixture(params=["folder", "s3"])
def team(request, new_place) -> Store:
    return Store(new_place(request.param))


def told(report: StoreReport) -> list[tuple[str, str]]:
    return [(each.kind, each.problem) for each in report.findings]


def keys_of(lock) -> list[str]:
    return [layout.package_key(each.sha256, each.file) for each in lock.platforms["linux-64"].packages]


def test_each_kind_of_damage_is_found_and_repaired(team, make_environment) -> None:
    lock = make_environment(count=3)
    push(team, lock, alias="x/env:v1")
    Store().local.locks.put(lock)
    assert told(verify_store(team)) == []
    key = keys_of(lock)[0]
    size = team.backend.size(key)
    team.backend.put(key, b"?" * size)
    report = verify_store(team)
    assert told(report) == [("package", "changed")]
    assert report.findings[0].where == team.backend.where(key)
    assert not report.findings[0].repaired
    repaired = verify_store(team, repair=True, others=[Store().local])
    assert [each.repaired for each in repaired.findings] == [True]
    assert told(verify_store(team)) == []

    own = layout.lock_key(lock.req_id, lock.full_id)
    team.backend.put(own, encode(lock).replace(b'"1.0"', b'"6.6"', 1))
    report = verify_store(team)
    assert ("lock", "changed") in told(report)
    # Where nobody has the true one, it stays a finding.
    assert not any(each.repaired for each in verify_store(team, repair=True).findings)
    assert all(each.repaired for each in verify_store(team, repair=True, others=[Store().local]).findings)
    assert told(verify_store(team)) == []


def test_what_has_no_other_origin_stays_a_finding(team, make_environment, tmp_path: Path) -> None:
    lock = make_environment(count=1)
    push(team, lock)
    key = keys_of(lock)[0]
    team.backend.put(key, b"other")
    for file in (tmp_path / "origin").iterdir():
        file.unlink()
    (found,) = [each for each in verify_store(team, repair=True).findings if each.kind == "package"]
    assert not found.repaired
    assert "it cannot be had elsewhere" in found.detail


def test_names_are_compared_with_their_locks(team, make_environment) -> None:
    lock = make_environment()
    push(team, lock, alias="x/env:v1")
    key = layout.alias_key("x/env", "v1")
    record = json.loads(team.backend.get(key).data)
    for change, problem in (
        ({"lock_digest": "0" * 64}, "changed"),
        ({"full_id": "0" * 40}, "missing"),
        ({"earlier": [{**record, "time": "then"}]}, "changed"),
    ):
        team.backend.put(key, json.dumps({**record, **change}).encode())
        assert told(verify_store(team)) == [("alias", problem)], change
    team.backend.put(key, b"{")
    assert told(verify_store(team)) == [("alias", "changed")]


def test_pointers_are_compared_with_their_names(team, make_environment) -> None:
    lock = make_environment()
    push(team, lock)
    (key,) = [each for each in team.backend.keys("envs") if layout.parse_pointer_key(each)]
    team.backend.put(key, team.backend.get(key).data.replace(lock.full_id.encode(), b"0" * 40))
    assert told(verify_store(team)) == [("pointer", "changed")]


def test_notes_of_completeness_are_compared_with_packages(new_place, make_environment) -> None:
    team = Store(new_place("s3"))
    lock = make_environment(count=2)
    push(team, lock)
    team.backend.delete(keys_of(lock)[1])
    assert told(verify_store(team)) == [("package", "missing")]
    assert all(each.repaired for each in verify_store(team, repair=True).findings)
    assert told(verify_store(team)) == []


def test_what_was_right_is_not_read_again(team, make_environment) -> None:
    lock = make_environment(count=3)
    push(team, lock)
    first, second = verify_store(team), verify_store(team)
    assert (first.objects, first.known) == (3, 0)
    assert (second.objects, second.known, second.bytes_read) == (0, 3, 0)
    assert verify_store(team, anew=True).objects == 3
    assert verify_store(team, (lock.req_id, lock.full_id)).known == 3


def test_an_interrupted_look_goes_on(s3, s3_place, make_environment, monkeypatch) -> None:
    team = Store(s3_place)
    lock = make_environment(count=4)
    push(team, lock)
    largest = max(lock.platforms["linux-64"].packages, key=lambda each: each.size)
    s3.fail(f"*{largest.file}*", 403, None, ("GET",))
    with pytest.raises(Unreachable):
        verify_store(team)
    s3.heal()
    report = verify_store(team)
    assert report.known + report.objects == 4
    assert told(report) == []


def test_a_lock_alone_is_looked_at(team, make_environment) -> None:
    one, other = make_environment(seed=1), make_environment(seed=2)
    for lock in (one, other):
        push(team, lock)
    team.backend.put(keys_of(other)[0], b"other")
    assert told(verify_store(team, (one.req_id, one.full_id))) == []
    assert ("package", "changed") in told(verify_store(team, (other.req_id, other.full_id)))


def test_half_a_line_of_what_is_remembered_is_none(team, make_environment) -> None:
    push(team, make_environment(count=2))
    verify_store(team)
    look = remembered.Remembered(team.place)
    path = look._path
    path.write_bytes(path.read_bytes()[:-9])
    assert verify_store(team).objects == 1
    assert verify_store(team).known == 2
