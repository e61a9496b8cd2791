"""Bounds on a download, and how long a server asks to wait.

As :mod:`conjoin.net.guard` and :mod:`conjoin.net.retries` have them: those are not here in a bare container
that has Python 3.8, so they stand here again, and tests hold what they do equal.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from conjoin.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LARGEST_FILE", "Guard", "retry_after"]

LARGEST_FILE = 16 << 30
"""Bytes of a file of which nobody says how large it is."""

LEAST_RATE = 500
"""Bytes a second, in each of :data:`WINDOW` seconds."""

WINDOW = 30.0

LONGEST = 600.0
"""Seconds that any download may take, with one more for each :data:`AVERAGE` bytes that it has."""

AVERAGE = 4000


class Guard:
    """Watches over one download; only waiting counts, not what is done with bytes.

    :param where: its address.
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
        self._since = None  # type: float | None
        self.begin()

    def begin(self) -> None:
        """Begin a try."""
        self._end_of_window = self._waited + self._window
        self._in_window = 0
        self._since = None

    def left(self) -> float:
        """Begin to wait; return for how many seconds at most.

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


def retry_after(text: str, now: float | None = None) -> float:
    """Return the seconds that a ``Retry-After`` header (RFC 9110, 10.2.3) asks to wait, by number or by date.

    0 where it is neither, or where it is over. It may be years: the caller bounds it.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    if not text or len(text) > 100:
        return 0.0
    import datetime
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # dates of HTTP are of Greenwich, whether they say it or not
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        seconds = moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return max(0.0, seconds - (time.time() if now is None else now))
