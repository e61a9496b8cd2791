"""One file for a machine without any network: what goes in comes out, and nothing else ever does."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import stat
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conjoin.api import Store
from conjoin.errors import (
    Conflict,
    ConjoinError,
    IntegrityError,
    NotFound,
    Unreachable,
    UsageError,
)
from conjoin.lock.format import encode
from conjoin.lock.identity import make_lock
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.store.bundle import export as bundle_export
from conjoin.store.bundle.format import (
    BLOCK,
    END,
    FORMAT,
    MANIFEST_KEY,
    BundleFile,
    Manifest,
    encode_manifest,
    header,
    lay_out,
    package_files,
)
from conjoin.store.layout import lock_key, package_key
from conjoin.writing import DiskError
from fuzzing import examples
from object_stores import S3, MakeLock

BOTH = ("linux-64", "osx-arm64")


def contents(tmp_path: Path, lock: Lock, platforms: tuple[str, ...] = BOTH) -> dict[str, bytes]:
    """Return the bytes of every package by key."""
    return {
        package_key(package.sha256, package.file): (tmp_path / "origin" / package.file).read_bytes()
        for platform in platforms
        if platform in lock.platforms
        for package in lock.platforms[platform].packages
    }


def held(store: Store) -> dict[str, bytes]:
    found = {key: store.backend.get(key) for key in store.backend.keys("packages")}
    return {key: each.data for key, each in found.items() if each is not None}


def named(store: Store) -> list[str]:
    """Return what can be found: locks, pointers and aliases."""
    return [key for folder in ("envs", "aliases") for key in store.backend.keys(folder)]


def beside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if path.name in each.name)


def with_packages(lock: Lock, change: Callable[[LockedPackage], LockedPackage]) -> Lock:
    platforms = {
        name: LockedPlatform(
            virtual_packages=locked.virtual_packages, packages=tuple(map(change, locked.packages))
        )
        for name, locked in lock.platforms.items()
    }
    return make_lock(lock.requirements, lock.req_id, platforms)


def test_what_is_exported_is_imported_where_no_origin_is(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(3, platforms=BOTH)
    expected = contents(tmp_path, lock)
    exported = Store().export_bundle(lock, tmp_path / "x.bundle", alias="team/x:v1")
    assert (exported.platforms, exported.packages) == (BOTH, 6)
    assert exported.size == (tmp_path / "x.bundle").stat().st_size
    assert stat.S_IMODE((tmp_path / "x.bundle").stat().st_mode) == 0o644
    assert beside(tmp_path / "x.bundle") == ["x.bundle"]
    assert held(Store()) == {}  # they went straight from their origin to the file
    shutil.rmtree(tmp_path / "origin")
    store = Store(place)
    done = store.import_bundle(tmp_path / "x.bundle", alias="mine:v1")
    assert (done.lock, done.platforms, done.received, done.present) == (lock, BOTH, 6, 0)
    assert (done.alias, done.exported_as) == ("mine:v1", "team/x:v1")
    assert done.size == sum(map(len, expected.values()))
    assert held(store) == expected
    other = Store(place)
    assert other.get("mine:v1") == lock
    assert other.default_lock(lock.req_id) == lock
    assert [str(each) for each in other.aliases.all()] == ["mine:v1"]


def test_a_second_import_brings_nothing_and_changes_nothing(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(3)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    store = Store(place)
    store.import_bundle(tmp_path / "x.bundle", alias="x:v1")
    before = {key: store.backend.get(key) for key in named(store) if "/used/" not in key}
    again = Store(place).import_bundle(tmp_path / "x.bundle", alias="x:v1")
    assert (again.received, again.present) == (0, 3)
    assert {key: store.backend.get(key) for key in named(store) if "/used/" not in key} == before


def test_an_interrupted_import_goes_on_where_it_was(make_environment: MakeLock, tmp_path: Path) -> None:
    lock = make_environment(3)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    store = Store(tmp_path / "other")
    store.import_bundle(tmp_path / "x.bundle")
    gone, half = (store.root / key for key in sorted(held(store))[:2])
    gone.unlink()
    half.write_bytes(half.read_bytes()[:100])
    again = store.import_bundle(tmp_path / "x.bundle")
    assert (again.received, again.present) == (2, 1)
    assert held(store) == contents(tmp_path, lock)


def test_what_an_object_store_got_out_of_a_bundle_need_not_be_pushed(
    s3: S3, s3_place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(3)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    Store(s3_place).import_bundle(tmp_path / "x.bundle", alias="x:v1")
    shutil.rmtree(tmp_path / "origin")
    assert Store(s3_place).push(lock, alias="x:v1").sent == 0


def test_an_import_that_fails_half_way_leaves_nothing_to_be_found_and_the_next_one_finishes(
    s3: S3, s3_place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(6)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    refused_file = lock.platforms["linux-64"].packages[3].file
    s3.fail(f"*{refused_file}", 403, None, ("PUT",))
    with pytest.raises(Unreachable, match="refuses these credentials"):
        Store(s3_place).import_bundle(tmp_path / "x.bundle", alias="x:v1")
    assert named(Store(s3_place)) == []
    s3.heal()
    already = len(held(Store(s3_place)))
    done = Store(s3_place).import_bundle(tmp_path / "x.bundle", alias="x:v1")
    assert (done.received, done.present) == (6 - already, already)
    assert Store(s3_place).get("x:v1") == lock
    assert held(Store(s3_place)) == contents(tmp_path, lock)


def test_the_same_content_is_the_same_bytes_wherever_it_came_from(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(3, platforms=BOTH)
    written = []

    def export(store: Store) -> None:
        path = tmp_path / f"{len(written)}.bundle"
        platforms = [("osx-arm64", "linux-64"), None][len(written) % 2]
        store.export_bundle(lock, path, platforms)
        written.append(path.read_bytes())

    export(Store())
    Store(place).push(lock)
    shutil.rmtree(tmp_path / "origin")
    export(Store(place))
    Store(tmp_path / "third").import_bundle(tmp_path / "1.bundle")
    export(Store(tmp_path / "third"))
    assert written[0] == written[1] == written[2]


def test_a_bundle_is_a_plain_tar_archive_and_unpacked_a_store(
    make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(2, platforms=BOTH)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    with tarfile.open(tmp_path / "x.bundle", "r:") as archive:
        members = archive.getmembers()
        assert {(each.type, each.mode, each.uid, each.gid, each.mtime) for each in members} == {
            (tarfile.REGTYPE, 0o644, 0, 0, 0)
        }
        names = [each.name for each in members]
        archive.extractall(tmp_path / "unpacked")  # it is our own
    packages = sorted(contents(tmp_path, lock), key=lambda key: key.rpartition("/")[2])
    assert names == [MANIFEST_KEY, lock_key(lock.req_id, lock.full_id), *packages]
    store = Store(tmp_path / "unpacked")
    assert store.lock(lock.req_id, lock.full_id) == lock
    assert held(store) == contents(tmp_path, lock)


@given(
    name=st.text("abcXYZ019_.+-", min_size=1, max_size=250).filter(lambda name: not name.startswith(".")),
    size=st.integers(0, 2**40),
)
@example(name="x" * 100, size=8**11 - 1)
@example(name="x" * 101, size=8**11)
@example(name="x" * 89, size=0)
@example(name="x" * 90, size=0)
def test_a_header_is_what_the_standard_says(name: str, size: int) -> None:
    """POSIX.1-2001, "pax Interchange Format"; read by Python's tarfile."""
    key = f"packages/aa/{'a' * 64}/{name}"
    block = header(key, size)
    assert len(block) % BLOCK == 0
    with tarfile.open(fileobj=io.BytesIO(block + END), mode="r:") as archive:
        found = archive.next()
    assert found is not None
    assert (found.name, found.size, found.type) == (key, size, tarfile.REGTYPE)


