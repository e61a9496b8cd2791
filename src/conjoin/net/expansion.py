"""What an archive may unpack to: a few kilobytes can be made that fill any disk.

Up to :data:`ALWAYS` bytes everything is taken; what unpacks to more may unpack to so many times its own size
(setting ``expansion-limit``). Archives that others unpack for us are measured before: a zip file by inflating
it, as its directory may lie; the compressed streams in conda packages by their blocks, which say what they
can hold at most without being decompressed; only where that is too much they are, too.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from conjoin.config.load import load_settings
from conjoin.errors import IntegrityError
from conjoin.net.bounded_file import BoundedFile

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ALWAYS", "Expansion", "check_conda_package", "check_wheel", "times_allowed"]

ALWAYS = 100_000_000
"""Bytes that any archive may unpack to."""

_DEFAULT = "200"
_CHUNK = 1 << 20
_MUCH = 1 << 62
_UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What reading a damaged or hostile archive raises."""


class Expansion:
    """Counts what an archive unpacks to.

    :param name: of the archive.
    :param packed: its own size in bytes.
    """

    def __init__(self, name: str, packed: int, where: str | None = None) -> None:
        times = times_allowed()
        self.limit = _MUCH if times is None else max(ALWAYS, times * packed)
        self.counted = 0
        self._name = name
        self._packed = packed
        self._where = where

    def count(self, size: int) -> None:
        """Count bytes that come out of the archive.

        :raises IntegrityError: where it is too much.
        """
        self.counted += size
        if self.counted > self.limit:
            raise self.error()

    def error(self) -> IntegrityError:
        """Return the error for an archive that unpacks to too much."""
        return IntegrityError(
            f"{self._name} would unpack to more than {self.limit} bytes, and has {self._packed} itself",
            where=self._where,
            advice="if it is known to be right, allow more times its size by CONJOIN_EXPANSION_LIMIT",
        )


def times_allowed() -> int | None:
    """Return how many times its size an archive may unpack to, None for any.

    :raises UsageError: where the configuration cannot be read.
    """
    text = load_settings().text("expansion-limit") or _DEFAULT
    return None if text == "none" else int(text)


def check_wheel(wheel: Path) -> None:
    """Check what a wheel, or another zip file, unpacks to, and that its directory tells the truth of it.

    Costs one inflation of it.

    :raises IntegrityError: where it unpacks to too much, is damaged, or lies about the size of a member.
    """
    expansion = Expansion(wheel.name, wheel.stat().st_size, str(wheel))
    try:
        with wheel.open("rb") as file:
            for _ in _members(file, expansion):
                pass
    except _UNREADABLE as error:
        raise _damaged(wheel, error) from None


def check_conda_package(archive: Path) -> None:
    """Check what a ``.conda`` or ``.tar.bz2`` package unpacks to.

    :raises IntegrityError: where it is too much, or the package is damaged.
    """
    size = archive.stat().st_size
    expansion = Expansion(archive.name, size, str(archive))
    try:
        with archive.open("rb") as file:
            if archive.name.endswith(".conda"):
                _measure(file, expansion, _zstd_bound)
                if expansion.counted > expansion.limit:
                    file.seek(0)
                    expansion.counted = 0
                    _measure(file, expansion, _zstd_size)
                    if expansion.counted > expansion.limit:
                        raise expansion.error()
            elif _bzip2_bound(file) > expansion.limit:
                import bz2

                file.seek(0)
                with bz2.open(file) as unpacked:
                    while chunk := unpacked.read(_CHUNK):
                        expansion.count(len(chunk))
    except _UNREADABLE as error:
        raise _damaged(archive, error) from None


def _damaged(archive: Path, error: Exception) -> IntegrityError:
    return IntegrityError(
        f"{archive.name} cannot be unpacked ({error})",
        where=str(archive),
        advice="its hash is right, so it was made this way: report it to who published it",
    )


