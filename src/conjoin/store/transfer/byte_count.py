"""How far long work is: bytes done, and of how many."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["ByteCounter"]


class ByteCounter:
    """Counts bytes, from any thread, and tells how many are done.

    :param moved: given the bytes done and the total, by one thread at a time.
    """

    def __init__(self, moved: Callable[[int, int], None]) -> None:
        self._moved = moved
        self._done = self._total = 0
        self._lock = threading.Lock()

    def begin(self, total: int) -> None:
        """Tell how many bytes there are to move."""
        self._total = total
        self.add(0)

    def add(self, count: int) -> None:
        """Tell that ``count`` more are done."""
        with self._lock:
            self._done += count
            self._moved(self._done, self._total)