@given(st.lists(st.tuples(st.text("ab/", min_size=1, max_size=120), st.integers(0, 2000)), max_size=6))
def test_members_follow_each_other_in_whole_blocks(sizes: list[tuple[str, int]]) -> None:
    at = 0
    for member in lay_out(sizes):
        assert member.at == at
        assert at % BLOCK == member.end % BLOCK == 0
        assert member.content_at + member.size <= member.end < member.content_at + member.size + BLOCK
        at = member.end


def test_some_platforms_are_exported_with_the_whole_lock(make_environment: MakeLock, tmp_path: Path) -> None:
    lock = make_environment(2, platforms=BOTH)
    exported = Store().export_bundle(lock, tmp_path / "x.bundle", ["osx-arm64"])
    assert (exported.platforms, exported.packages) == (("osx-arm64",), 2)
    store = Store(tmp_path / "other")
    assert store.import_bundle(tmp_path / "x.bundle").lock == lock
    assert held(store) == contents(tmp_path, lock, ("osx-arm64",))
    with pytest.raises(NotFound, match="win-64"):
        Store().export_bundle(lock, tmp_path / "y.bundle", ["win-64"])
    assert not (tmp_path / "y.bundle").exists()


def test_a_package_of_both_platforms_is_there_once(make_environment: MakeLock, tmp_path: Path) -> None:
    one = make_environment(2)
    locked = one.platforms["linux-64"]
    unsized = tuple(msgspec.structs.replace(package, size=0) for package in locked.packages)
    lock = make_lock(
        one.requirements,
        one.req_id,
        {"linux-64": locked, "osx-arm64": LockedPlatform(virtual_packages={}, packages=unsized)},
    )
    assert Store().export_bundle(lock, tmp_path / "x.bundle").packages == 2
    assert Store(tmp_path / "other").import_bundle(tmp_path / "x.bundle").received == 2


