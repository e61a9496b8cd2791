"""Bytes are on the disk before the lock that names them is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.errors import Unreachable
from conjoin.lock.model import Lock
from conjoin.store.backend.atomic import fsync_files
from conjoin.store.layout import lock_key, package_key
from conjoin.store.packages import Packages
from object_stores import MakeLock

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="needs /proc to see what is synced"
)


class Synced:
    """Notes what is synced before a file exists."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, before: Path) -> None:
        self.before: set[Path] = set()
        really = os.fsync

        def fsync(descriptor: int) -> None:
            if not before.exists():
                self.before.add(Path(f"/proc/self/fd/{descriptor}").readlink())
            really(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)


def wanted(root: Path, lock: Lock) -> set[Path]:
    """Return the files of all packages, and all folders on the way to them."""
    files = {
        root / package_key(package.sha256, package.file)
        for part in lock.platforms.values()
        for package in part.packages
    }
    return files | {parent for file in files for parent in file.parents if parent.is_relative_to(root)}


def test_a_push_to_a_folder(
    tmp_path: Path, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, root = make_environment(5, platforms=("linux-64", "osx-64")), tmp_path / "team"
    synced = Synced(monkeypatch, root / lock_key(lock.req_id, lock.full_id))
    Store(root).push(lock)
    assert wanted(root, lock) <= synced.before


def test_an_import_into_a_folder(
    tmp_path: Path, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, bundle, root = make_environment(5), tmp_path / "a.bundle", tmp_path / "there"
    Store(tmp_path / "here").export_bundle(lock, bundle)
    synced = Synced(monkeypatch, root / lock_key(lock.req_id, lock.full_id))
    Store(root).import_bundle(bundle)
    assert wanted(root, lock) <= synced.before


def test_what_was_there_is_not_waited_for_again(
    tmp_path: Path, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, root = make_environment(3), tmp_path / "team"
    Store(root).push(lock)
    synced = Synced(monkeypatch, tmp_path / "never")
    Store(root).push(lock)
    assert not any("packages" in path.parts for path in synced.before)


def test_a_disk_that_fails_makes_no_lock(
    tmp_path: Path, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, store = make_environment(3), Store(tmp_path / "team")
    really = Packages.fsync

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def fsync_badly(self: Packages, packages: object) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fail)
            really(self, packages)  # type: ignore[arg-type]

    monkeypatch.setattr(Packages, "fsync", fsync_badly)
    with pytest.raises(Unreachable, match="Input/output error"):
        store.push(lock)
    assert not store.locks.has(lock.req_id, lock.full_id)


def test_a_file_system_that_syncs_no_folders_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x")
    synced = []

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        synced.append(path)

    monkeypatch.setattr(os, "fsync", fsync)
    fsync_files([tmp_path / "a" / "file"], tmp_path)
    assert synced == [tmp_path / "a" / "file"]
