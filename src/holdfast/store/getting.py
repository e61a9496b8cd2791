"""An environment's definition out of a team's store, and the name it has there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import Conflict
from holdfast.store.reference import alias_in, find_lock
from holdfast.store.usage import note_use

if TYPE_CHECKING:
    from holdfast.lock.model import Lock
    from holdfast.store.store import Store

__all__ = ["Got", "get"]


@dataclass(frozen=True, slots=True)
class Got:
    """What was fetched.

    :ivar alias: the name it was asked for by, if it was one, with its tag.
    :ivar named: whether the local store has that name for it now; it has not where a tag that is written once
        means another environment there already.
    """

    lock: Lock
    alias: str | None
    named: bool


def get(store: Store, reference: str) -> Got:
    """Fetch a definition, and its name, into the local store; see :meth:`holdfast.store.store.Store.get`."""
    alias = alias_in(reference)
    lock = find_lock(reference, store)
    near = store.near()
    with near.announced(lock):
        near.locks.put(lock)
        note_use(near.backend, lock.req_id, lock.full_id)
        if alias is None:
            return Got(lock, None, named=False)
        try:
            near.aliases.name_kept(alias, lock.req_id, lock.full_id)
        except Conflict:
            return Got(lock, str(alias), named=False)
        return Got(lock, str(alias), named=True)
