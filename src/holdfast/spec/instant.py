"""Points in time as users type them, for ``--exclude-newer``: one instant in UTC, the same on every host."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from holdfast.errors import UsageError

__all__ = ["instant"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def instant(text: str) -> str:
    """Return a date or an RFC 3339 date-time as RFC 3339 in UTC (``2026-11-20T00:00:00Z``).

    A bare date includes that day, as uv has it; unlike uv, days and times without offset are UTC's: the
    host's time zone must not decide what is chosen.

    >>> instant("2026-11-20"), instant("2026-11-20T08:00:00+02:00")
    ('2026-11-21T00:00:00Z', '2026-11-20T06:00:00Z')

    :raises UsageError: where it is none.
    """
    stripped = text.strip()
    try:
        # Python 3.10 does not read the Z.
        moment = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", stripped))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        moment = moment.astimezone(timezone.utc)
        if _DAY.fullmatch(stripped):
            moment += timedelta(days=1)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a date", advice="expected 2026-11-20 or 2026-11-20T12:00:00Z"
        ) from None
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )
