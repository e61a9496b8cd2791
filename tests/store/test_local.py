from __future__ import annotations

import multiprocessing
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from conjoin.api import Store
from conjoin.errors import Conflict, ConjoinError, IntegrityError, NotFound, UsageError
from conjoin.lock.format import encode, write_lock
from conjoin.lock.identity import lock_digest, make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.store.aliases import Alias, parse_alias
from conjoin.store.backend.filelock import locked
from conjoin.store.lookup.reference import find_lock
from conjoin.store.user import current_user


def lock_with(number: int) -> Lock:
    package = LockedPackage(
        kind="pypi",
        name="six",
        version="1.0",
        file="six-1.0-py3-none-any.whl",
        sha256=f"{number:064x}",
    )
    platform = LockedPlatform(virtual_packages={}, packages=(package,))
    return make_lock({"scheme": 1}, requirements_id({"scheme": 1}), {"linux-64": platform})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_lock_is_kept_and_found_by_its_ids(store: Store) -> None:
    lock = lock_with(1)
    assert store.save(lock, versions={"conjoin": "0.1.0"})
    assert not store.save(lock, versions={"conjoin": "0.1.0"})
    assert store.locks.get(lock.req_id, lock.full_id) == lock
    assert list(store.locks.ids()) == [(lock.req_id, lock.full_id)]
    assert (store.root / "envs" / lock.req_id / lock.full_id / "lock.json").read_bytes() == encode(lock)


def other_origin(lock: Lock) -> Lock:
    """Return the same environment, of a mirror whose index says more of its dependencies."""
    locked = lock.platforms["linux-64"]
    url = "https://mirror.example/six-1.0-py3-none-any.whl"
    (package,) = locked.packages
    changed = replace(package, url=url, dependencies=("idna >=2",))
    return replace(lock, platforms={"linux-64": replace(locked, packages=(changed,))})


def test_of_two_locks_of_one_environment_the_first_one_stays(store: Store) -> None:
    lock = lock_with(1)
    assert store.locks.put(lock) == (lock, True)
    assert store.locks.put(lock) == (lock, False)
    assert store.locks.put(other_origin(lock)) == (lock, False)
    assert store.locks.get(lock.req_id, lock.full_id) == lock


def test_what_is_no_such_lock_gives_way_to_the_true_one(store: Store) -> None:
    lock = lock_with(1)
    store.locks.put(lock)
    path = store.root / "envs" / lock.req_id / lock.full_id / "lock.json"
    for damaged in (b"", b"{", path.read_bytes().replace(b"1.0", b"1.1", 1), encode(lock_with(2))):
        path.write_bytes(damaged)
        assert store.locks.put(lock) == (lock, True)
        assert store.locks.get(lock.req_id, lock.full_id) == lock


def test_a_lock_is_the_one_whose_digest_is_known(store: Store) -> None:
    lock = lock_with(1)
    store.locks.put(other_origin(lock))
    assert store.locks.get(lock.req_id, lock.full_id, lock_digest(other_origin(lock)))
    with pytest.raises(IntegrityError, match=lock_digest(lock)):
        store.locks.get(lock.req_id, lock.full_id, lock_digest(lock))
    pinned = f"{lock.req_id}:{lock.full_id}@sha256:"
    assert find_lock(pinned + lock_digest(other_origin(lock)), store) == other_origin(lock)
    with pytest.raises(IntegrityError, match=lock_digest(lock)):
        find_lock(pinned + lock_digest(lock), store)
    with pytest.raises(UsageError, match="64 hex digits"):
        find_lock(pinned + "abc", store)


def test_a_name_means_the_very_lock_that_was_named(store: Store) -> None:
    lock = lock_with(1)
    store.locks.put(lock)
    store.aliases.set(Alias("x", "v1"), other_origin(lock))  # of the lock that is kept, whatever is brought
    assert find_lock("x:v1", store) == lock
    path = store.root / "envs" / lock.req_id / lock.full_id / "lock.json"
    path.write_bytes(encode(other_origin(lock)))
    with pytest.raises(IntegrityError, match="changed after it was named"):
        find_lock("x:v1", store)
    assert find_lock(f"{lock.req_id}:{lock.full_id}", store) == other_origin(lock)
    # Where it comes from counts as well: whoever writes the store could have packages fetched from anywhere.
    locked = lock.platforms["linux-64"]
    elsewhere = replace(locked, packages=(replace(locked.packages[0], url="https://x.example/six-1.0.whl"),))
    path.write_bytes(encode(replace(lock, platforms={"linux-64": elsewhere})))
    with pytest.raises(IntegrityError, match="changed after it was named"):
        find_lock("x:v1", store)


def test_an_edited_lock_is_not_believed(store: Store) -> None:
    lock = lock_with(1)
    store.locks.put(lock)
    path = store.root / "envs" / lock.req_id / lock.full_id / "lock.json"
    path.write_bytes(path.read_bytes().replace(b"0" * 63 + b"1", b"0" * 63 + b"2"))
    with pytest.raises(IntegrityError):
        store.locks.get(lock.req_id, lock.full_id)


def test_the_default_is_what_this_user_resolved_last(store: Store) -> None:
    old, new, theirs = lock_with(1), lock_with(2), lock_with(3)
    assert store.default_lock(old.req_id, "me") is None
    store.save(old, versions={}, user="me")
    store.save(new, versions={}, user="me")
    store.save(theirs, versions={}, user="somebody")
    assert store.default_lock(old.req_id, "me") == new
    store.save(old, versions={}, user="me")  # resolved to the old one again
    assert store.default_lock(old.req_id, "me") == old
    assert [each.user for each in store.locks.pointers(old.req_id)] == ["me", "somebody", "me", "me"]


