"""A disk that ends within a write: the n-th ``write(2)`` or ``pwrite(2)`` of ours takes a part, then nothing.

All of ours goes through ``conjoin.writing.write_all`` (and its twin in ``conjoin.bootstrap``), which call
``os.write`` and ``os.pwrite``; what others write for us (uv, py-rattler) is met in real processes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["ERRORS", "Disk", "every_write"]

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Disk:
    """What the disk does.

    :ivar writes: how many there were.
    """

    def __init__(self, fails_at: int | None, error: int, *, shorten: bool) -> None:
        self.writes = 0
        self._fails_at = fails_at
        self._error = error
        self._shorten = shorten

    @property
    def failed(self) -> bool:
        """Whether the write that was to fail was reached."""
        return self._fails_at is not None and self.writes > self._fails_at

    def around(self, really: Callable[..., int]) -> Callable[..., int]:
        def write(descriptor: int, data: Any, *at: int) -> int:
            view = memoryview(data)
            number, self.writes = self.writes, self.writes + 1
            if self._fails_at is not None and number == self._fails_at and len(view) > 1:
                return really(descriptor, view[: len(view) // 2], *at)  # a part, and no word of it
            if self._fails_at is not None and number >= self._fails_at:
                raise OSError(self._error, os.strerror(self._error))
            if self._shorten:
                return really(descriptor, view[: max(1, len(view) // 3)], *at)
            return really(descriptor, view, *at)

        return write


@contextmanager
def _installed(disk: Disk) -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", disk.around(os.write))
        patch.setattr(os, "pwrite", disk.around(os.pwrite))
        yield disk


def every_write(
    begin: Callable[[], Callable[[], object]],
    refused: Callable[[BaseException | None, int], None],
    *,
    most: int = 200,
) -> int:
    """Let each write of some work fail once, and all after it; then the work is done on a disk with room.

    :param begin: makes a new place and returns the work on it, which is called twice: full, then with room.
    :param refused: told what the work raised where the disk was full, None where it went without.
    :returns: how many writes there were.
    """
    work = begin()
    with _installed(Disk(None, 0, shorten=True)) as disk:
        work()  # each write takes a third, and nobody notices
    writes = disk.writes
    work = begin()
    with _installed(Disk(None, 0, shorten=False)) as disk:
        work()
    assert disk.writes > 0, "it writes nothing of its own"
    for number in range(min(disk.writes, most)):
        error = ERRORS[number % len(ERRORS)]
        work = begin()
        raised: BaseException | None = None
        with _installed(Disk(number, error, shorten=False)) as broken:
            try:
                work()
            except Exception as failure:
                raised = failure
        if broken.failed:
            refused(raised, error)
        work()
    return max(writes, disk.writes)
