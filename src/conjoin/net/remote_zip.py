"""A file of which only some byte ranges are here: enough to read single members out of a remote zip file."""

from __future__ import annotations

import io

__all__ = ["MissingRange", "SparseFile"]


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
