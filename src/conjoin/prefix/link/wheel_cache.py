"""The wheels that uv unpacked into its cache, remembered file by file, so that damage shows.

Files of that cache are hard links of files in prefixes: editing one of those in place edits the cache. What
was there right after unpacking is remembered, and looked at again while uv works, which it mostly does on one
core. Nothing is presumed of uv's cache but that wheels lie unpacked in ``archive-v<N>/<id>/``: whether a
prefix was linked from the folder that was looked at is told by the inode of a file in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.wheel_listing import WheelEntry
from conjoin.untrusted import decode_json
from conjoin.writing import replace

__all__ = ["IN_ARCHIVE", "Inspected", "WheelCache", "identity"]

IN_ARCHIVE = "site-packages/"
"""What paths of a :class:`WheelEntry` begin with that lie in the unpacked wheel as they do in the prefix."""

_Identity = tuple[int, int]


class _Unpacked(msgspec.Struct, frozen=True):
    """A wheel as it was unpacked.

    :ivar folder: relative to uv's cache.
    :ivar witness: device and inode of its ``METADATA``.
    :ivar files: path in ``folder``, size, mtime in ns, mode.
    """

    folder: str
    witness: _Identity
    files: tuple[tuple[str, int, int, int], ...]


class Inspected(NamedTuple):
    """What an unpacked wheel looks like now.

    :ivar witness: see :func:`identity`; who was linked from there has the same.
    :ivar damaged: a file that is missing or was changed, else empty.
    """

    witness: _Identity
    damaged: str


class WheelCache:
    """What is remembered below ``root`` of the wheels in uv's ``cache``; for any number of processes."""

    def __init__(self, root: Path, cache: Path) -> None:
        self._root = root
        self._cache = cache

    def inspect(self, packages: Iterable[LockedPackage]) -> dict[LockedPackage, Inspected]:
        """Return how those of ``packages`` are that are remembered and still there. One lstat per file."""
        found = {}
        for package in packages:
            try:
                unpacked = decode_json(self._path(package).read_bytes(), _Unpacked)
            except (OSError, msgspec.DecodeError):
                continue
            with suppress(OSError):
                os.utime(self._path(package))  # used now: whoever collects garbage looks at this
            damaged = _damaged(f"{self._cache}/{unpacked.folder}/", unpacked.files)
            found[package] = Inspected(unpacked.witness, damaged)
        return found

    def remember(self, wheels: Iterable[tuple[LockedPackage, WheelEntry, _Identity]]) -> None:
        """Remember wheels that were unpacked, and found whole, just now.

        :param wheels: each with the :func:`identity` of its ``METADATA`` in the prefix.
        """
        wanted = {witness: (package, entry) for package, entry, witness in wheels}
        if not wanted:
            return
        for folder in self._cache.glob("archive-v*/*"):
            for name in _dist_infos(folder):
                witness = identity(folder / name)
                if witness is None or witness not in wanted:
                    continue
                package, entry = wanted.pop(witness)
                if (files := _listing(f"{folder}/", entry)) is not None:
                    unpacked = _Unpacked(folder.relative_to(self._cache).as_posix(), witness, files)
                    path = self._path(package)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    replace(path, msgspec.json.encode(unpacked), durable=False)

    def _path(self, package: LockedPackage) -> Path:
        return self._root / package.sha256[:2] / f"{package.sha256}.unpacked.json"


def identity(dist_info: Path) -> _Identity | None:
    """Return device and inode of a wheel's ``METADATA``; None where it is not hard linked to a cache."""
    try:
        facts = os.lstat(dist_info / "METADATA")
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if facts.st_nlink > 1 else None


def _damaged(top: str, files: tuple[tuple[str, int, int, int], ...]) -> str:
    lstat = os.lstat
    for path, size, mtime, mode in files:
        try:
            found = lstat(top + path)
        except OSError:
            return path
        if (found.st_size, found.st_mtime_ns, found.st_mode) != (size, mtime, mode):
            return path
    return ""


def _dist_infos(folder: Path) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(".dist-info")]  # noqa: PTH208
    except OSError:
        return []  # no folder, or removed meanwhile


def _listing(top: str, entry: WheelEntry) -> tuple[tuple[str, int, int, int], ...] | None:
    """Return what lies unpacked below ``top``, None where that is not what the wheel holds."""
    found = []
    lstat = os.lstat
    for packaged in entry.paths:
        if not packaged.sha256 or not packaged.path.startswith(IN_ARCHIVE):
            continue  # made, or placed elsewhere, on linking
        path = packaged.path[len(IN_ARCHIVE) :]
        try:
            facts = lstat(top + path)
        except OSError:
            return None
        if facts.st_size != packaged.size:
            return None
        found.append((path, facts.st_size, facts.st_mtime_ns, facts.st_mode))
    return tuple(found)
