"""One suite over every kind of store."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from conjoin.api import Store
from conjoin.errors import Conflict, ConjoinError, IntegrityError, NotFound, Unreachable
from conjoin.lock.model import Lock
from conjoin.store.aliases import parse_alias
from conjoin.store.layout import package_key
from object_stores import MakeLock


def held(store: Store, lock: Lock) -> dict[str, bytes]:
    """Return the bytes of every package of ``lock`` that the store holds."""
    found = {}
    for locked in lock.platforms.values():
        for package in locked.packages:
            kept = store.backend.get(package_key(package.sha256, package.file))
            if kept is not None:
                found[package.file] = kept.data
    return found


def origin_of(tmp_path: Path, lock: Lock) -> dict[str, bytes]:
    return {
        package.file: (tmp_path / "origin" / package.file).read_bytes()
        for locked in lock.platforms.values()
        for package in locked.packages
    }


def test_what_is_pushed_is_found_by_another_with_all_its_bytes(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment()
    pushed = Store(place).push(lock, alias="team/x:v1")
    assert (pushed.sent, pushed.present, pushed.alias) == (3, 0, "team/x:v1")
    assert pushed.bytes_sent == sum(map(len, origin_of(tmp_path, lock).values()))
    other = Store(place)
    assert other.get("team/x:v1") == lock
    assert held(other, lock) == origin_of(tmp_path, lock)
    assert other.default_lock(lock.req_id) == lock


def test_a_second_push_sends_nothing_and_changes_nothing(place: str, make_environment: MakeLock) -> None:
    lock = make_environment()
    store = Store(place)
    store.push(lock, alias="x:v1")
    before = {key: store.backend.get(key) for key in store.backend.keys("envs")}
    pushed = Store(place).push(lock, alias="x:v1")
    assert (pushed.sent, pushed.present) == (0, 3)
    assert {key: store.backend.get(key) for key in store.backend.keys("envs")} == before


def test_packages_come_from_the_local_store_before_their_origin(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment()
    expected = origin_of(tmp_path, lock)
    local = Store()
    for package in lock.platforms["linux-64"].packages:
        local.packages.put(package.sha256, package.file, [expected[package.file]])
    shutil.rmtree(tmp_path / "origin")
    Store(place).push(lock)
    assert held(Store(place), lock) == expected


def test_nothing_is_found_before_all_of_it_is_there_and_the_next_push_sends_the_rest(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(5)
    missing = tmp_path / "origin" / lock.platforms["linux-64"].packages[4].file
    missing.rename(tmp_path / "away")
    store = Store(place)
    with pytest.raises(Unreachable):
        store.push(lock, alias="x:v1")
    assert list(store.locks.ids()) == []
    assert list(store.aliases.all()) == []
    already = len(held(store, lock))
    (tmp_path / "away").rename(missing)
    assert store.push(lock, alias="x:v1").sent == 5 - already
    assert held(store, lock) == origin_of(tmp_path, lock)


@pytest.mark.parametrize("size", [1000, 20_000_000], ids=["one request", "multipart"])
def test_wrong_bytes_at_the_origin_are_not_kept(
    place: str, make_environment: MakeLock, tmp_path: Path, size: int
) -> None:
    lock = make_environment(1, size)
    path = tmp_path / "origin" / lock.platforms["linux-64"].packages[0].file
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    store = Store(place)
    with pytest.raises(IntegrityError, match="not the file that was locked") as caught:
        store.push(lock)
    assert caught.value.exit_code == 5
    assert held(store, lock) == {}
    assert list(store.locks.ids()) == []


def test_a_damaged_local_package_is_not_sent(place: str, make_environment: MakeLock) -> None:
    lock = make_environment(1)
    package = lock.platforms["linux-64"].packages[0]
    path = Store().packages.path(package.sha256, package.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(package.size))
    store = Store(place)
    with pytest.raises(IntegrityError, match="delete the damaged file"):
        store.push(lock)
    assert held(store, lock) == {}


def test_a_package_of_the_wrong_size_in_the_store_is_sent_again(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(1)
    package = lock.platforms["linux-64"].packages[0]
    store = Store(place)
    store.backend.put_if_absent(package_key(package.sha256, package.file), b"half of i")
    assert store.push(lock).sent == 1
    assert held(store, lock) == origin_of(tmp_path, lock)


def test_a_big_package_goes_straight_from_its_origin_to_the_store(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(1, 30_000_000)
    Store(place).push(lock)
    assert held(Store(place), lock) == origin_of(tmp_path, lock)
    assert not (Store().root / "packages").exists()


def test_some_platforms_can_be_pushed_and_the_others_later(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(2, platforms=("linux-64", "osx-arm64"))
    store = Store(place)
    first = store.push(lock, ["osx-arm64"])
    assert (first.platforms, first.sent) == (("osx-arm64",), 2)
    assert all("osx_arm64" in file for file in held(store, lock))
    assert store.push(lock).sent == 2
    assert held(store, lock) == origin_of(tmp_path, lock)
    with pytest.raises(NotFound, match="win-64"):
        store.push(lock, ["win-64"])


def test_an_alias_that_is_taken_is_refused_before_any_work(place: str, make_environment: MakeLock) -> None:
    first, second = make_environment(seed=1), make_environment(seed=2)
    store = Store(place)
    store.push(first, alias="x:v1")
    with pytest.raises(Conflict, match="x:v1") as caught:
        store.push(second, alias="x:v1")
    assert caught.value.exit_code == 7
    assert held(store, second) == {}
    assert store.get("x:v1") == first


def test_latest_moves(place: str, make_environment: MakeLock) -> None:
    first, second = make_environment(seed=1), make_environment(seed=2)
    store = Store(place)
    for lock in (first, second, first, first):
        store.push(lock, alias="team/x")
        assert Store(place).get("team/x") == lock


def test_compare_and_swap_succeeds_only_at_the_version_that_was_read(place: str) -> None:
    backend = Store(place).backend
    assert backend.compare_and_swap("aliases/x/latest.json", b"1", None)
    assert not backend.compare_and_swap("aliases/x/latest.json", b"2", None)
    read = backend.get("aliases/x/latest.json")
    assert read is not None
    assert backend.compare_and_swap("aliases/x/latest.json", b"2", read.version)
    assert not backend.compare_and_swap("aliases/x/latest.json", b"3", read.version)
    now = backend.get("aliases/x/latest.json")
    assert now is not None
    assert now.data == b"2"
    backend.delete("aliases/x/latest.json")
    backend.delete("aliases/x/latest.json")
    assert backend.get("aliases/x/latest.json") is None
    assert backend.size("aliases/x/latest.json") is None
    assert not backend.compare_and_swap("aliases/x/latest.json", b"3", now.version)


def test_keys_are_listed_below_whole_parts(place: str) -> None:
    backend = Store(place).backend
    for key in ("a/b/c", "a/bc/d", "a/b.json", "b/x"):
        assert backend.put_if_absent(key, b"")
    assert backend.keys("a/b") == ["a/b/c"]
    assert backend.keys("a") == ["a/b.json", "a/b/c", "a/bc/d"]
    assert backend.keys("none") == []


@pytest.mark.slow
def test_more_keys_than_one_answer_holds_are_all_listed(place: str) -> None:
    """S3 and GCS answer a thousand keys at a time, Azure five thousand."""
    backend = Store(place).backend
    expected = sorted(f"many/{number:04}.json" for number in range(1001))
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda key: backend.put_if_absent(key, b""), expected)
    assert all(made)
    assert backend.keys("many") == expected


def test_sizes_are_told_without_reading(place: str) -> None:
    backend = Store(place).backend
    for size in (0, 1, 70_000):
        assert backend.put_if_absent(f"sizes/{size}", bytes(size))
        assert backend.size(f"sizes/{size}") == size
    assert not backend.put_if_absent("sizes/0", b"another")
    assert backend.size("sizes/0") == 0


def test_aliases_are_listed_by_what_they_begin_with(place: str, make_environment: MakeLock) -> None:
    store = Store(place)
    lock = make_environment(1)
    for name in ("team/torch:v1", "team/torch:v2", "team/tornado", "team2/x:v1", "other:v1"):
        store.push(lock, alias=name)
    assert [str(each) for each in store.aliases.all()] == [
        "other:v1",
        "team/torch:v1",
        "team/torch:v2",
        "team/tornado:latest",
        "team2/x:v1",
    ]
    assert [str(each) for each in store.aliases.all("team/tor")] == [
        "team/torch:v1",
        "team/torch:v2",
        "team/tornado:latest",
    ]
    assert [str(each) for each in store.aliases.all("team/torch:v2")] == ["team/torch:v2"]
    assert [str(each) for each in store.aliases.all("team2")] == ["team2/x:v1"]


def test_what_is_not_there_is_not_found(place: str, make_environment: MakeLock) -> None:
    store = Store(place)
    for text in ("no/such:v1", f"{'a' * 40}:{'b' * 40}"):
        with pytest.raises(NotFound):
            store.get(text)
    with pytest.raises(NotFound, match="push it first"):
        store.aliases.set(parse_alias("x"), replace(make_environment(1), full_id="b" * 40))


def test_a_lock_under_another_s_name_is_not_believed(place: str, make_environment: MakeLock) -> None:
    first, second = make_environment(1, seed=1), make_environment(1, seed=2)
    store = Store(place)
    store.push(first)
    kept = store.backend.get(f"envs/{first.req_id}/{first.full_id}/lock.json")
    assert kept is not None
    store.backend.put_if_absent(f"envs/{second.req_id}/{second.full_id}/lock.json", kept.data)
    with pytest.raises(IntegrityError, match="another than its name says"):
        store.get(f"{second.req_id}:{second.full_id}")


def test_of_threads_that_write_a_tag_once_one_wins_and_the_others_know(
    place: str, make_environment: MakeLock
) -> None:
    locks = [make_environment(1, seed=seed) for seed in range(6)]
    for lock in locks:
        Store(place).push(lock)
    barrier = threading.Barrier(len(locks))
    outcomes: list[int] = []

    def write(lock: Lock) -> None:
        store = Store(place)
        barrier.wait()
        try:
            store.push(lock, alias="raced:v1")
        except ConjoinError as error:
            outcomes.append(error.exit_code)
        else:
            outcomes.append(0)

    threads = [threading.Thread(target=write, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [0, 7, 7, 7, 7, 7]


MANY = """
import sys
from pathlib import Path
from conjoin.lock.format import read_lock
from conjoin.api import Store
place, number, folder = sys.argv[1:]
store = Store(place)
for path in sorted(Path(folder).glob("*.lock")):
    lock = read_lock(path)
    store.push(lock, alias=f"many/{path.stem}:{number}")
    store.push(lock, alias="many/all")
    assert store.get(f"many/{path.stem}:{number}") == lock
    store.get("many/all")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "count"), [(3, 4), pytest.param(16, 20, marks=pytest.mark.scale)], ids=["3x4", "16x20"]
)
@pytest.mark.parametrize("kind", ["folder", "s3", "gs", "az"])
def test_processes_that_push_the_same_locks_and_aliases_lose_nothing(
    kind: str,
    processes: int,
    count: int,
    make_environment: MakeLock,
    tmp_path: Path,
    new_place: Callable[[str], str],
) -> None:
    from conjoin.lock.format import write_lock

    place = new_place(kind)
    (tmp_path / "locks").mkdir()
    locks = {f"e{seed}": make_environment(2, 100, seed=seed) for seed in range(count)}
    for name, lock in locks.items():
        write_lock(tmp_path / "locks" / f"{name}.lock", lock)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, place, f"v{number}", str(tmp_path / "locks")],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    failures = [process.communicate()[1] for process in running]
    assert failures == [""] * processes
    store = Store(place)
    assert sorted(store.locks.ids()) == sorted((lock.req_id, lock.full_id) for lock in locks.values())
    names = [f"many/{name}:v{number}" for name in sorted(locks) for number in range(processes)]
    assert sorted(map(str, store.aliases.all())) == sorted(["many/all:latest", *names])
    for name in names:
        lock = locks[name.removeprefix("many/").partition(":")[0]]
        assert store.aliases.get(parse_alias(name)).ids == (lock.req_id, lock.full_id)
    for lock in locks.values():
        assert held(store, lock) == origin_of(tmp_path, lock)


def test_the_first_package_that_fails_is_the_one_that_is_told(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    """The others are made to give up; their giving up is no news."""
    lock = make_environment(12, 3_000_000)
    damaged = tmp_path / "origin" / lock.platforms["linux-64"].packages[5].file
    damaged.write_bytes(bytes(damaged.stat().st_size))
    with pytest.raises(IntegrityError, match=damaged.name):
        Store(place).push(lock)


def test_a_push_tells_how_far_it_is(place: str, make_environment: MakeLock) -> None:
    lock = make_environment(3)
    sent: list[int] = []
    pushed = Store(place).push(lock, sent=sent.append)
    assert sum(sent) == pushed.bytes_sent > 0
