"""What is being worked on: whoever collects garbage leaves alone what these need.

An announcement is an object of its own, with a name that nobody else chooses: any number of processes make
and remove theirs without looking at each other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

import msgspec

from conjoin.errors import Conflict, ConjoinError, Unreachable
from conjoin.lock.model import Lock
from conjoin.store.backend.protocol import Backend
from conjoin.store.gc_lock import GcLock
from conjoin.store.layout import ANNOUNCED
from conjoin.untrusted import decode_json

__all__ = ["BELIEVED_FOR", "Announcement", "Announcements", "announce", "read_announcements"]

BELIEVED_FOR = 3 * 86400.0
"""Seconds after which an announcement is taken for one of a process that was killed."""

_ENOUGH = BELIEVED_FOR - 3600
"""Seconds after which whoever announced something may not finish it any more: clocks differ."""


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    req_id: str
    full_id: str
    sha256: list[str]


class Announcement:
    """What was announced by this process."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._since = time.monotonic()

    def check(self) -> None:
        """Make sure that it is still believed; called before what was relied on is declared complete.

        :raises Unreachable: where it took so long that garbage may have been collected meanwhile.
        """
        if time.monotonic() - self._since > _ENOUGH:
            raise Unreachable(
                "this took days, so what was there at its beginning may be gone",
                where=self._where,
                advice="run it again: what is there already is not sent again",
            )


@contextmanager
def announce(
    backend: Backend, gc_lock: GcLock, lock: Lock, *, may_fail: bool = False
) -> Iterator[Announcement]:
    """Keep a lock and its packages from being collected while the body runs.

    :param may_fail: go on where the store may only be read: what is missing is noticed later.
    :raises Unreachable: where the store cannot be written, or garbage is being collected for too long.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    key = f"{ANNOUNCED}/{stamp}-{os.urandom(8).hex()}.json"
    packages = {each.sha256 for locked in lock.platforms.values() for each in locked.packages if each.sha256}
    document = _Document(req_id=lock.req_id, full_id=lock.full_id, sha256=sorted(packages))
    made = Announcement(backend.where(key))
    try:
        backend.put(key, msgspec.json.encode(document))
    except Unreachable:
        if not may_fail:
            raise
    try:
        gc_lock.wait()
        yield made
    finally:
        with suppress(ConjoinError):  # it is not believed forever
            backend.delete(key)


class Announcements(msgspec.Struct, frozen=True):
    """Everything that is announced in a store.

    :ivar ids: of the locks.
    :ivar packages: by sha256.
    :ivar expired: keys of announcements that are not believed any more.
    """

    ids: frozenset[tuple[str, str]]
    packages: frozenset[str]
    expired: tuple[str, ...]


def read_announcements(backend: Backend, now: float) -> Announcements:
    """Return what is announced.

    :param now: seconds since 1970, by the store's clock.
    :raises Conflict: where a newer version announced something in a form that is not known here.
    """
    ids, packages, expired = set(), set[str](), []
    for each in backend.objects(ANNOUNCED):
        if now - each.modified > BELIEVED_FOR:
            expired.append(each.key)
            continue
        found = backend.get(each.key)
        if found is None:
            continue  # done meanwhile; what it made is found by whoever looks after this
        try:
            document = decode_json(found.data, _Document)
        except msgspec.DecodeError:
            raise Conflict(
                "this says what is being worked on, in a form that this version does not know",
                where=backend.where(each.key),
                advice="upgrade conjoin, or wait until that work is done",
            ) from None
        ids.add((document.req_id, document.full_id))
        packages.update(document.sha256)
    return Announcements(frozenset(ids), frozenset(packages), tuple(expired))