def test_a_default_whose_lock_is_gone_falls_back_to_the_one_before(store: Store) -> None:
    old, new = lock_with(1), lock_with(2)
    store.save(old, versions={}, user="me")
    store.save(new, versions={}, user="me")
    (store.root / "envs" / new.req_id / new.full_id / "lock.json").unlink()
    assert store.default_lock(old.req_id, "me") == old


def test_pointers_sort_by_time_in_whatever_zone_it_was_given(store: Store) -> None:
    lock, other = lock_with(1), lock_with(2)
    for each in (lock, other):
        store.locks.put(each)
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    east = timezone(timedelta(hours=9))
    store.locks.point(other.req_id, other.full_id, "me", {}, now=noon)
    store.locks.point(lock.req_id, lock.full_id, "me", {}, now=datetime(2026, 1, 1, 20, 59, tzinfo=east))
    assert store.default_lock(lock.req_id, "me") == other


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("torch", Alias("torch", "latest")),
        ("mlp/team/torch-cuda:v1", Alias("mlp/team/torch-cuda", "v1")),
        ("a.b_c:1.0", Alias("a.b_c", "1.0")),
    ],
)
def test_an_alias_is_a_name_and_a_tag(text: str, alias: Alias) -> None:
    assert parse_alias(text) == alias


@pytest.mark.parametrize(
    "text",
    ["", ":v1", "Upper", "a//b", "/a", "a/", "../x", "a:", "a:b:c", "a b", "a:B/c", ".x", "x/.y", "x.json/y"],
)
def test_what_is_no_alias_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_alias(text)


def test_an_id_cannot_be_shadowed_by_an_alias() -> None:
    with pytest.raises(UsageError, match="id"):
        parse_alias(f"{'a' * 40}:{'b' * 40}")


def test_a_tag_is_written_once_but_latest_moves(store: Store) -> None:
    first, second = lock_with(1), lock_with(2)
    store.alias(first, "team/env:v1")
    store.alias(first, "team/env:v1")
    with pytest.raises(Conflict, match="team/env:v1") as caught:
        store.alias(second, "team/env:v1")
    assert caught.value.exit_code == 7
    store.alias(first, "team/env")
    store.alias(second, "team/env")
    assert find_lock("team/env:v1", store) == first
    assert find_lock("team/env", store) == second
    assert [str(each) for each in store.aliases.all()] == ["team/env:latest", "team/env:v1"]


def test_an_alias_never_dangles(store: Store) -> None:
    lock = lock_with(1)
    with pytest.raises(NotFound):
        store.aliases.set(Alias("x", "latest"), lock)
    assert list(store.aliases.all()) == []


def test_an_environment_is_found_by_file_by_id_and_by_alias(store: Store, tmp_path: Path) -> None:
    lock = lock_with(1)
    store.alias(lock, "env:v1")
    write_lock(tmp_path / "some.lock", lock)
    for text in (str(tmp_path / "some.lock"), f"{lock.req_id}:{lock.full_id}", "env:v1"):
        assert find_lock(text, store) == lock


def test_a_file_goes_before_an_alias_of_its_name(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.alias(lock_with(1), "env")
    monkeypatch.chdir(tmp_path)
    write_lock(Path("env"), lock_with(2))
    assert find_lock("env", store) == lock_with(2)


def test_an_unknown_alias_names_near_ones(store: Store) -> None:
    store.alias(lock_with(1), "team/torch:v1")
    with pytest.raises(NotFound, match="did you mean team/torch:v1") as caught:
        find_lock("team/troch:v1", store)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("text", ["none.lock.json", "./none.json", f"{'a' * 40}:{'b' * 40}"])
def test_what_does_not_exist_is_not_found(store: Store, text: str) -> None:
    with pytest.raises(NotFound):
        find_lock(text, store)


def test_a_store_is_where_the_variable_says(isolated_home: Path) -> None:
    assert Store().root == isolated_home / "store"


def test_a_user_without_a_name_still_has_pointers(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert current_user() == "unknown"
    monkeypatch.setattr("getpass.getuser", lambda: "../DOMAIN\\me")
    assert current_user() == "DOMAIN-me"


def _put_tag(root: str, number: int, barrier: multiprocessing.synchronize.Barrier) -> None:
    lock = lock_with(number)
    store = Store(root)
    barrier.wait()
    try:
        store.alias(lock, "raced:v1")
    except ConjoinError as error:
        os._exit(error.exit_code)
    os._exit(0)


def test_of_processes_that_write_a_tag_once_one_wins_and_the_others_know(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    running = [context.Process(target=_put_tag, args=(str(tmp_path), n, barrier)) for n in range(4)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert sorted(process.exitcode or 0 for process in running) == [0, 7, 7, 7]


def _count(folder: str, times: int) -> None:
    counter = Path(folder, "counter")
    for _ in range(times):
        with locked(Path(folder, "lock")):
            counter.write_text(str(int(counter.read_text()) + 1))
    os._exit(0)


def test_a_file_lock_that_removes_its_file_still_lets_one_in_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    context = multiprocessing.get_context("fork")
    running = [context.Process(target=_count, args=(str(tmp_path), 200)) for _ in range(4)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert (tmp_path / "counter").read_text() == "800"
    assert [path.name for path in tmp_path.iterdir()] == ["counter"]
