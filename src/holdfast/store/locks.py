"""Locks, which never change, and pointers: who resolved what, when, and with which versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from holdfast.errors import Conflict, NotFound
from holdfast.lock.format import decode, encode
from holdfast.lock.model import Lock
from holdfast.store.atomic import put_if_absent, store_errors
from holdfast.store.layout import lock_key, plain_name, pointer_key, pointers_prefix, req_id_prefix

__all__ = ["Locks", "Pointer"]


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody resolved something: all of a decision that is not the decision.

    :ivar time: RFC 3339, UTC.
    :ivar versions: what took part, e.g. ``{"holdfast": "0.1.0", "py-rattler": "0.28.0"}``.
    """

    req_id: str
    full_id: str
    user: str
    time: str
    versions: dict[str, str]


class Locks:
    """The locks and pointers of a local store, below ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, lock: Lock) -> bool:
        """Keep ``lock`` and return whether it is new; the same lock may be put twice.

        :raises Conflict: where another lock stands under its ids.
        """
        path = self._root / lock_key(lock.req_id, lock.full_id)
        data = encode(lock)
        with store_errors(path):
            if put_if_absent(path, data):
                return True
            if path.read_bytes() == data:
                return False
        raise Conflict(
            f"another lock is already kept as {lock.req_id}:{lock.full_id}",
            where=str(path),
            advice="a lock never changes; delete that file if it is damaged",
        )

    def get(self, req_id: str, full_id: str) -> Lock:
        """Return a lock.

        :raises NotFound: where it is not there.
        :raises IntegrityError: where its content is not what its ids say.
        """
        path = self._root / lock_key(req_id, full_id)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(
                f"no environment {req_id}:{full_id}", where=str(self._root), advice="resolve it first"
            ) from None
        return decode(data, str(path))

    def full_ids(self, req_id: str) -> list[str]:
        """Return the ``full_id`` of every lock of ``req_id``, sorted."""
        found = (self._root / req_id_prefix(req_id)).glob("*/lock.json")
        return sorted(path.parent.name for path in found)

    def ids(self) -> Iterator[tuple[str, str]]:
        """Yield ``(req_id, full_id)`` of every lock, sorted."""
        for path in sorted((self._root / "envs").glob("*/*/lock.json")):
            yield path.parent.parent.name, path.parent.name

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
        path = self._root / pointer_key(req_id, user, stamp, full_id)
        with store_errors(path):
            put_if_absent(path, msgspec.json.encode(pointer))
        return pointer

    def pointers(self, req_id: str, user: str | None = None) -> list[Pointer]:
        """Return the pointers of one user, or of all, newest first; unreadable ones are left out."""
        folder = self._root / (pointers_prefix(req_id, plain_name(user)) if user else req_id_prefix(req_id))
        found = []
        for path in folder.glob("*.json" if user else "by-user/*/*.json"):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Pointer))
            except (OSError, msgspec.DecodeError):  # noqa: PERF203 (each file on its own)
                continue  # somebody deleted it meanwhile, or a newer version wrote it
        return sorted(found, key=lambda pointer: (pointer.time, pointer.full_id), reverse=True)

    def default(self, req_id: str, user: str) -> Lock | None:
        """Return the lock that ``user`` resolved last for ``req_id``, None where there is none."""
        for pointer in self.pointers(req_id, user):
            try:
                return self.get(pointer.req_id, pointer.full_id)
            except NotFound:  # noqa: PERF203 (seldom more than one round)
                continue  # collected as garbage since
        return None