@pytest.mark.parametrize("kept", ["nowhere", "here", "in the store"])
def test_packages_whose_size_nobody_told_are_measured(
    kept: str, place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = with_packages(make_environment(3), lambda package: msgspec.structs.replace(package, size=0))
    if kept != "nowhere":
        (Store() if kept == "here" else Store(place)).push(lock)
        shutil.move(tmp_path / "origin", tmp_path / "away")
    Store(place).export_bundle(lock, tmp_path / "x.bundle")
    store = Store(tmp_path / "other")
    store.import_bundle(tmp_path / "x.bundle")
    if kept != "nowhere":
        shutil.move(tmp_path / "away", tmp_path / "origin")
    assert held(store) == contents(tmp_path, lock)


def test_what_was_built_here_travels_and_what_was_built_elsewhere_is_missed(
    make_environment: MakeLock, tmp_path: Path
) -> None:
    made = make_environment(2)
    lock = with_packages(
        made, lambda each: msgspec.structs.replace(each, url="", source_url="https://a.example/x.tar.gz")
    )
    with pytest.raises(NotFound, match="was built where it was resolved"):
        Store().export_bundle(lock, tmp_path / "x.bundle")
    assert beside(tmp_path / "x.bundle") == []
    for package in lock.platforms["linux-64"].packages:
        content = (tmp_path / "origin" / package.file).read_bytes()
        Store().packages.put(package.sha256, package.file, [content])
    Store().export_bundle(lock, tmp_path / "x.bundle", offline=True)
    store = Store(tmp_path / "other")
    store.import_bundle(tmp_path / "x.bundle")
    assert held(store) == contents(tmp_path, lock)


def test_an_interpreter_of_the_host_has_no_bytes(tmp_path: Path) -> None:
    python = LockedPackage(
        kind="python",
        name="python",
        version="3.12.1",
        file="cpython-3.12.1-cp312",
        implementation="cpython",
        abi="cp312",
    )
    from conjoin.lock.identity import requirements_id

    locked = LockedPlatform(virtual_packages={}, packages=(python,))
    lock = make_lock({"scheme": 1}, requirements_id({"scheme": 1}), {"linux-64": locked})
    assert Store().export_bundle(lock, tmp_path / "x.bundle").packages == 0
    assert Store(tmp_path / "other").import_bundle(tmp_path / "x.bundle").lock == lock


def test_offline_nothing_is_fetched(make_environment: MakeLock, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="offline"):
        Store().export_bundle(make_environment(2), tmp_path / "x.bundle", offline=True)
    assert beside(tmp_path / "x.bundle") == []


@pytest.mark.parametrize("where", ["origin", "store"])
def test_wrong_bytes_are_not_exported_and_the_file_of_before_stays(
    where: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(4, 3_000_000)
    damaged = lock.platforms["linux-64"].packages[2]
    path = tmp_path / "origin" / damaged.file
    if where == "store":
        Store().push(lock)
        path = Store().packages.path(damaged.sha256, damaged.file)
    path.write_bytes(bytes(damaged.size))
    target = tmp_path / "x.bundle"
    target.write_bytes(b"of before")
    with pytest.raises(IntegrityError, match="is not the file that was locked") as caught:
        Store().export_bundle(lock, target)
    assert damaged.file in str(caught.value)
    assert target.read_bytes() == b"of before"
    assert beside(target) == ["x.bundle"]


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite", "fsync"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    call: str, make_environment: MakeLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = make_environment(2)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(bundle_export.os, call, full)
    with pytest.raises(DiskError, match="the disk is full") as caught:
        Store().export_bundle(lock, tmp_path / "x.bundle")
    assert caught.value.where == str(tmp_path / "x.bundle")
    assert beside(tmp_path / "x.bundle") == []


def test_a_file_system_that_cannot_reserve_space_will_do(
    make_environment: MakeLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    lock = make_environment(2)
    monkeypatch.setattr(bundle_export.os, "posix_fallocate", cannot, raising=False)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    assert Store(tmp_path / "other").import_bundle(tmp_path / "x.bundle").received == 2


def test_what_cannot_become_a_bundle_is_refused_before_any_work(
    make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(1)
    shutil.rmtree(tmp_path / "origin")  # whoever looks for packages fails otherwise
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none" / "x.bundle", tmp_path, tmp_path / "pipe", tmp_path / ("x" * 300)):
        with pytest.raises(UsageError):
            Store().export_bundle(lock, path)
    with pytest.raises(Unreachable):
        Store().export_bundle(lock, tmp_path / "x.bundle")


def test_an_alias_that_is_taken_is_refused_before_any_work(
    place: str, make_environment: MakeLock, tmp_path: Path
) -> None:
    first, second = make_environment(1, seed=1), make_environment(1, seed=2)
    store = Store(place)
    store.push(first, alias="x:v1")
    before = held(store)
    Store().export_bundle(second, tmp_path / "x.bundle")
    with pytest.raises(Conflict, match="x:v1"):
        store.import_bundle(tmp_path / "x.bundle", alias="x:v1")
    assert held(store) == before
    with pytest.raises(UsageError):
        store.import_bundle(tmp_path / "x.bundle", alias="Not A Name")


def test_what_was_resolved_here_stays_the_default(make_environment: MakeLock, tmp_path: Path) -> None:
    theirs = make_environment(2)
    mine = make_lock(
        theirs.requirements,
        theirs.req_id,
        {"linux-64": LockedPlatform(virtual_packages={}, packages=theirs.platforms["linux-64"].packages[:1])},
    )
    store = Store(tmp_path / "other")
    store.save(mine, versions={})
    Store().export_bundle(theirs, tmp_path / "x.bundle")
    store.import_bundle(tmp_path / "x.bundle")
    assert store.default_lock(mine.req_id) == mine
    assert store.lock(theirs.req_id, theirs.full_id) == theirs


def test_the_same_environment_of_another_mirror_is_no_conflict(
    make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(2)
    mirrored = with_packages(
        lock, lambda each: msgspec.structs.replace(each, url=f"https://m.example/{each.file}")
    )
    assert mirrored.full_id == lock.full_id
    store = Store(tmp_path / "other")
    store.save(mirrored, versions={})
    Store().export_bundle(lock, tmp_path / "x.bundle")
    store.import_bundle(tmp_path / "x.bundle", alias="x:v1")
    assert store.get("x:v1") == mirrored
    assert held(store) == contents(tmp_path, lock)


# -- files that are not what export wrote ------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Lock]:
    """The bytes of a small bundle, and its lock."""
    folder = tmp_path_factory.mktemp("bundle")
    packages = []
    for number in range(3):
        content = random.Random(number).randbytes(700 * number + 5)
        file = folder / f"p{number}-{'1' * (number * 60)}.0-py3-none-any.whl"
        file.write_bytes(content)
        packages.append(
            LockedPackage(
                kind="pypi",
                name=f"p{number}",
                version="1.0",
                file=file.name,
                url=file.as_uri(),
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content) if number else 0,
            )
        )
    from conjoin.lock.identity import requirements_id

    locked = LockedPlatform(virtual_packages={}, packages=tuple(packages))
    lock = make_lock({"scheme": 1}, requirements_id({"scheme": 1}), {"linux-64": locked})
    Store(folder / "store").export_bundle(lock, folder / "x.bundle", alias="x:v1")
    return (folder / "x.bundle").read_bytes(), lock


def refused(tmp_path: Path, data: bytes) -> ConjoinError:
    """Return why a file is not imported, after making sure that it left nothing that can be found."""
    path, store = tmp_path / "hostile.bundle", Store(tmp_path / "hostile-store")
    path.write_bytes(data)
    with pytest.raises(ConjoinError) as caught:
        store.import_bundle(path, alias="x:v1")
    assert named(store) == []
    assert str(path) in (caught.value.where or "")
    assert list((store.root / "packages").rglob(".*")) == []
    for key, content in held(store).items():
        assert hashlib.sha256(content).hexdigest() == key.split("/")[2]
    return caught.value


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_file_that_is_cut_off_anywhere_is_damaged(
    data: st.DataObject, bundle: tuple[bytes, Lock], tmp_path: Path
) -> None:
    whole, _ = bundle
    length = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.sampled_from([0, 1, 511, 512, 513])))
    error = refused(tmp_path, whole[:length])
    assert (type(error), error.exit_code) == (IntegrityError, 5)
    assert not (tmp_path / "hostile-store" / "packages").exists()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_one_byte_that_is_changed_anywhere_is_noticed(
    data: st.DataObject, bundle: tuple[bytes, Lock], tmp_path: Path
) -> None:
    whole, _ = bundle
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    error = refused(tmp_path, bytes(changed))
    # What is not even called a bundle is none; the format's number may become a later version's.
    assert isinstance(error, IntegrityError) or (at < 124) or "format" in error.what


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=examples(30),
)
@given(more=st.binary(min_size=1, max_size=2000))
def test_what_follows_after_the_end_is_noticed(
    more: bytes, bundle: tuple[bytes, Lock], tmp_path: Path
) -> None:
    assert isinstance(refused(tmp_path, bundle[0] + more), IntegrityError)


def archive_of(members: list[tuple[str, bytes]]) -> bytes:
    """Return what export would write for any members."""
    parts = []
    for member, (_, content) in zip(lay_out([(k, len(c)) for k, c in members]), members, strict=True):
        parts += [member.header, content, bytes(member.padding)]
    return b"".join([*parts, END])


def lying(bundle: tuple[bytes, Lock], **lies: Any) -> bytes:
    """Return a bundle that is well made, but for what is said otherwise."""
    whole, lock = bundle
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        content = {each.name: archive.extractfile(each).read() for each in archive.getmembers()}  # type: ignore[union-attr]
    lock_bytes = lies.pop("lock_bytes", encode(lock))
    key = lies.pop("lock_key", lock_key(lock.req_id, lock.full_id))
    sizes = {name: len(each) for name, each in content.items()}
    files = [
        BundleFile(key, hashlib.sha256(lock_bytes).hexdigest(), len(lock_bytes)),
        *package_files(lock, list(lock.platforms), sizes),
    ]
    files = lies.pop("change", lambda each: each)(files)
    document = {
        "format": FORMAT,
        "req_id": lock.req_id,
        "full_id": lock.full_id,
        "platforms": ("linux-64",),
        "alias": "x:v1",
        "files": tuple(files),
        **lies,
    }
    members = [(MANIFEST_KEY, encode_manifest(Manifest(**document))), (key, lock_bytes)]
    for file in files[1:]:
        had = content.get(file.key, b"")
        members.append((file.key, had[: file.size].ljust(min(file.size, 10_000), b"x")))
    return archive_of(members)


def replaced(index: int, **fields: Any) -> Callable[[list[BundleFile]], list[BundleFile]]:
    def change(files: list[BundleFile]) -> list[BundleFile]:
        files[index] = msgspec.structs.replace(files[index], **fields)
        return files

    return change


def edited(lock: Lock, **fields: Any) -> bytes:
    return f"{json.dumps(json.loads(encode(lock)) | fields, indent=1, sort_keys=True)}\n".encode()


EVIL = BundleFile("../../evil", hashlib.sha256(b"x").hexdigest(), 1)

LIES: dict[str, Callable[[tuple[bytes, Lock]], bytes]] = {
    "a path that leads outside": lambda b: lying(b, change=lambda files: [*files, EVIL]),
    "an absolute path": lambda b: lying(b, change=replaced(1, key="/tmp/evil")),
    "a package under another's name": lambda b: lying(b, change=replaced(1, key="packages/aa/x")),
    "a package twice": lambda b: lying(b, change=lambda files: [*files, files[1]]),
    "a package less": lambda b: lying(b, change=lambda files: files[:-1]),
    "packages in another order": lambda b: lying(b, change=lambda f: [f[0], f[2], f[1], f[3]]),
    "no lock": lambda b: lying(b, change=lambda files: files[1:]),
    "nothing": lambda b: lying(b, change=lambda _: []),
    "a bigger package than the lock says": lambda b: lying(b, change=replaced(2, size=9_000)),
    "a package of a thousand terabytes": lambda b: lying(b, change=replaced(1, size=10**15)),
    "an empty package": lambda b: lying(b, change=replaced(1, size=0)),
    "another hash": lambda b: lying(b, change=replaced(1, sha256="0" * 64)),
    "a lock of a thousand terabytes": lambda b: lying(b, change=replaced(0, size=10**15)),
    "a lock with another hash": lambda b: lying(b, change=replaced(0, sha256="0" * 64)),
    "a lock elsewhere": lambda b: lying(b, lock_key="envs/lock.json"),
    "another lock than it says": lambda b: lying(
        b, full_id="0" * 40, lock_key=lock_key(b[1].req_id, "0" * 40)
    ),
    "ids that are none": lambda b: lying(b, req_id="../../x"),
    "a lock whose ids are not its own": lambda b: lying(
        b,
        lock_bytes=edited(b[1], req_id="0" * 40),
        req_id="0" * 40,
        lock_key=lock_key("0" * 40, b[1].full_id),
    ),
    "a lock that is none": lambda b: lying(b, lock_bytes=b"{}"),
    "a lock with a path for a file": lambda b: lying(
        b, lock_bytes=encode(b[1]).replace(b'"p0-', b'"../p0-', 1)
    ),
    "a platform that is not locked": lambda b: lying(b, platforms=("linux-64", "osx-arm64")),
    "a platform twice": lambda b: lying(b, platforms=("linux-64", "linux-64")),
    "no platform": lambda b: lying(b, platforms=()),
    "a name that is none": lambda b: lying(b, alias="x:v1\x1b[2J"),
    "a name without its tag": lambda b: lying(b, alias="x"),
    "a format that never was": lambda b: lying(b, format=0),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_bundle_that_lies_is_damaged(lie: str, bundle: tuple[bytes, Lock], tmp_path: Path) -> None:
    error = refused(tmp_path, LIES[lie](bundle))
    assert (type(error), error.exit_code) == (IntegrityError, 5)
    assert "bundle is damaged" in error.what
    assert {path.name for path in tmp_path.iterdir()} <= {"hostile.bundle", "hostile-store"}
    if lie != "an empty package":  # whose size the lock does not tell, so its hash has to
        assert not (tmp_path / "hostile-store" / "packages").exists()


def test_what_tells_the_truth_is_imported(bundle: tuple[bytes, Lock], tmp_path: Path) -> None:
    """So that the lies are refused for being lies."""
    path = tmp_path / "x.bundle"
    path.write_bytes(lying(bundle))
    assert path.read_bytes() == bundle[0]
    assert Store(tmp_path / "other").import_bundle(path).received == 3


def tar_with(bundle: tuple[bytes, Lock], change: Callable[[tarfile.TarInfo], None]) -> bytes:
    """Return a bundle written by another program, with its last member changed."""
    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(bundle[0])) as archive,
        tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as other,
    ):
        *members, last = archive.getmembers()
        for member in members:
            other.addfile(member, archive.extractfile(member))
        content = archive.extractfile(last)
        change(last)
        other.addfile(last, content if last.isreg() else None)
    return written.getvalue()


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0},
        {"type": tarfile.LNKTYPE, "linkname": "../../x", "size": 0},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3, "size": 0},
        {"type": tarfile.FIFOTYPE, "size": 0},
        {"type": tarfile.DIRTYPE, "size": 0},
        {"type": tarfile.GNUTYPE_SPARSE},
        {"name": "../../evil"},
        {"name": "/tmp/evil"},
        {"mode": 0o4777},
        {"mtime": 1},
        {"pax_headers": {"path": "../../evil"}},
        {"pax_headers": {"comment": "x" * 100}},
    ],
    ids=str,
)
def test_members_of_another_kind_are_refused(
    fields: dict[str, Any], bundle: tuple[bytes, Lock], tmp_path: Path
) -> None:
    def change(member: tarfile.TarInfo) -> None:
        for name, value in fields.items():
            setattr(member, name, value)

    assert isinstance(refused(tmp_path, tar_with(bundle, change)), IntegrityError)
    assert not (tmp_path / "hostile-store" / "packages").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04" + bytes(600), "not a bundle"),
        (b'{"schema": 1}', "not a bundle"),
        (bytes(2000), "not a bundle"),
        (archive_of([("other.json", b"{}")]), "not a bundle"),
    ],
    ids=["zip", "lock", "zeros", "tar"],
)
def test_what_is_no_bundle_is_said_to_be_none(data: bytes, words: str, tmp_path: Path) -> None:
    error = refused(tmp_path, data)
    assert (error.exit_code, words in error.what) == (2, True)


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{", b"\xff", b'{"format": 1}', b'{"format": "1"}'])
def test_a_manifest_that_is_none_is_damaged(manifest: bytes, tmp_path: Path) -> None:
    assert isinstance(refused(tmp_path, archive_of([(MANIFEST_KEY, manifest)])), IntegrityError)


def test_a_manifest_of_four_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    with path.open("wb") as file:
        file.write(header(MANIFEST_KEY, 4 << 30))
        file.truncate(5 << 30)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError):
            Store(tmp_path / "other").import_bundle(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_newer_format_says_what_to_do(bundle: tuple[bytes, Lock], tmp_path: Path) -> None:
    manifest = json.dumps({"format": FORMAT + 1, "new": "things"}).encode()
    for data in (lying(bundle, format=FORMAT + 1), archive_of([(MANIFEST_KEY, manifest)])):
        error = refused(tmp_path, data)
        assert (error.exit_code, error.advice) == (2, "upgrade conjoin")
    newer = lying(bundle, lock_bytes=edited(bundle[1], schema=99))
    assert refused(tmp_path, newer).advice == "upgrade conjoin"


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UsageError):
            Store(tmp_path / "other").import_bundle(path)


