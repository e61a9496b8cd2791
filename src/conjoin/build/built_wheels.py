"""Wheels that were built: kept on this disk under their keys, and asked for in stores."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from packaging.version import Version

from conjoin.build.scratch import keep, note_use, scratch_beside
from conjoin.build.sources.fetch import Source
from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.index.pypi.file_names import FileNameReader
from conjoin.index.pypi.project import CoreMetadata
from conjoin.index.pypi.wheel_archive import read_metadata
from conjoin.spec.names import PypiName
from conjoin.untrusted import decode_json
from conjoin.writing import copy_to, replace

__all__ = ["BuiltWheel", "BuiltWheels", "KeptBuilds", "KeptWheel", "is_pure", "tags_are_pure"]

_NOTE = "built.json"


@dataclass(frozen=True, slots=True)
class KeptWheel:
    """A wheel that was built before.

    :ivar path: a copy on this disk, verified.
    :ivar build_key: what exactly it was built with; empty where that is not known.
    :ivar built_with: the files that it was built with, ``<file name>#sha256=<digest>``.
    """

    path: Path
    build_key: str = ""
    built_with: tuple[str, ...] = ()


class KeptBuilds(Protocol):
    """Wheels that were built before, wherever they are kept."""

    def look_up(self, key: str) -> KeptWheel | None:
        """Return the wheel of a build key or a build request; None where nobody has it."""
        ...


@dataclass(frozen=True, slots=True)
class BuiltWheel:
    """A wheel built here, or by somebody else of the same source.

    :ivar tags: of its file name (PEP 425).
    :ivar source_sha256: of what it was built from; empty for a git commit.
    :ivar build_key: what it is kept under (docs/adr/0003-what-ids-cover.md); empty for an editable one.
    :ivar build_request: what it is found by before its build requirements are decided; empty for an editable
        one.
    :ivar built_with: the files that it was built with, sorted.
    :ivar editable: whether it points to a folder of this machine (PEP 660).
    """

    path: Path
    sha256: str
    size: int
    tags: str
    source_sha256: str
    metadata: CoreMetadata
    build_key: str
    build_request: str = ""
    built_with: tuple[str, ...] = ()
    editable: bool = False


class _Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a wheel beside it; or, under a build request, under which build key it lies."""

    build_key: str = ""
    built_with: tuple[str, ...] = ()


class BuiltWheels:
    """The wheels below ``folder``, and what stores have; for any number of processes at once.

    :param kept: where to look for what is not here.
    """

    def __init__(self, folder: Path, kept: KeptBuilds | None = None) -> None:
        self._folder = folder
        self._kept = kept

    def place(self, key: str) -> Path:
        """Return the folder of a key."""
        return self._folder / key[:2] / key

    def find(self, keys: Sequence[str], fits: Callable[[str, KeptWheel], bool]) -> tuple[str, Path] | None:
        """Return the first of some keys whose wheel was built before, and the folder it lies in.

        :param keys: build keys or build requests.
        :param fits: given a key and what a store has under it, tells whether that can be what was asked for:
            nothing else comes into this cache, which serves requests of other stores as well.
        """
        for key in keys:
            if (folder := self._here(key)) is not None:
                return key, folder
        for key in keys:
            wheel = self._kept.look_up(key) if self._kept is not None else None
            if wheel is not None and fits(key, wheel):
                return key, self._take(key, wheel)
        return None

    def add(self, request: str, build_key: str, built_with: Sequence[str], wheels: Path) -> Path:
        """Keep a folder with a wheel under its build key, to be found by its request; return where it is."""
        note = msgspec.json.encode(_Note(build_key, tuple(built_with)))
        replace(wheels / _NOTE, note, durable=False)
        place = self.place(build_key)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not any(place.glob("*.whl")):
            shutil.rmtree(place, ignore_errors=True)  # somebody deleted it
        keep(wheels, place)
        return self.point(request, build_key, place)

    def point(self, request: str, build_key: str, place: Path) -> Path:
        """Have a build request find the wheel of a build key, which lies in ``place``; return that."""
        if request != build_key:
            replace(self.place(request) / _NOTE, msgspec.json.encode(_Note(build_key)), durable=False)
        return place

    def _here(self, key: str) -> Path | None:
        folder = self.place(key)
        note = _note(folder)
        if note is None or not note.build_key or note.build_key == key:
            found = folder
        else:
            found = self.place(note.build_key)
        if not any(found.glob("*.whl")):
            return None
        note_use(folder, found)
        return found

    def _take(self, key: str, wheel: KeptWheel) -> Path:
        build_key = wheel.build_key or key
        with scratch_beside(self.place(build_key)) as work:
            (work / "wheel").mkdir()
            with wheel.path.open("rb") as file:
                copy_to(work / "wheel" / wheel.path.name, file)
            return self.add(key, build_key, wheel.built_with, work / "wheel")

    def read(
        self, folder: Path, name: PypiName, version: Version | None, source: Source, request: str
    ) -> BuiltWheel:
        """Return the wheel in a folder.

        :param request: what it was found by.
        :raises MetadataUnusable: where it is another one than was to be built.
        """
        wheels = sorted(folder.glob("*.whl"))
        read = FileNameReader(name).read(wheels[0].name) if len(wheels) == 1 else None
        if read is None:
            gave = ", ".join(path.name for path in wheels) or "no wheel"
            raise MetadataUnusable(f"gives {gave} when it is built, not one wheel of {name}")
        content = wheels[0].read_bytes()
        with wheels[0].open("rb") as stream:
            metadata = parse_core_metadata(read_metadata(stream, name, read.version), name, read.version)
        if version is not None and read.version != version:
            raise MetadataUnusable(f"gives version {read.version} when it is built")
        note = _note(folder) or _Note()
        return BuiltWheel(
            wheels[0],
            hashlib.sha256(content).hexdigest(),
            len(content),
            read.tags,
            source.sha256,
            metadata,
            "" if source.editable else folder.name,
            "" if source.editable else request,
            note.built_with,
            source.editable,
        )


def is_pure(folder: Path) -> bool:
    """Tell whether the wheel in a folder serves every platform and every Python 3."""
    stems = (path.name.removesuffix(".whl") for path in folder.glob("*.whl"))
    return any(tags_are_pure("-".join(stem.split("-")[-3:])) for stem in stems)


def tags_are_pure(tags: str) -> bool:
    """Tell whether tags (PEP 425) are those of a wheel that serves every platform and every Python 3."""
    return tags.startswith("py3") and tags.endswith("-none-any")


def _note(folder: Path) -> _Note | None:
    try:
        return decode_json((folder / _NOTE).read_bytes(), _Note)
    except (OSError, msgspec.DecodeError):
        return None
