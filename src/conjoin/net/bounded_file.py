"""A file that refuses to be read in large pieces.

``zipfile`` and ``tarfile`` read their directories and headers in one piece of whatever length the archive
announces: a few kilobytes of an archive can ask for gigabytes of memory.
"""

from __future__ import annotations

import io
from typing import IO

__all__ = ["BoundedFile"]

LARGEST_READ = 32 * 1024 * 1024
"""Bytes: the central directory of the largest wheel known is an eighth of it."""


class BoundedFile(io.RawIOBase):
    """Passes reading on, up to :data:`LARGEST_READ` at once and up to a position.

    :param file: what is read; must be seekable.
    :param end: position up to which anything is read, in bytes; a bound for what a compressed stream costs.
    """

    def __init__(self, file: IO[bytes] | io.RawIOBase, end: int | None = None) -> None:
        super().__init__()
        self._file = file
        self._end = end

    def readable(self) -> bool:  # noqa: D102 - io.IOBase says it
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:  # noqa: D102
        if self._end is not None and whence == io.SEEK_SET and offset > self._end:
            raise OSError(f"the archive is larger than {self._end} bytes")
        return self._file.seek(offset, whence)

    def tell(self) -> int:  # noqa: D102
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Return ``size`` bytes, or what there is.

        :raises OSError: where more than :data:`LARGEST_READ` are asked for, or would have to be returned.
        """
        if size is None or size < 0:
            found = self._file.read(LARGEST_READ + 1) or b""
            if len(found) > LARGEST_READ:
                raise OSError(f"more than {LARGEST_READ} bytes are left to read")
            return found
        if size > LARGEST_READ:
            raise OSError(f"it wants {size} bytes to be read at once")
        return self._file.read(size) or b""
