"""Entries of a store's log: who pushed, named, collected or deleted what, as they tell it themselves.

An account, no proof: whoever may write the store may write such an entry. What is signed proves
(:mod:`conjoin.trust.statement`).
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

import msgspec

from conjoin.errors import IntegrityError

__all__ = ["ACTS", "LogEntry", "decode", "encode", "log_stamp"]

ACTS = ("push", "alias", "gc", "delete")
"""What is told of; the last word of an entry's key."""

SCHEMA = 1
_MOST_BYTES = 1 << 20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody did.

    :ivar time: RFC 3339, UTC, by that user's clock.
    :ivar user: the login name.
    :ivar act: one of :data:`ACTS`; a newer version may know more.
    :ivar name: the alias with its tag.
    :ivar environments: ``req_id:full_id`` of each that was pushed, named or deleted.
    :ivar before: what the name meant before.
    :ivar count: packages that were sent, or objects that were deleted.
    :ivar size: bytes of those.
    :ivar told: anything else, for people.
    :ivar version: Conjoin's, that wrote it.
    """

    time: str
    user: str
    act: str
    name: str = ""
    environments: tuple[str, ...] = ()
    before: str = ""
    count: int = 0
    size: int = 0
    told: str = ""
    version: str = ""
    schema: int = SCHEMA

    def concerns(self, text: str) -> bool:
        """Return whether it is about a name, with or without its tag, or about what begins with an id."""
        if self.name and text in (self.name, self.name.partition(":")[0]):
            return True
        return any(ids.startswith(text) for ids in (*self.environments, self.before) if len(text) >= 4)


def log_stamp(moment: datetime) -> str:
    """Return a moment as keys have it, to the microsecond; sorts as text."""
    return moment.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")


def encode(entry: LogEntry) -> bytes:
    """Return an entry as it is kept."""
    return msgspec.json.encode(entry) + b"\n"


def decode(data: bytes, where: str) -> LogEntry:
    """Return the entry that ``data`` holds.

    :param where: for messages.
    :raises IntegrityError: where it is none.
    """
    try:
        entry = msgspec.json.decode(data[:_MOST_BYTES], type=LogEntry)
        reason = "" if _TIME.fullmatch(entry.time) else "its time is none"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error)
    if reason:
        raise IntegrityError(f"an entry of the log is damaged ({reason})", where=where)
    return entry
