from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.wheel_cache import WheelCache, identity
from conjoin.prefix.link.wheel_listing import WheelEntry, WheelListings
from hydrating import locked_wheel
from worlds import make_wheel


class World:
    """A wheel, unpacked as uv does it, and linked into a prefix."""

    def __init__(self, home: Path) -> None:
        import zipfile

        wheel = make_wheel(home, "x", "1", files={"x/__init__.py": "abc"}, data={"share/x.txt": "x"})
        self.package: LockedPackage = locked_wheel(wheel)
        self.entry: WheelEntry = WheelListings(home / "listings").add(self.package, wheel, verified=False)
        self.cache = home / "uv"
        self.folder = self.cache / "archive-v7" / "q9Zs"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.folder)
        # A while ago: clocks of file systems tick as slowly as every 4 ms.
        os.utime(self.folder / "x" / "__init__.py", (1_700_000_000, 1_700_000_000))
        self.linked = home / "site-packages" / "x-1.dist-info"
        self.linked.mkdir(parents=True)
        os.link(self.folder / "x-1.dist-info" / "METADATA", self.linked / "METADATA")
        self.unpacked = WheelCache(home / "remembered", self.cache)

    def remember(self) -> None:
        witness = identity(self.linked)
        assert witness is not None
        self.unpacked.remember([(self.package, self.entry, witness)])

    def damaged(self) -> str | None:
        """Return the damaged file ('' for none), None where nothing is known."""
        inspected = self.unpacked.inspect([self.package]).get(self.package)
        return None if inspected is None else inspected.damaged


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_of_a_wheel_never_linked_nothing_is_known(world: World) -> None:
    assert world.damaged() is None


def test_a_wheel_that_was_linked_is_found_again_by_the_inode_of_its_metadata(world: World) -> None:
    world.remember()
    assert world.unpacked.inspect([world.package])[world.package] == (identity(world.linked), "")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("ab"),
        lambda path: path.write_text("xyz"),
        lambda path: path.chmod(0o600),
    ],
    ids=["deleted", "cut short", "edited", "locked away"],
)
def test_a_file_that_is_not_as_it_was_unpacked_is_named(
    world: World, damage: Callable[[Path], object]
) -> None:
    world.remember()
    damage(world.folder / "x" / "__init__.py")
    assert world.damaged() == "x/__init__.py"


def test_what_is_damaged_already_is_not_remembered(world: World) -> None:
    (world.folder / "x" / "__init__.py").write_text("ab")
    world.remember()
    assert world.damaged() is None


def test_a_wheel_that_was_copied_tells_nothing_of_the_cache(world: World) -> None:
    metadata = world.linked / "METADATA"
    content = metadata.read_bytes()
    metadata.unlink()
    metadata.write_bytes(content)
    assert identity(world.linked) is None


def test_a_note_that_is_cut_short_counts_as_none(world: World, tmp_path: Path) -> None:
    world.remember()
    (note,) = (tmp_path / "remembered").rglob("*.json")
    note.write_bytes(note.read_bytes()[:40])
    assert world.damaged() is None
