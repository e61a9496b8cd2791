"""Moments and spans of time, as people read and type them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

from conjoin.errors import UsageError

__all__ = ["ago", "rfc3339", "seconds_of"]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_UNITS = {"": 86400, "d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1, "w": 7 * 86400}
_WORDS = ((365 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"))


def seconds_of(text: str, option: str) -> float:
    """Return a span of time in seconds: ``30d``, ``12h``, ``2w``; a number alone counts days.

    :param option: for messages.
    :raises UsageError: where it is none.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise UsageError(f"{text!r} is no span of time", where=option, advice="expected 30d, 2w, 12h or days")
    return float(found[1]) * _UNITS[found[2]]


def ago(moment: float, now: float | None = None) -> str:
    """Return how long ago a moment (seconds since 1970) is, in words; nothing for an unknown one."""
    if moment <= 0:
        return ""
    passed = (time.time() if now is None else now) - moment
    for seconds, word in _WORDS:
        if passed >= seconds:
            count = int(passed // seconds)
            return f"{count} {word}{'' if count == 1 else 's'} ago"
    return "just now"


def rfc3339(moment: float) -> str | None:
    """Return a moment (seconds since 1970) for documents; None for an unknown one."""
    if moment <= 0:
        return None
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
