"""Bounds on a download: how slowly its bytes may come, how long all of it may take, how many they may be.

What speaks a protocol (``net/transport.py``, whatever client is below it) asks a :class:`Guard` before it
waits how long it may, and tells it what came: so an answer that drips ends as one that is silent does,
wherever it drips, in its head, in its chunks, or in its body. ``conjoin.bootstrap`` has a twin
(``bootstrap/guard.py``).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from conjoin.errors import Unreachable

__all__ = ["LARGEST_FILE", "Guard", "chunks_of_file", "guarded"]

LARGEST_FILE = 16 << 30
"""Bytes of a file of which nobody says how large it is."""

LEAST_RATE = 500
"""Bytes a second: a modem is faster, and bytes that drip would never end."""

WINDOW = 30.0
"""Seconds, in each of which that many have to come."""

LONGEST = 600.0
"""Seconds that any download may take, with one more for each :data:`AVERAGE` bytes that it has."""

AVERAGE = 4000

_CHUNK = 1 << 20


class Guard:
    """Watches over one download, all its tries together; only waiting counts, not what is done with bytes.

    :param where: its address, without secrets.
    :param size: bytes that it has, 0 where nobody says it.
    :param clock: seconds.
    :param window: seconds, in each of which that much has to come.
    """

    def __init__(
        self,
        where: str,
        size: int = 0,
        clock: Callable[[], float] = time.monotonic,
        window: float = WINDOW,
    ) -> None:
        self._where = where
        self._size = size
        self._clock = clock
        self._window = window
        self._waited = 0.0
        self._received = 0
        self._since: float | None = None
        self.begin()

    def begin(self) -> None:
        """Begin a try."""
        self._end_of_window = self._waited + self._window
        self._in_window = 0
        self._since = None

    def left(self) -> float:
        """Begin to wait; return for how many seconds at most.

        A window more than the one that runs: who says nothing at all is silent, which may pass, and does not
        drip.

        :raises Unreachable: where that is over.
        """
        now = self._clock()
        if self._since is not None:
            self._waited += now - self._since
        self._since = now
        left = min(self._end_of_window + self._window, self._most()) - self._waited
        if left <= 0:
            raise self.error()
        return left

    def came(self, size: int) -> None:
        """End waiting, with ``size`` bytes.

        :raises Unreachable: where they are too few for the time.
        """
        if self._since is not None:
            self._waited += self._clock() - self._since
            self._since = None
        self._received += size
        self._in_window += size
        if self._in_window >= LEAST_RATE * self._window:
            self._end_of_window, self._in_window = self._waited + self._window, 0
        elif self._waited >= self._end_of_window:
            raise self.error()
        if self._waited >= self._most():
            raise self.error()

    def error(self) -> Unreachable:
        """Return the error for a download that does not end."""
        if self._waited >= self._most():
            what = f"takes longer than {self._most():.0f} seconds"
        else:
            what = f"sends less than {LEAST_RATE} bytes a second"
        return Unreachable(what, where=self._where, advice="try again later")

    def _most(self) -> float:
        return LONGEST + (self._size or self._received) / AVERAGE


def guarded(chunks: Iterable[bytes], guard: Guard) -> Iterator[bytes]:
    """Yield chunks that a client brings which knows of no guard; it looks when one came.

    :raises Unreachable: where they come too slowly.
    """
    chunks = iter(chunks)
    while True:
        guard.left()
        chunk = next(chunks, None)
        if chunk is None:
            return
        guard.came(len(chunk))
        yield chunk


def chunks_of_file(path: Path, where: str = "", name: str = "the file") -> Iterator[bytes]:
    """Yield the content of a file, which ends: not of a pipe, a device or a socket.

    :param where: its address, default: its path.
    :param name: what is being read, for messages.
    :raises Unreachable: where it cannot be read, or is no file.
    """
    where = where or str(path)
    try:
        # A pipe without a writer must not make us wait, before we see that it is one.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreachable(
                    f"{name} cannot be read: it is a folder, a pipe or a device, and no file", where=where
                )
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise Unreachable(f"{name} cannot be read ({error.strerror or error})", where=where) from None
