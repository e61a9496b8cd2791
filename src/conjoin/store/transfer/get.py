"""An environment's definition out of a team's store, the name it has there, and its packages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conjoin.errors import Conflict
from conjoin.store.aliases import Target
from conjoin.store.lookup.reference import alias_in, find_lock
from conjoin.store.transfer.byte_count import ByteCounter
from conjoin.store.transfer.concurrently import map_concurrently
from conjoin.store.transfer.selection import packages_of, places_of, platforms_of
from conjoin.store.transfer.sources import Sources
from conjoin.store.usage import note_use
from conjoin.trust.policy import rule_for

if TYPE_CHECKING:
    from conjoin.lock.model import Lock, LockedPackage
    from conjoin.store.store import Store

__all__ = ["Got", "get", "get_packages"]


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
    """Fetch an environment's definition, and its name, into the local store; no packages.

    :param reference: ``req_id:full_id``, an alias (``team/torch:v1``), or the path of a lock file.
    :raises NotFound: where nothing of that name exists.
    """
    lock = find_lock(reference, store)
    alias = alias_in(reference, lock)
    near = store.near()
    with near.announce(lock):
        kept = near.locks.put(lock).lock
        note_use(near.backend, lock.req_id, lock.full_id)
        if alias is None:
            return Got(lock, None, named=False)
        try:
            near.aliases.name_kept(alias, Target.of(kept))
        except Conflict:
            return Got(lock, str(alias), named=False)
        # Under a policy the name is no less signed here than there.
        if rule_for(alias.name) is not None:
            store.signatures.copy_to(near.signatures, alias)
        return Got(lock, str(alias), named=True)


def get_packages(
    store: Store,
    lock: Lock,
    platforms: Sequence[str] = (),
    *,
    moved: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Fetch packages into the local store, from ``store``, else their origin; return how many were missing.

    :param platforms: conda's names (``linux-64``); default: all of the lock's.
    :param moved: told how many bytes are done, and of how many, from any thread.
    :raises IntegrityError: where a package's bytes are not the locked ones; it is not kept.
    :raises NotFound: where a package was built elsewhere and is not there, or a platform is not locked.
    :raises Unreachable: where the store or an origin does not answer.
    """
    near = store.near()
    kept = near.packages
    progress = ByteCounter(moved)
    sources = Sources(store, places=places_of(lock), received=progress.add)

    def fetch(package: LockedPackage) -> None:
        with kept.receive(package.sha256, package.file, package.size) as receiving:
            sources.copy(package, receiving)

    with near.announce(lock):
        packages = packages_of(lock, platforms_of(lock, platforms))
        missing = [each for each in packages if not kept.has(each.sha256, each.file, each.size)]
        progress.begin(sum(package.size for package in missing))
        try:
            map_concurrently(fetch, missing, stop=sources.stop)
        finally:
            sources.close()
    return len(missing)
