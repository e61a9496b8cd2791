"""Garbage in a store of each kind: what is referred to stays, everything else goes, in safe order."""

from __future__ import annotations

import datetime
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.collecting import Collected, collect_store
from conjoin.errors import ConjoinError, UsageError
from conjoin.lock.format import write_lock
from conjoin.lock.model import Lock
from conjoin.store.aliases import parse_alias
from conjoin.store.gc import collect as garbage_module
from conjoin.store.layout import alias_key, complete_key, lock_key
from conjoin.store.usage import note_use
from object_stores import MakeLock, ObjectServer

DAY = 86400.0
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


def collect(store: Store, days: float = 40, **options: bool) -> Collected:
    """Collect as if everything had been written ``days`` ago."""
    return collect_store(store, 30 * DAY, now=time.time() + days * DAY, **options)


def ids(lock: Lock) -> tuple[str, str]:
    return lock.req_id, lock.full_id


def packages_of(store: Store) -> set[str]:
    return {key.split("/")[2] for key in store.backend.keys("packages")}


def hashes(*locks: Lock) -> set[str]:
    return {p.sha256 for lock in locks for each in lock.platforms.values() for p in each.packages}


def contents(store: Store) -> dict[str, bytes]:
    found = {}
    for prefix in ("envs", "packages", "aliases"):
        for key in store.backend.keys(prefix):
            present = store.backend.get(key)
            assert present is not None
            found[key] = present.data
    return found


def kept(store: Store, lock: Lock) -> None:
    """Keep a lock and its packages, without any reference to it."""
    store.push(lock)
    store.backend.delete_all(store.backend.keys(f"envs/{lock.req_id}/by-user"))


def test_what_nothing_refers_to_goes_with_what_only_it_needs(place: str, make_environment: MakeLock) -> None:
    store = Store(place)
    named, lonely = make_environment(3, seed=1), make_environment(4, seed=2)
    store.push(named, alias="x:v1")
    kept(store, lonely)
    before = contents(store)
    told = collect(store, dry_run=True)
    assert contents(store) == before
    done = collect(store)
    assert (done.counts, done.sizes, done.environments) == (told.counts, told.sizes, told.environments)
    assert done.environments == [ids(lonely)]
    assert (done.counts["environments"], done.counts["packages"], done.kept) == (1, 4, 1)
    assert done.sizes["packages"] == sum(p.size for p in lonely.platforms["linux-64"].packages)
    assert packages_of(store) == hashes(named)
    assert [key for key in store.backend.keys("envs") if lonely.full_id in key] == []
    assert store.get("x:v1") == named
    again = collect(store)
    assert (sum(again.counts.values()), again.kept) == (0, 1)
    assert store.push(lonely, alias="y:v1").sent == 4
    assert Store(place).get("y:v1") == lonely


def test_a_package_that_two_environments_need_stays_for_the_one_that_stays(
    place: str, make_environment: MakeLock
) -> None:
    from conjoin.lock.identity import make_lock

    store = Store(place)
    small = make_environment(2, seed=3)
    big = make_lock({"scheme": 1}, "b" * 40, {**make_environment(3, seed=4).platforms})
    both = make_lock(
        big.requirements, big.req_id, {**small.platforms, "osx-arm64": big.platforms["linux-64"]}
    )
    store.push(small, alias="small:v1")
    kept(store, both)
    assert collect(store).environments == [ids(both)]
    assert packages_of(store) == hashes(small)


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_each_reference_keeps_an_environment(
    kind: str, new_place: Callable[[str], str], make_environment: MakeLock
) -> None:
    store = Store(new_place(kind))
    aliased, newest, lonely = (make_environment(1, seed=seed) for seed in range(3))
    kept(store, aliased)
    store.aliases.set(parse_alias("a/b:v1"), aliased)
    for lock in (newest, lonely):
        kept(store, lock)
    store.locks.point(*ids(newest), "somebody", {}, now=LONG_AGO)
    assert set(collect(store).environments) == {ids(lonely)}
    assert collect(store, keep_defaults=False).environments == [ids(newest)]
    assert store.locks.pointers(newest.req_id) == []
    assert store.get("a/b:v1") == aliased


