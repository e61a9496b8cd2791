"""A name for a lock, in a folder or in an object store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conjoin.store.aliases import Alias, Target, parse_alias

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.requirements import Credential
    from conjoin.store.store import Store

__all__ = ["alias_lock"]


def alias_lock(store: Store, lock: Lock, name: str, *, credentials: Sequence[Credential] = ()) -> Alias:
    """Give a lock a name (``team/torch:v1``), keeping the lock as well.

    Into an object store it is pushed: what a name there means is complete.

    :param credentials: for the origins of packages that have to be pushed.
    :raises UsageError: where ``name`` is no alias.
    :raises Conflict: where its tag is written once and means another lock.
    """
    alias = parse_alias(name)
    if store.shared is not None:
        # A name in a folder is given without what transfers packages.
        from conjoin.store.transfer.push import push

        push(store, lock, alias=name, credentials=credentials)
        return alias
    with store.announce(lock):
        store.aliases.name_kept(alias, Target.of(store.locks.put(lock).lock))
    return alias
