"""Reads single members out of a zip file of which only some byte ranges are here."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, cast

from packaging.version import InvalidVersion, Version

from conjoin.errors import UsageError
from conjoin.index.bounded_file import BoundedFile
from conjoin.index.core_metadata import MetadataUnusable
from conjoin.spec.names import PypiName, pypi_name

__all__ = ["MissingRange", "SparseFile", "read_metadata"]

_MAX_METADATA = 32 * 1024 * 1024  # bytes unpacked: the largest seen is under one; more is a zip bomb


class MissingRange(Exception):
    """Bytes ``start`` to ``end`` (exclusive) are needed and not here yet."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(f"{start}-{end}")
        self.start = start
        self.end = end


class SparseFile(io.RawIOBase):
    """A file of known size of which some ranges are known; reading any other raises :class:`MissingRange`.

    :param size: bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self._position = 0
        self._pieces: list[tuple[int, bytes]] = []

    def add(self, start: int, content: bytes) -> None:
        """Make a range known; ranges that touch or overlap become one."""
        pieces = sorted([*self._pieces, (start, content)])
        joined = [pieces[0]]
        for begin, piece in pieces[1:]:
            last_begin, last = joined[-1]
            overlap = last_begin + len(last) - begin
            if overlap < 0:
                joined.append((begin, piece))
            elif overlap < len(piece):
                joined[-1] = (last_begin, last + piece[overlap:])
        self._pieces = joined

    def need(self, start: int, end: int) -> bytes:
        """Return bytes ``start`` to ``end`` (exclusive).

        :raises MissingRange: the part that is not here, if any is not.
        """
        end = min(end, self.size)
        for begin, piece in self._pieces:
            if begin <= start < begin + len(piece):
                if end <= begin + len(piece):
                    return piece[start - begin : end - begin]
                start_missing = begin + len(piece)
                raise MissingRange(start_missing, end)
        if start >= end:
            return b""
        raise MissingRange(start, end)

    def demand(self, start: int, end: int) -> None:
        """Make sure of a range without reading it.

        :raises MissingRange: as :meth:`need`.
        """
        self.need(start, end)

    def readable(self) -> bool:  # noqa: D102 - io.IOBase says it
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start")  # as files do; zipfile expects it
        self._position = base + offset
        return self._position

    def tell(self) -> int:  # noqa: D102
        return self._position

    def read(self, size: int | None = -1) -> bytes:  # noqa: D102
        end = self.size if size is None or size < 0 else self._position + size
        content = self.need(self._position, end)
        self._position += len(content)
        return content


def read_metadata(
    file: IO[bytes] | SparseFile,
    name: PypiName,
    version: Version,
    *,
    before_member: Callable[[zipfile.ZipInfo], None] = lambda _: None,
) -> bytes:
    """Return the ``METADATA`` member of a wheel (PEP 427).

    There must be exactly one top-level ``*.dist-info`` with one ``METADATA``, and its folder must be named
    after the wheel: a second one could say anything else.

    :param before_member: called with the member before it is read.
    :raises MetadataUnusable: where the wheel is no such zip file.
    :raises MissingRange: as the file does.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", BoundedFile(file))) as archive:
            member = _member(archive, name, version)
            if member.file_size > _MAX_METADATA:
                raise MetadataUnusable(f"its METADATA has {member.file_size} bytes")
            before_member(member)
            with archive.open(member) as stream:
                content = stream.read(_MAX_METADATA + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OSError,
    ) as error:
        raise MetadataUnusable(f"it is not a readable zip file: {error}") from None
    if len(content) > _MAX_METADATA:
        raise MetadataUnusable("its METADATA is too large")
    return content


def _member(archive: zipfile.ZipFile, name: PypiName, version: Version) -> zipfile.ZipInfo:
    found = [
        info
        for info in archive.infolist()
        if info.filename.endswith(".dist-info/METADATA") and info.filename.count("/") == 1
    ]
    if not found:
        raise MetadataUnusable("it has no .dist-info/METADATA")
    if len(found) > 1:
        raise MetadataUnusable("it has more than one .dist-info/METADATA")
    folder = found[0].filename.partition("/")[0].removesuffix(".dist-info")
    distribution, _, spelled = folder.rpartition("-")
    try:
        agrees = pypi_name(distribution) == name and Version(spelled.replace("_", "-")) == version
    except (UsageError, InvalidVersion):
        agrees = False
    if not agrees:
        raise MetadataUnusable(f"its metadata folder {folder!r} is not named after it")
    return found[0]