def test_a_default_is_the_newest_of_each_user_whose_lock_is_there(
    new_place: Callable[[str], str], make_environment: MakeLock
) -> None:
    from conjoin.lock.identity import make_lock, requirements_id

    store = Store(new_place("folder"))
    asked = {"scheme": 1}
    req_id = requirements_id(asked)
    one, two, three = (
        make_lock(asked, req_id, make_environment(1, seed=seed).platforms) for seed in range(3)
    )
    for lock in (one, two, three):
        kept(store, lock)
    hour = datetime.timedelta(hours=1)
    store.locks.point(*ids(one), "ann", {}, now=LONG_AGO)
    store.locks.point(*ids(two), "ann", {}, now=LONG_AGO + hour)
    store.locks.point(req_id, "9" * 40, "ann", {}, now=LONG_AGO + 2 * hour)  # its lock is gone
    store.locks.point(*ids(one), "bob", {}, now=LONG_AGO)
    done = collect(store)
    assert done.environments == [ids(three)]
    assert [each.full_id for each in store.locks.pointers(req_id, "ann")] == [two.full_id, one.full_id]
    assert store.locks.default(req_id, "ann") == two


def test_what_was_used_or_pushed_lately_stays(place: str, make_environment: MakeLock) -> None:
    store = Store(place)
    lock = make_environment(2, seed=5)
    kept(store, lock)
    assert collect(store, days=29).environments == []
    assert packages_of(store) == hashes(lock)
    assert collect(store, days=31).environments == [ids(lock)]


def test_an_announcement_keeps_a_lock_and_packages_that_no_lock_names_yet(
    place: str, make_environment: MakeLock
) -> None:
    store = Store(place)
    lock, other = make_environment(2, seed=6), make_environment(2, seed=7)
    kept(store, lock)
    kept(store, other)
    store.backend.delete(lock_key(*ids(other)))
    # Younger than what is collected: the announcements are of now, the rest of 2 days ago.
    span = 1.5 * DAY
    with store.announce(lock), store.announce(other):
        done = collect_store(store, span, now=time.time() + 2 * DAY)
        assert sum(done.counts.values()) == 0
    assert packages_of(store) == hashes(lock, other)
    done = collect_store(store, span, now=time.time() + 2 * DAY)
    assert done.environments == [ids(lock)]
    assert packages_of(store) == set()
    assert store.backend.keys("envs") == []


def test_the_environment_that_another_extends_stays_with_it(
    new_place: Callable[[str], str], make_environment: MakeLock
) -> None:
    from conjoin.lock.identity import make_lock, requirements_id

    store = Store(new_place("folder"))
    base = make_environment(1, seed=8)
    asked = {"scheme": 1, "base": ":".join(ids(base))}
    extended = make_lock(asked, requirements_id(asked), make_environment(1, seed=9).platforms)
    kept(store, base)
    kept(store, extended)
    store.alias(extended, "mine:v1")
    assert collect(store).environments == []
    assert packages_of(store) == hashes(base, extended)


def test_an_object_store_forgets_nothing_younger_than_a_day(s3_place: str) -> None:
    with pytest.raises(UsageError, match="younger than a day"):
        collect_store(Store(s3_place), DAY / 2)


@pytest.mark.parametrize("what", ["lock", "alias", "newer lock"])
def test_whatever_may_be_meant_by_what_cannot_be_read_stays(
    place: str, make_environment: MakeLock, what: str
) -> None:
    store = Store(place)
    lock, lonely = make_environment(1, seed=1), make_environment(1, seed=2)
    store.push(lock, alias="x:v1")
    kept(store, lonely)
    key = alias_key("x", "v1") if what == "alias" else lock_key(*ids(lock))
    store.backend.put(key, b'{"schema": 99}' if what == "newer lock" else b"{")
    before = contents(store)
    done = collect(store)
    assert [store.backend.where(key) in str(problem) for problem in done.problems] == [True]
    assert done.environments == []
    assert contents(store) == before
    # ... and does not keep others from their work.
    store.push(make_environment(1, seed=3))


def test_what_nobody_knows_is_left_alone(place: str, make_environment: MakeLock) -> None:
    store = Store(place)
    keys = ["packages/README", "packages/aa/notes/x", "envs/notes.txt", "other/x", "envs/by-hand/x/y"]
    for key in keys:
        store.backend.put(key, b"x")
    collect(store, days=4000)
    assert all(store.backend.get(key) for key in keys)


def test_leftovers_of_processes_that_were_killed_go(tmp_path: Path, make_environment: MakeLock) -> None:
    store = Store(tmp_path / "store")
    store.push(make_environment(1), alias="x:v1")
    [package] = (tmp_path / "store" / "packages").glob("*/*")
    for name, hours in ((".old.part", 30), (".new.part", 1)):
        (package / name).write_bytes(b"12345")
        os.utime(package / name, (time.time() - hours * 3600,) * 2)
    done = collect_store(store, 30 * DAY)
    assert (done.counts["leftovers"], done.sizes["leftovers"]) == (1, 5)
    assert sorted(path.name for path in package.glob(".*")) == [".new.part"]