def test_a_file_that_is_cut_off_while_it_is_read_is_damaged(
    bundle: tuple[bytes, Lock], tmp_path: Path
) -> None:
    path, store = tmp_path / "x.bundle", Store(tmp_path / "other")
    path.write_bytes(bundle[0])
    with pytest.raises(IntegrityError, match="cut off"):
        store.import_bundle(path, moved=lambda done, total: os.truncate(path, 6000))
    assert named(store) == []


# -- much, killed, and at once -----------------------------------------------------------------------


def test_memory_stays_the_same_however_big_packages_are(make_environment: MakeLock, tmp_path: Path) -> None:
    lock = make_environment(2, 40_000_000)
    tracemalloc.start()
    try:
        Store().export_bundle(lock, tmp_path / "x.bundle")
        Store(tmp_path / "other").import_bundle(tmp_path / "x.bundle")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert held(Store(tmp_path / "other")) == contents(tmp_path, lock)


def test_progress_goes_up_to_the_end(make_environment: MakeLock, tmp_path: Path) -> None:
    lock = make_environment(3, 3_000_000)
    size = sum(map(len, contents(tmp_path, lock).values()))
    for work in (
        lambda moved: Store().export_bundle(lock, tmp_path / "x.bundle", moved=moved),
        lambda moved: Store(tmp_path / "other").import_bundle(tmp_path / "x.bundle", moved=moved),
        lambda moved: Store(tmp_path / "other").import_bundle(tmp_path / "x.bundle", moved=moved),
    ):
        told: list[tuple[int, int]] = []
        work(lambda done, total, told=told: told.append((done, total)))
        assert told[0] == (0, size)
        assert told[-1] == (size, size)
        assert told == sorted(told)
        assert len(told) > 6


