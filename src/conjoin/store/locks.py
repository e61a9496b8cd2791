"""Locks, which never change, and pointers: who resolved what, when, and with which versions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import NamedTuple

import msgspec

from conjoin.errors import IntegrityError, NotFound, UsageError
from conjoin.lock.format import decode, encode
from conjoin.lock.identity import lock_digest
from conjoin.lock.model import Lock
from conjoin.store.backend.protocol import Backend, update_object
from conjoin.store.layout import (
    PointerKey,
    lock_key,
    parse_lock_key,
    parse_pointer_key,
    pointer_key,
    pointers_prefix,
    req_id_prefix,
)
from conjoin.untrusted import decode_json

__all__ = ["Kept", "Locks", "Pointer", "refuse_other_digest"]


class Kept(NamedTuple):
    """What is kept of an environment.

    :ivar lock: as it stands in the store: of the same ids as the one that was brought.
    :ivar is_new: whether that is what was brought.
    """

    lock: Lock
    is_new: bool


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody resolved something: all of a decision that is not the decision.

    :ivar time: RFC 3339, UTC.
    :ivar versions: what took part, e.g. ``{"conjoin": "0.1.0", "py-rattler": "0.28.0"}``.
    """

    req_id: str
    full_id: str
    user: str
    time: str
    versions: dict[str, str]