def _members(file: IO[bytes], expansion: Expansion) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and content of each member of a zip file; what is not read of it is counted.

    :raises IntegrityError: where one has more or less than the directory says.
    """
    with zipfile.ZipFile(cast("IO[bytes]", BoundedFile(file))) as packed:
        for entry in packed.infolist():
            told = entry.file_size
            entry.file_size = _MUCH  # zipfile would stop there, others do not
            with packed.open(entry) as stream:
                counted = _Counted(stream, expansion)
                yield entry.filename, cast("IO[bytes]", counted)
                while counted.read(_CHUNK):
                    pass
            if counted.size != told:
                raise zipfile.BadZipFile(f"{entry.filename} has {counted.size} bytes and says {told}")


class _Counted:
    """Counts what is read."""

    def __init__(self, stream: IO[bytes], expansion: Expansion) -> None:
        self.size = 0
        self._stream = stream
        self._expansion = expansion

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self.size += len(chunk)
        self._expansion.count(len(chunk))
        return chunk


def _measure(file: IO[bytes], expansion: Expansion, size_of: Callable[[IO[bytes], int], int]) -> None:
    """Count what the streams in a ``.conda`` file unpack to.

    :param size_of: returns that of one, or anything larger than a bound where it is more.
    """
    members = Expansion(expansion._name, expansion._packed, expansion._where)
    for name, stream in _members(file, members):
        if name.endswith(".tar.zst"):
            expansion.counted += size_of(stream, expansion.limit - expansion.counted)
            if expansion.counted > expansion.limit:
                return


_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50
_LARGEST_BLOCK = 128 * 1024


def _zstd_bound(stream: IO[bytes], most: int) -> int:
    """Return a bound of what a Zstandard stream (RFC 8878, 3.1.1) decompresses to, read off its blocks.

    A block of packed bytes holds 128 KiB at most, any other says how much it holds.
    """
    read, total = _Reader(stream), 0
    while head := read.some(4):
        magic = int.from_bytes(head, "little")
        if magic & 0xFFFFFFF0 == _SKIPPABLE:
            read.skip(read.number(4))
            continue
        if magic != _MAGIC:
            raise ValueError("it is no Zstandard stream")
        descriptor = read.number(1)
        single = descriptor >> 5 & 1
        read.skip((not single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6])
        last = 0
        while not last:
            block = read.number(3)
            last, kind, size = block & 1, block >> 1 & 3, block >> 3
            if kind == 3:
                raise ValueError("it is no Zstandard stream")
            read.skip(1 if kind == 1 else size)
            total += _LARGEST_BLOCK if kind == 2 else size
            if total > most:
                return total
        read.skip(4 * (descriptor >> 2 & 1))
    return total


class _Reader:
    """Small pieces of a stream, read in large ones."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._held = b""
        self._at = 0

    def some(self, size: int) -> bytes:
        """Return ``size`` bytes, none at the end."""
        while len(self._held) - self._at < size:
            more = self._stream.read(_CHUNK)
            if not more:
                if len(self._held) == self._at:
                    return b""
                raise EOFError("it is cut off")
            self._held, self._at = self._held[self._at :] + more, 0
        self._at += size
        return self._held[self._at - size : self._at]

    def number(self, size: int) -> int:
        found = self.some(size)
        if not found:
            raise EOFError("it is cut off")
        return int.from_bytes(found, "little")

    def skip(self, size: int) -> None:
        while size:
            here = min(size, len(self._held) - self._at)
            self._at += here
            size -= here
            if size:
                self._held, self._at = self._stream.read(_CHUNK), 0
                if not self._held:
                    raise EOFError("it is cut off")


def _zstd_size(stream: IO[bytes], most: int) -> int:
    """Return what a Zstandard stream decompresses to; too much where nothing here can decompress it."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError:  # a bare container
            return most + 1
    total = 0
    try:
        with zstd.open(stream) as unpacked:
            while total <= most and (chunk := unpacked.read(_CHUNK)):
                total += len(chunk)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from None
    return total


_BZIP2_BLOCK = bytes.fromhex("314159265359")
_BZIP2_MOST = 900_000 * 255 // 5
"""Bytes that a block holds at most: 900 kB, in which five bytes may stand for 255 equal ones."""


def _bzip2_bound(file: IO[bytes]) -> int:
    """Return a bound of what a bzip2 file decompresses to, by its blocks, which begin at any bit."""
    shifted = []
    for shift in range(8):
        whole = int.from_bytes(_BZIP2_BLOCK, "big") << shift
        middle = whole.to_bytes(7, "big")
        # The bytes that belong to the mark alone, whatever stands in the bits before and behind.
        shifted.append(middle[1:] if shift == 0 else middle[1:-1])
    blocks, tail = 0, b""
    while chunk := file.read(_CHUNK):
        data = tail + chunk
        blocks += sum(map(data.count, shifted))
        tail = data[-5:]
    return blocks * _BZIP2_MOST