def test_folders_that_are_empty_go_too(tmp_path: Path, make_environment: MakeLock) -> None:
    store = Store(tmp_path / "store")
    kept(store, make_environment(2))
    collect(store)
    shutil.rmtree(tmp_path / "store" / "log")  # which stays
    assert {path.name for path in (tmp_path / "store").rglob("*")} <= {".gc.lock", "announced"}


# -- the order of things -------------------------------------------------------------------------


class Dies(Exception):
    """The process ends here."""


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_whenever_it_dies_whatever_can_be_found_is_complete(
    kind: str,
    new_place: Callable[[str], str],
    make_environment: MakeLock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dies before each of its deletions, one by one; a push after that finds the truth."""
    monkeypatch.setattr(garbage_module, "_BATCH", 1)
    for steps in range(40):
        store = Store(new_place(kind) + f"-{steps}" if kind == "folder" else new_place(kind))
        lock = make_environment(3, seed=1)
        kept(store, lock)
        note_use(store.backend, *ids(lock))
        left = [steps]
        backend_class = type(store.backend)
        original = backend_class.delete_all

        def dying(self: object, keys: list[str], left=left, original=original) -> None:
            if left[0] == 0:
                raise Dies
            left[0] -= 1
            original(self, keys)

        with monkeypatch.context() as patched:
            patched.setattr(backend_class, "delete_all", dying)
            try:
                collect(store)
                died = False
            except Dies:
                died = True
        present = packages_of(store)
        if store.locks.has(*ids(lock)) or store.backend.size(complete_key(*ids(lock), "linux-64")):
            assert present == hashes(lock), steps
        again = Store(store.place)
        again.push(lock, alias="x:v1")
        assert packages_of(again) == hashes(lock), steps
        if not died:
            assert steps >= 5
            return
    raise AssertionError("never finished")


def test_pushing_what_is_there_since_long_is_announced_and_noted(
    s3: ObjectServer, s3_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = make_environment(20)
    Store(s3_place).push(lock, alias="x:v1")
    s3.forget()
    Store(s3_place).push(lock, alias="x:v1")
    assert len(s3.requests) == 3
    monkeypatch.setattr("conjoin.store.transfer.push._LATELY", -1.0)
    s3.forget()
    Store(s3_place).push(lock, alias="x:v1")
    assert len(s3.requests) <= 8, s3.requests
    order = [f"{method} {path.split('prefix/')[-1].split('/')[0]}" for method, path in s3.requests]
    announced, looked = order.index("PUT announced"), order.index("GET gc")
    assert announced < looked
    assert any(method == "PUT" and "/used/" in path for method, path in s3.requests[looked:])


def test_collecting_costs_requests_by_the_thousand(
    s3: ObjectServer, s3_place: str, make_environment: MakeLock
) -> None:
    store = Store(s3_place)
    for seed in range(3):
        kept(store, make_environment(20, 100, seed=seed))
    s3.forget()
    done = collect(Store(s3_place))
    assert (done.counts["environments"], done.counts["packages"]) == (3, 60)
    assert len(s3.requests) < 30, s3.requests


# -- beside others ------------------------------------------------------------------------------

WORK = """
import random, sys
from pathlib import Path
from conjoin.lock.format import read_lock
from conjoin.store.gc import collect as garbage
from conjoin.store import gc_lock
from conjoin.store.transfer import push
from conjoin.store.layout import package_key
from conjoin.api import Store
gc_lock._REQUEST_PAUSE = 0.05
garbage.SHARED_GRACE = garbage.GRACE = push._LATELY = -1.0
place, number, folder, rounds = sys.argv[1:]
store, chance = Store(place), random.Random(int(number))
locks = [read_lock(path) for path in sorted(Path(folder).glob("*.lock"))]
for round_ in range(int(rounds)):
    store.push(chance.choice(locks))
    lock = chance.choice(locks)
    store.push(lock, alias=f"mine/w{number}:latest")
    lost = [
        each.file
        for each in lock.platforms["linux-64"].packages
        if store.backend.size(package_key(each.sha256, each.file)) is None
    ]
    assert not lost and store.get(f"mine/w{number}") == lock, (round_, lost)
"""

COLLECT = """
import sys, time
from pathlib import Path
from conjoin import collecting
from conjoin.collecting import collect_store
from conjoin.errors import Conflict
from conjoin.store.gc import collect as garbage
from conjoin.api import Store
garbage.SHARED_GRACE = garbage.GRACE = -1.0
found = collecting.find_garbage
def slowly(*arguments, **options):
    garbage = found(*arguments, **options)
    time.sleep(0.05)  # room for others to rely on what is about to go
    return garbage
collecting.find_garbage = slowly
place, stop = sys.argv[1:]
rounds = dropped = 0
while not Path(stop).exists():
    try:
        done = collect_store(Store(place), 0.0, keep_defaults=False)
    except Conflict:
        continue
    rounds, dropped = rounds + 1, dropped + done.counts["packages"]
    time.sleep(0.15)  # let them pass
print(rounds, dropped)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_beside_those_who_push_and_name_no_name_ever_means_less_than_everything(
    kind: str, new_place: Callable[[str], str], make_environment: MakeLock, tmp_path: Path
) -> None:
    """Nothing is too young to be collected here: what others rely on is safe by what they announce alone."""
    place = new_place(kind)
    (tmp_path / "locks").mkdir()
    locks = [make_environment(4, 500, seed=seed) for seed in range(20)]
    for number, lock in enumerate(locks):
        write_lock(tmp_path / "locks" / f"{number}.lock", lock)
    stop = tmp_path / "stop"
    collector = subprocess.Popen(
        [sys.executable, "-c", COLLECT, place, str(stop)], stdout=subprocess.PIPE, text=True
    )
    rounds = "12" if kind == "folder" else "3"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, place, str(number), str(tmp_path / "locks"), rounds],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    failures = [process.communicate()[1] for process in workers]
    stop.touch()
    told, _ = collector.communicate()
    assert failures == [""] * 8
    assert collector.returncode == 0
    collected, dropped = map(int, told.split())
    assert collected > 1
    assert dropped > 0
    store = Store(place)
    names = list(store.aliases.all())
    assert len(names) == 8
    for name in names:
        lock = store.lock(*store.aliases.get(name))
        assert hashes(lock) <= packages_of(store), name