class Locks:
    """The locks and pointers of a store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def put(self, lock: Lock) -> Kept:
        """Keep ``lock``, unless its environment is kept already: then what was kept first stays.

        Two locks of the same ids differ in nothing that is installed, but maybe in where from (a mirror), or
        in what a channel has said of its packages since. What stands under these ids and is no such lock was
        damaged, or put there by somebody: the true one takes its place.

        :raises IntegrityError: where that cannot be written over.
        """
        key = lock_key(lock.req_id, lock.full_id)
        data = encode(lock)
        if self._backend.put_if_absent(key, data):
            return Kept(lock, is_new=True)
        kept: list[Lock] = []

        def mended(present: bytes | None) -> bytes | None:
            kept.clear()
            if present is not None and (found := self._true(key, present, lock)) is not None:
                kept.append(found)
                return None
            return data

        busy = f"the lock {lock.req_id}:{lock.full_id} is being written by others all the time"
        update_object(self._backend, key, mended, busy=busy)
        return Kept(kept[0], is_new=False) if kept else Kept(lock, is_new=True)

    def _true(self, key: str, data: bytes, lock: Lock) -> Lock | None:
        """Return the lock that ``data`` holds, None where it is none of these ids."""
        try:
            found = decode(data, self._backend.where(key))
        except (IntegrityError, UsageError):
            return None
        same = (found.req_id, found.full_id) == (lock.req_id, lock.full_id)
        return found if same and encode(found) == data else None

    def get(self, req_id: str, full_id: str, digest: str = "", sha256: str = "") -> Lock:
        """Return a lock.

        :param digest: of the whole lock (:func:`~conjoin.lock.identity.lock_digest`), where that is known.
        :param sha256: of its bytes here, where that is known.
        :raises NotFound: where it is not there.
        :raises IntegrityError: where its content is not what its ids, or the digest, say.
        """
        key = lock_key(req_id, full_id)
        found = self._backend.get(key)
        if found is None:
            raise NotFound(
                f"no environment {req_id}:{full_id}", where=self._backend.place, advice="resolve it first"
            )
        lock = decode(found.data, self._backend.where(key))
        if (lock.req_id, lock.full_id) != (req_id, full_id):
            raise IntegrityError(
                f"this is the lock {lock.req_id}:{lock.full_id}, another than its name says",
                where=self._backend.where(key),
            )
        if digest:
            refuse_other_digest(lock, digest, self._backend.where(key))
        if sha256 and sha256 != (found_sha256 := hashlib.sha256(found.data).hexdigest()):
            raise IntegrityError(
                "this lock was changed after it was named: its bytes have sha256"
                f" {found_sha256}, the named one had {sha256}",
                where=self._backend.where(key),
                advice="ask whoever pushed it, and do not use it before",
            )
        return lock

    def has(self, req_id: str, full_id: str) -> bool:
        """Return whether a lock is there; it is not read."""
        return self._backend.size(lock_key(req_id, full_id)) is not None

    def ids_starting_with(self, req_id: str, full_id: str = "") -> list[tuple[str, str]]:
        """Return ``(req_id, full_id)`` of every lock whose ids begin so, sorted."""
        return [
            ids
            for key in self._backend.keys_starting_with(f"envs/{req_id}")
            if (ids := parse_lock_key(key)) and ids[1].startswith(full_id)
        ]

    def ids(self) -> Iterator[tuple[str, str]]:
        """Yield ``(req_id, full_id)`` of every lock, sorted."""
        for key in self._backend.keys("envs"):
            if ids := parse_lock_key(key):
                yield ids

    def point(
        self, req_id: str, full_id: str, user: str, versions: Mapping[str, str], now: datetime | None = None
    ) -> Pointer:
        """Note that ``user`` resolved ``req_id`` to ``full_id`` just now: it becomes that user's default."""
        moment = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
        pointer = Pointer(
            req_id=req_id,
            full_id=full_id,
            user=user,
            time=moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            versions=dict(sorted(versions.items())),
        )
        stamp = moment.strftime("%Y%m%dT%H%M%S.%fZ")
        key = pointer_key(req_id, user, stamp, full_id)
        self._backend.put_if_absent(key, msgspec.json.encode(pointer))
        return pointer

    def pointers(self, req_id: str, user: str | None = None) -> list[Pointer]:
        """Return the pointers of one user, or of all, newest first; unreadable ones are left out."""
        found = []
        for key, _ in self._pointer_keys(req_id, user):
            try:
                present = self._backend.get(key)
                if present is not None:  # else somebody deleted it meanwhile
                    found.append(decode_json(present.data, Pointer))
            except msgspec.DecodeError:  # noqa: PERF203 (each on its own)
                continue  # a newer version wrote it
        return sorted(found, key=lambda pointer: (pointer.time, pointer.full_id), reverse=True)

    def pointed(self, req_id: str, user: str) -> list[str]:
        """Return the ``full_id`` that each pointer of ``user`` means, newest first, without reading any."""
        told = [(each.time, each.full_id) for _, each in self._pointer_keys(req_id, user)]
        return [full_id for _, full_id in sorted(told, reverse=True)]

    def default(self, req_id: str, user: str) -> Lock | None:
        """Return the lock that ``user`` resolved last for ``req_id``, None where there is none.

        Of those that can be read: a damaged one is found, and told, by whoever names it.
        """
        for full_id in self.pointed(req_id, user):
            try:
                return self.get(req_id, full_id)
            except (IntegrityError, NotFound, UsageError):  # noqa: PERF203 (seldom more than one round)
                continue  # collected as garbage since, damaged, or of a newer version
        return None

    def _pointer_keys(self, req_id: str, user: str | None) -> list[tuple[str, PointerKey]]:
        prefix = pointers_prefix(req_id, user) if user else f"{req_id_prefix(req_id)}/by-user"
        keys = self._backend.keys(prefix)
        return [(key, told) for key in keys if (told := parse_pointer_key(key)) is not None]


def refuse_other_digest(lock: Lock, digest: str, where: str) -> None:
    """Refuse a lock that is not the one that was asked for, though its ids are.

    :param digest: 64 hex digits.
    :param where: file or URL the lock came from.
    :raises IntegrityError: with both digests.
    """
    found = lock_digest(lock)
    if found != digest:
        raise IntegrityError(
            f"this is the lock sha256:{found}, and sha256:{digest} is asked for",
            where=where,
            advice="it was changed after it was named: ask whoever pushed it, and do not use it before",
        )
