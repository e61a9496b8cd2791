"""A name for a lock, in a folder or in an object store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conjoin.store.aliases import Alias, Target, parse_alias
from conjoin.store.transfer.naming import signed_name

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.requirements import Credential
    from conjoin.store.records.signatures import Signer
    from conjoin.store.store import Store

__all__ = ["alias_lock"]


def alias_lock(
    store: Store,
    lock: Lock,
    name: str,
    *,
    credentials: Sequence[Credential] = (),
    signer: Signer | None = None,
) -> Alias:
    """Give a lock a name (``team/torch:v1``), keeping the lock as well.

    Into an object store it is pushed: what a name there means is complete.

    :param credentials: for the origins of packages that have to be pushed.
    :param signer: signs what the name means.
    :raises UsageError: where ``name`` is no alias.
    :raises Conflict: where its tag is written once and means another lock.
    """
    alias = parse_alias(name)
    if store.shared is not None:
        # A name in a folder is given without what transfers packages.
        from conjoin.store.transfer.push import push

        push(store, lock, alias=name, credentials=credentials, signer=signer)
        return alias
    with store.announce(lock):
        kept = store.locks.put(lock).lock
        with signed_name(store, lock, alias, signer):
            store.aliases.name_kept(alias, Target.of(kept))
    return alias