GC = """
import sys
from conjoin.collecting import collect_store
from conjoin.store.gc import collect as garbage
from conjoin.store import gc_lock
from conjoin.api import Store
garbage._BATCH = 1
gc_lock.DEAD_AFTER = -1e9
import time
place, now = sys.argv[1:]
collect_store(Store(place), 30 * 86400, now=float(now))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_after_a_kill_at_any_moment_the_store_is_whole(
    kind: str,
    new_place: Callable[[str], str],
    make_environment: MakeLock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from conjoin.store import gc_lock as gc_lock_module

    monkeypatch.setattr(gc_lock_module, "DEAD_AFTER", -1e9)  # of a process that was killed: holds nobody up
    place = new_place(kind)
    named = make_environment(4, 200, seed=1000)
    chance = random.Random(3)
    whole, killed, half = 0.0, 0, 0
    for round_ in range(9):
        store = Store(place)
        store.push(named, alias="named:v1")
        lonely = [make_environment(8, 200, seed=10 * round_ + seed) for seed in range(4)]
        for lock in lonely:
            kept(store, lock)
        started = time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", GC, place, str(time.time() + 40 * DAY)])
        try:  # the first one tells how long it takes, and every other that is faster
            process.wait(chance.uniform(0.5, 1.0) * whole if round_ else None)
            whole = time.monotonic() - started
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        code = process.wait()
        killed += code != 0
        present = packages_of(store)
        half += 0 < len(present - hashes(named)) < 32
        for lock in (named, *lonely):
            promised = store.backend.size(complete_key(*ids(lock), "linux-64")) is not None
            if promised or store.locks.has(*ids(lock)):
                assert hashes(lock) <= present
        assert Store(place).get("named:v1") == named
    assert killed > 2
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(garbage_module, "_BATCH", 1000)
        collect(Store(place))
    assert packages_of(Store(place)) == hashes(named)


def test_an_error_while_collecting_lets_the_others_work(
    s3: ObjectServer, s3_place: str, make_environment: MakeLock
) -> None:
    store = Store(s3_place)
    kept(store, make_environment(2))
    s3.fail("*", 403, None, ("POST",))
    with pytest.raises(ConjoinError):
        collect(store)
    s3.heal()
    assert Store(s3_place).push(make_environment(2)).alias is None
