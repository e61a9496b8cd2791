"""Who collects and who works never miss each other: announcements, a lock in a folder, a lease elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.errors import Conflict, Unreachable
from conjoin.store import announcements as announcements_module
from conjoin.store import gc_lock as gc_lock_module
from conjoin.store.announcements import read_announcements
from conjoin.store.gc.collect import find_garbage
from conjoin.store.gc_lock import store_time
from conjoin.store.layout import ANNOUNCED, LEASE, package_key
from object_stores import MakeLock, ObjectServer

WITHOUT_CLOUD = ["folder", "memory", "s3"]


@pytest.fixture(params=WITHOUT_CLOUD)
def store(request: pytest.FixtureRequest, new_place: Callable[[str], str]) -> Store:
    return Store(new_place(request.param))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc_lock_module, "PATIENCE", 0.3)
    monkeypatch.setattr(gc_lock_module, "_REQUEST_PAUSE", 0.02)


def test_what_is_worked_on_is_announced_for_as_long_as_it_is(
    store: Store, make_environment: MakeLock
) -> None:
    lock, other = make_environment(seed=1), make_environment(seed=2)
    with store.announce(lock), store.announce(other):
        found = read_announcements(store.backend, time.time())
        assert found.ids == {(lock.req_id, lock.full_id), (other.req_id, other.full_id)}
        assert {each.sha256 for each in lock.platforms["linux-64"].packages} < found.packages
        assert found.expired == ()
    assert store.backend.keys(ANNOUNCED) == []


def test_an_announcement_of_a_process_that_was_killed_is_not_believed_forever(
    store: Store, make_environment: MakeLock
) -> None:
    with store.announce(make_environment()):
        later = read_announcements(store.backend, time.time() + announcements_module.BELIEVED_FOR + 60)
        assert (later.ids, later.packages, len(later.expired)) == (set(), set(), 1)


def test_who_worked_too_long_does_not_declare_anything_complete(
    store: Store, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements_module, "_ENOUGH", -1)
    lock = make_environment()
    with pytest.raises(Unreachable, match="took days"):
        store.push(lock)
    assert list(store.locks.ids()) == []
    monkeypatch.undo()


def test_what_a_newer_version_announces_is_not_ignored(store: Store) -> None:
    store.backend.put(f"{ANNOUNCED}/x.json", b'{"format": 2}')
    with pytest.raises(Conflict, match="upgrade conjoin"):
        read_announcements(store.backend, time.time())


def test_who_is_about_to_work_waits_for_who_collects(store: Store, make_environment: MakeLock) -> None:
    order: list[str] = []
    lock = make_environment()

    def push() -> None:
        Store(store.place).push(lock)
        order.append("pushed")

    with store.gc_lock.held():
        thread = threading.Thread(target=push)
        thread.start()
        deadline = time.monotonic() + 300
        while not store.backend.keys(ANNOUNCED) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert list(store.locks.ids()) == []
        assert store.backend.keys("packages") == []
        order.append("collected")
    thread.join()
    assert order == ["collected", "pushed"]
    assert store.lock(lock.req_id, lock.full_id) == lock


@pytest.mark.usefixtures("impatient")
def test_who_waits_in_vain_is_told_who_collects(store: Store, make_environment: MakeLock) -> None:
    with store.gc_lock.held(), pytest.raises(Unreachable, match="being collected") as caught:
        Store(store.place).push(make_environment())
    assert caught.value.exit_code == 4
    assert store.backend.keys(ANNOUNCED) == []
    Store(store.place).push(make_environment())


def test_two_do_not_collect_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc_lock_module, "PASSING", 0.2)
    with store.gc_lock.held():
        with pytest.raises(Conflict, match="collects garbage") as caught, Store(store.place).gc_lock.held():
            pass
        assert caught.value.exit_code == 7
    with Store(store.place).gc_lock.held():
        pass


def test_of_those_who_begin_to_collect_at_once_one_does(store: Store) -> None:
    inside, most, done = [0], [0], []
    barrier = threading.Barrier(6)

    def collect() -> None:
        mine = Store(store.place)
        barrier.wait()
        try:
            with mine.gc_lock.held() as renew:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.05)
                renew()
                inside[0] -= 1
                done.append(True)
        except Conflict:
            done.append(False)

    threads = [threading.Thread(target=collect) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert len(done) == 6
    assert any(done)


HOLD = """
import sys, time
from conjoin.api import Store
with Store(sys.argv[1]).gc_lock.held():
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_folder_dies_with_its_process(
    tmp_path: Path, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc_lock_module, "PASSING", 0.2)
    place = str(tmp_path / "store")
    process = subprocess.Popen([sys.executable, "-c", HOLD, place], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Conflict), Store(place).gc_lock.held():
        pass
    process.kill()
    process.communicate()
    Store(place).push(make_environment())
    with Store(place).gc_lock.held():
        pass


