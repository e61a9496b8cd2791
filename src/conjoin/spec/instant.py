"""Points in time as users type them, for ``--exclude-newer``: one instant in UTC, the same on every host."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from conjoin.errors import UsageError

__all__ = ["instant"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# RFC 3339, section 5.6, the offset and the seconds optional.
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[Tt ](?P<minute>\d{2}:\d{2})(?P<second>:\d{2})?"
    r"(?:\.(?P<fraction>\d{1,6})\d*)?(?P<offset>[Zz]|[+-]\d{2}:\d{2})?"
)


def instant(text: str) -> str:
    """Return a date or an RFC 3339 date-time as RFC 3339 in UTC (``2026-11-20T00:00:00Z``).

    A bare date includes that day, as uv has it; unlike uv, days and times without offset are UTC's: the
    host's time zone must not decide what is chosen.

    >>> instant("2026-11-20"), instant("2026-11-20T08:00:00+02:00")
    ('2026-11-21T00:00:00Z', '2026-11-20T06:00:00Z')

    :raises UsageError: where it is none.
    """
    try:
        moment = _moment(text.strip())
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise UsageError(f"{text!r} is not a date", advice="expected 2026-11-20 or 2026-11-20T12:00:00Z")
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def _moment(text: str) -> datetime | None:
    if _DAY.fullmatch(text):
        return datetime.fromisoformat(text).replace(tzinfo=timezone.utc) + timedelta(days=1)
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    # Python 3.10 reads neither `Z` nor a fraction of other than three or six digits.
    offset = "+00:00" if (match["offset"] or "Z") in "Zz" else match["offset"]
    fraction = (match["fraction"] or "").ljust(6, "0")
    time = f"{match['minute']}{match['second'] or ':00'}.{fraction}{offset}"
    return datetime.fromisoformat(f"{match['day']}T{time}").astimezone(timezone.utc)
