"""Environments by the beginnings of their ids, as git has commits: ``1a2b3c4:5d6e7f8``, or ``1a2b3c4``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conjoin.errors import UsageError

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.store.store import Store

__all__ = ["begins", "find_beginning"]

_LEAST = 4
"""Digits: git's. Words of so few that are no names are rare."""
_SHORT = re.compile(rf"([0-9a-f]{{{_LEAST},40}})(?::([0-9a-f]{{{_LEAST},40}}))?")
_MOST_NAMED = 5
_SHOWN = 7


def find_beginning(text: str, store: Store) -> tuple[str, str] | None:
    """Return ``(req_id, full_id)`` of the one environment whose ids begin so, None where there is none.

    Here and in the store that is named; one request there, and another for each thousand objects that belong
    to what begins so.

    :raises UsageError: where several do; it names them.
    """
    match = _SHORT.fullmatch(text)
    if match is None:
        return None
    here = store.near().locks if store.shared is not None else store.locks
    found = sorted(
        {*here.beginning(match[1], match[2] or ""), *store.locks.beginning(match[1], match[2] or "")}
    )
    if len(found) < 2:
        return found[0] if found else None
    digits = max(_SHOWN, len(match[1]), len(match[2] or ""))
    while len({(req_id[:digits], full_id[:digits]) for req_id, full_id in found}) < len(found):
        digits += 1
    named = [f"{req_id[:digits]}:{full_id[:digits]}" for req_id, full_id in found[:_MOST_NAMED]]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise UsageError(
        f"{len(found)} environments begin with {text}: {', '.join(named)}{more}", advice="give more of one"
    )


def begins(text: str, lock: Lock) -> bool:
    """Return whether ``text`` is the beginning of a lock's ids."""
    match = _SHORT.fullmatch(text)
    if match is None:
        return False
    return lock.req_id.startswith(match[1]) and lock.full_id.startswith(match[2] or "")