def test_a_lease_that_nobody_renews_is_taken_away_and_its_holder_notices(
    s3_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder was stopped for longer than its lease; whoever waits has a clock of its own."""
    monkeypatch.setattr(gc_lock_module, "_REQUEST_PAUSE", 0.02)
    monkeypatch.setattr(gc_lock_module, "LEASE_TIME", 0.3)
    monkeypatch.setattr(gc_lock_module, "RENEWED_AFTER", 0.0)
    lock = make_environment()
    with Store(s3_place).gc_lock.held() as renew:
        renew()
        Store(s3_place).push(lock)
        with pytest.raises(Conflict, match="took this for dead"):
            renew()
    with Store(s3_place).gc_lock.held() as renew:  # who lost it did not disturb the next
        renew()


def test_a_lease_that_is_renewed_is_believed(
    s3_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gc_lock_module, "_REQUEST_PAUSE", 0.02)
    monkeypatch.setattr(gc_lock_module, "LEASE_TIME", 0.5)
    monkeypatch.setattr(gc_lock_module, "RENEWED_AFTER", 0.0)
    monkeypatch.setattr(gc_lock_module, "PATIENCE", 1.2)
    stopped = threading.Event()
    with Store(s3_place).gc_lock.held() as renew:

        def go_on() -> None:
            while not stopped.wait(0.1):
                renew()

        renewing = threading.Thread(target=go_on)
        renewing.start()
        try:
            with pytest.raises(Unreachable, match="being collected there by"):
                Store(s3_place).push(make_environment())
        finally:
            stopped.set()
            renewing.join()


@pytest.mark.parametrize("until", [1.0, 4e9, 1e300])
def test_a_lease_of_long_ago_holds_nobody_up(
    until: float, s3_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its holder's clock said: by the store's, it was written long ago."""
    store = Store(s3_place)
    monkeypatch.setattr(gc_lock_module, "store_time", lambda backend: store_time(backend) + 400)
    data = json.dumps({"user": "x", "until": until, "turn": "y"}).encode()
    store.backend.put(LEASE, data)
    store.push(make_environment(seed=1))
    store.backend.put(LEASE, data)
    with store.gc_lock.held():
        pass


def test_a_lease_of_just_now_holds_whatever_its_holder_s_clock_says(s3_place: str) -> None:
    store = Store(s3_place)
    store.backend.put(LEASE, b'{"user": "x", "until": 1.0, "turn": "y"}')
    with pytest.raises(Conflict), store.gc_lock.held():
        pass


@pytest.mark.parametrize("ahead", [-4, 4], ids=["four days behind", "four days ahead"])
def test_what_is_being_pushed_stays_whatever_the_clock_of_who_collects_says(
    ahead: int, s3_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, lock = Store(s3_place), make_environment(seed=1)
    with store.announce(lock):
        for each in lock.platforms["linux-64"].packages:
            store.backend.put(package_key(each.sha256, each.file), b"on its way")
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + ahead * 86400)
        found = find_garbage(store, 86400.0)
        assert [piece.kind for piece in found.pieces] == []
        assert lock.platforms["linux-64"].packages[0].sha256 in found.kept_packages
        assert abs(store_time(store.backend) - real()) < 60


def test_a_lease_whose_answer_was_lost_is_held(
    s3: ObjectServer, s3_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, lost = s3.forward, []

    def losing(method: str, path: str, headers: dict[str, str], body: bytes):
        answer = forward(method, path, headers, body)
        if method == "PUT" and path.endswith("lease.json") and not lost:
            lost.append(path)
            return answer._replace(status=503, content=b"")
        return answer

    monkeypatch.setattr(s3, "forward", losing)
    with Store(s3_place).gc_lock.held() as renew:
        renew()
    assert lost
