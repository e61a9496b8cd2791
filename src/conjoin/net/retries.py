"""Which answers of a server are worth another try, and when."""

from __future__ import annotations

import time
from collections.abc import Mapping

__all__ = ["RETRIED", "retry_after"]

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of what may be gone with the next try (RFC 9110; 425 is of RFC 8470, 429 of RFC 6585)."""


_LONGEST = 100
"""Letters of a date; what is longer is none, and would only take time to be refused."""


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float:
    """Return the seconds that a ``Retry-After`` header (RFC 9110, 10.2.3) asks to wait, by number or by date.

    0 where there is none, where it is neither, or where it is over. It may be years: the caller bounds it.

    :param headers: found by lower-case names.
    :param now: seconds since 1970; default: by the clock.

    >>> retry_after({"retry-after": "120"})
    120.0
    >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, now=40.0)
    60.0
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    if not text or len(text) > _LONGEST:
        return 0.0
    from datetime import timezone
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # dates of HTTP are of Greenwich, whether they say it or not
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return max(0.0, seconds - (time.time() if now is None else now))
