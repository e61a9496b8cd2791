"""A disk that is full at any write of a store's work: exit 4, nothing wrong visible, and right with room."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.errors import FULL_DISK, ConjoinError, Unreachable
from conjoin.lock.model import Lock
from conjoin.store.aliases import parse_alias
from conjoin.store.packages import Packages, file_sha256
from conjoin.store.transfer.fetch import Fetcher
from conjoin.writing import DiskError
from faults import every_write
from object_stores import MakeLock

NAME = "team/x:v1"


def whole(root: Path) -> None:
    """What has a package's name in a store has its bytes; and a name in it leads to a whole environment."""
    for file in root.glob("packages/*/*/*"):
        if not file.name.startswith("."):
            assert file_sha256(file) == file.parent.name, f"{file.name} is cut"
    store = Store(root)
    for path in root.glob("aliases/**/*.json"):
        assert path.name == "v1.json"
        target = store.aliases.get(parse_alias(NAME))
        lock = store.locks.get(target.req_id, target.full_id)
        packages = [each for part in lock.platforms.values() for each in part.packages]
        assert all(store.packages.has(each.sha256, each.file, each.size) for each in packages)


class Places:
    """New folders, and the last one."""

    def __init__(self, folder: Path) -> None:
        self._folders = (folder / str(number) for number in itertools.count())
        self.last = folder

    def new(self) -> Path:
        self.last = next(self._folders)
        return self.last

    def refused(self, raised: BaseException | None, _error: int) -> None:
        """The disk is told of, or what could not be written was worth nothing (who used it, the log)."""
        whole(self.last)
        if raised is not None:
            assert isinstance(raised, DiskError), repr(raised)
            assert raised.what == FULL_DISK or raised.what.startswith("the disk fails")
            assert str(self.last) in str(raised.where)
            assert "make room there" in str(raised.advice)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "places")


@pytest.mark.filterwarnings("ignore:it is done, and the store's log")
def test_push(places: Places, make_environment: MakeLock) -> None:
    lock = make_environment(2)

    def begin() -> Callable[[], object]:
        root = places.new()
        return lambda: pushed(root, lock)

    assert every_write(begin, places.refused) >= 2 + 3


def pushed(root: Path, lock: Lock) -> None:
    Store(root).push(lock, alias=NAME)
    whole(root)
    assert Store(root).aliases.get(parse_alias(NAME)).full_id == lock.full_id


@pytest.mark.filterwarnings("ignore:it is done, and the store's log")
def test_import(places: Places, make_environment: MakeLock, tmp_path: Path) -> None:
    lock = make_environment(2)
    Store(tmp_path / "here").export_bundle(lock, tmp_path / "x.bundle")

    def begin() -> Callable[[], object]:
        root = places.new()

        def work() -> None:
            Store(root).import_bundle(tmp_path / "x.bundle", NAME)
            whole(root)
            assert Store(root).locks.has(lock.req_id, lock.full_id)

        return work

    every_write(begin, places.refused)


def test_export(places: Places, make_environment: MakeLock) -> None:
    lock = make_environment(2)

    def begin() -> Callable[[], object]:
        folder = places.new()
        folder.mkdir(parents=True)

        def work() -> None:
            Store().export_bundle(lock, folder / "x.bundle")
            assert Store(folder / "other").import_bundle(folder / "x.bundle").size

        return lambda: Store().export_bundle(lock, folder / "x.bundle")

    def refused(raised: BaseException | None, _error: int) -> None:
        assert isinstance(raised, DiskError)
        assert raised.where == str(places.last / "x.bundle")
        assert list(places.last.iterdir()) == []

    every_write(begin, refused)


def test_fetch(places: Places, make_environment: MakeLock) -> None:
    package = make_environment(1, size=3000).platforms["linux-64"].packages[0]

    def begin() -> Callable[[], object]:
        root = places.new()
        return lambda: Fetcher(Packages(root)).fetch(package).read_bytes()

    def refused(raised: BaseException | None, _error: int) -> None:
        assert isinstance(raised, DiskError)
        whole(places.last)
        assert not [path for path in places.last.rglob("*") if path.is_file()]

    assert every_write(begin, refused) >= 1


def test_it_is_the_disk_and_not_who_published(places: Places, make_environment: MakeLock) -> None:
    """Whatever a full disk says, it is no word about a package."""
    assert issubclass(DiskError, Unreachable)
    assert DiskError.exit_code == 4
    assert not issubclass(DiskError, OSError)
    assert issubclass(DiskError, ConjoinError)
