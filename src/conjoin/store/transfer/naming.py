"""A name in a store that is given together with a signed statement that it means what it means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from conjoin.errors import Conflict
from conjoin.lock.identity import lock_digest
from conjoin.store.records.memory import met_as
from conjoin.trust.statement import object_digest

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.store.aliases import Alias
    from conjoin.store.records.signatures import Prepared, Signer
    from conjoin.store.store import Store

__all__ = ["signed_name"]

_TRIES = 20


@contextmanager
def signed_name(store: Store, lock: Lock, alias: Alias, signer: Signer | None) -> Iterator[None]:
    """Return a context in which the name is given. What cannot be signed is not named.

    The statement is kept after the body. Whoever looks between the two finds a name that its last
    statement does not speak of, and looks again.

    :param lock: is in the store already.
    :param signer: None: nothing is signed.
    :raises Conflict: where the store has another lock of these ids, or lost statements that this user knows.
    :raises UsageError: where it cannot be signed; then nothing was named.
    """
    if signer is None:
        yield
        return
    prepared = _prepared(store, lock, alias, signer)
    yield
    for _ in range(_TRIES):
        if store.signatures.keep(alias, prepared):
            break
        prepared = _prepared(store, lock, alias, signer)  # somebody else signed meanwhile
    else:
        raise Conflict(f"others sign {alias} all the time", where=store.place, advice="try again")
    history = store.aliases.history(alias)
    signed = object_digest(prepared.data)
    store.memory.replace(alias, met_as(alias, history, prepared.serial, signed))


def _prepared(store: Store, lock: Lock, alias: Alias, signer: Signer) -> Prepared:
    digest = lock_digest(lock)
    kept = store.locks.get(lock.req_id, lock.full_id)
    if lock_digest(kept) != digest:
        raise Conflict(
            f"the store has another lock {lock.req_id}:{lock.full_id} than the one to be signed",
            where=store.place,
            advice="compare them (`conjoin get` in an empty CONJOIN_STORE), and sign the one that is there",
        )
    remembered = None if store.accept_rollback else store.memory.get(alias)
    least = remembered.serial if remembered is not None else 0
    return store.signatures.prepare(alias, (lock.req_id, lock.full_id), digest, signer, least=least)