def killed_at_random_moments(work: Callable[[], object], times: int, check: Callable[[], None]) -> None:
    """Run ``work`` in processes that are killed, each at another moment of it, and ``check`` after each."""
    context = multiprocessing.get_context("fork")
    seconds, killed = 60.0, 0
    for number in itertools.count(-1):  # the first is not killed
        process = context.Process(target=work)
        started = time.monotonic()
        process.start()
        process.join(seconds * (number % times) / times if number >= 0 else None)
        if process.exitcode is None:
            process.kill()
            process.join()
        else:  # it is as fast as that now: the machine may have been busy before
            seconds = time.monotonic() - started
        assert process.exitcode in {0, -signal.SIGKILL}
        killed += process.exitcode != 0
        check()
        if number >= times - 1 and killed > times / 3:
            break
        assert number < 5 * times


def test_an_export_that_is_killed_leaves_the_file_of_before_and_the_next_one_cleans_up(
    make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(30, 300_000)
    target = tmp_path / "x.bundle"
    seen = set()

    def check() -> None:
        seen.add(target.read_bytes()[:10])
        if target.read_bytes() != b"of before":
            assert target.read_bytes() == whole
            target.write_bytes(b"of before")

    Store().export_bundle(lock, target)
    whole = target.read_bytes()
    target.write_bytes(b"of before")
    killed_at_random_moments(lambda: Store().export_bundle(lock, target), 20, check)
    assert b"of before" in seen
    Store().export_bundle(lock, target)
    assert target.read_bytes() == whole
    assert beside(target) == ["x.bundle"]


def test_whatever_an_import_that_is_killed_leaves_to_be_found_is_complete(
    make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(30, 300_000)
    expected = contents(tmp_path, lock)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    root = tmp_path / "other"

    def check() -> None:
        store = Store(root)
        for key, content in held(store).items():
            assert content == expected[key]
        found = [key for key in named(store) if "/." not in key]
        if found:
            assert store.lock(lock.req_id, lock.full_id) == lock
            assert held(store) == expected
        if any(key.startswith("aliases/") for key in found):
            assert store.get("x:v1") == lock
        shutil.rmtree(root, ignore_errors=True)

    killed_at_random_moments(
        lambda: Store(root).import_bundle(tmp_path / "x.bundle", alias="x:v1"), 20, check
    )
    # And on top of what a killed one left:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=lambda: Store(root).import_bundle(tmp_path / "x.bundle"))
    process.start()
    time.sleep(0.02)
    process.kill()
    process.join()
    Store(root).import_bundle(tmp_path / "x.bundle", alias="x:v1")
    assert Store(root).get("x:v1") == lock
    assert held(Store(root)) == expected


def test_what_the_next_export_began_is_not_removed(
    make_environment: MakeLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for this one's file, finds that it was renamed, and begins another of the old name."""
    lock = make_environment(1)
    replace = Path.replace

    def replace_and_begin(self: Path, target: Path) -> Path:
        done = replace(self, target)
        self.write_text("another's")
        return done

    monkeypatch.setattr(Path, "replace", replace_and_begin)
    Store().export_bundle(lock, tmp_path / "x.bundle")
    assert (tmp_path / ".x.bundle.part").read_text() == "another's"


def _export_often(lock: Lock, path: Path) -> None:
    for _ in range(20):
        Store().export_bundle(lock, path)


def test_processes_that_export_to_one_file_and_import_it_at_once_all_succeed(
    make_environment: MakeLock, tmp_path: Path
) -> None:
    lock = make_environment(2, 1000)
    Store().export_bundle(lock, tmp_path / "first.bundle")
    context = multiprocessing.get_context("fork")
    running = [
        context.Process(target=work)
        for work in [
            lambda: _export_often(lock, tmp_path / "x.bundle"),
            lambda: Store(tmp_path / "other").import_bundle(tmp_path / "first.bundle", alias="x:v1"),
        ]
        * 6
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * 12
    assert (tmp_path / "x.bundle").read_bytes() == (tmp_path / "first.bundle").read_bytes()
    assert beside(tmp_path / "x.bundle") == ["x.bundle"]
    assert Store(tmp_path / "other").get("x:v1") == lock
    assert held(Store(tmp_path / "other")) == contents(tmp_path, lock)
