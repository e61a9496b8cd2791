"""What a source distribution says of itself, where a build must not say otherwise (PEP 643)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from packaging.version import InvalidVersion, Version

from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.index.pypi.project import CoreMetadata
from conjoin.net.bounded_file import BoundedFile
from conjoin.spec.names import PypiName

__all__ = ["has_member", "open_tar", "read_member", "static_metadata"]

_MAX_MEMBER = 10 * 1024 * 1024
_MAX_UNPACKED = 4 * 1024**3  # bytes looked through: what is wanted may stand last
_MOST_MEMBERS = 200_000
_UNPACKERS: dict[str, Any] = {".bz2": bz2.open, ".xz": lzma.open}
_STATIC_SINCE = Version("2.2")
_UNREADABLE = (
    OSError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What reading a damaged or hostile archive raises."""


def static_metadata(archive: Path, name: PypiName, version: Version) -> CoreMetadata | None:
    """Return what PKG-INFO says if it is binding, else None.

    It is from metadata 2.2 on, unless it calls dependencies or Requires-Python dynamic (PEP 643).
    """
    content = read_member(archive, "PKG-INFO")
    if content is None:
        return None
    headers = content.split(b"\n\n", 1)[0].decode("utf-8", "replace").splitlines()
    fields = [(key.strip().lower(), value.strip()) for key, _, value in (h.partition(":") for h in headers)]
    stated = next((value for key, value in fields if key == "metadata-version"), "0")
    dynamic = {value.lower() for key, value in fields if key == "dynamic"}
    try:
        if Version(stated) < _STATIC_SINCE or dynamic & {"requires-dist", "requires-python", "version"}:
            return None
        return parse_core_metadata(content, name, version)
    except (InvalidVersion, MetadataUnusable):
        return None


def read_member(archive: Path, name: str) -> bytes | None:
    """Return ``<top folder>/<name>`` of an sdist, None where there is none that can be read."""
    try:
        return _of_zip(archive, name) if archive.suffix == ".zip" else _of_tar(archive, name)
    except _UNREADABLE:
        return None


def has_member(archive: Path, wanted: Callable[[str], bool]) -> bool:
    """Tell whether an sdist holds a file whose name is wanted; not where it cannot be read."""
    try:
        with _zip(archive) if archive.suffix == ".zip" else open_tar(archive) as packed:
            if isinstance(packed, zipfile.ZipFile):
                return any(wanted(name) for name in packed.namelist())
            return any(member.isfile() and wanted(member.name) for member in islice(packed, _MOST_MEMBERS))
    except _UNREADABLE:
        return False


@contextmanager
def _zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    with archive.open("rb") as file, zipfile.ZipFile(cast("IO[bytes]", BoundedFile(file))) as packed:
        yield packed


@contextmanager
def open_tar(archive: Path, most: int | None = None) -> Iterator[tarfile.TarFile]:
    """Open a ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz`` to be read once.

    :param most: bytes that are unpacked of it; default: enough for what stands last.
    """
    unpack = _UNPACKERS.get(archive.suffix, gzip.open)
    with unpack(archive, "rb") as unpacked:
        bounded = cast("IO[bytes]", BoundedFile(unpacked, _MAX_UNPACKED if most is None else most))
        with tarfile.open(fileobj=bounded, mode="r:") as packed:
            yield packed


def _of_zip(archive: Path, name: str) -> bytes | None:
    with _zip(archive) as packed:
        for entry in packed.infolist():
            if _is_it(entry.filename, name) and entry.file_size <= _MAX_MEMBER:
                with packed.open(entry) as stream:
                    return stream.read(_MAX_MEMBER)
    return None


def _of_tar(archive: Path, name: str) -> bytes | None:
    with open_tar(archive) as packed:
        for member in islice(packed, _MOST_MEMBERS):
            if _is_it(member.name, name) and member.isfile() and member.size <= _MAX_MEMBER:
                stream = packed.extractfile(member)
                return stream.read() if stream else None
    return None


def _is_it(member: str, name: str) -> bool:
    return member.removeprefix("./").partition("/")[2] == name
