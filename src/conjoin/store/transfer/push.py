"""A lock and all its packages into a store: bytes first, so that whatever can be found there is complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from conjoin.errors import IntegrityError
from conjoin.lock.model import Lock, LockedPackage
from conjoin.spec.requirements import Credential
from conjoin.store.aliases import Alias, Target, parse_alias
from conjoin.store.builds import note_builds
from conjoin.store.gc.collect import SHARED_GRACE
from conjoin.store.layout import complete_key, lock_key, lock_prefix
from conjoin.store.transfer.concurrently import map_concurrently
from conjoin.store.transfer.fetch import Fetcher, PackageTarget
from conjoin.store.transfer.naming import signed_name
from conjoin.store.transfer.selection import packages_of, places_of, platforms_of, refuse_editable
from conjoin.store.usage import note_use
from conjoin.store.user import current_user
from conjoin.version import __version__

if TYPE_CHECKING:
    from conjoin.store.records.signatures import Signer
    from conjoin.store.store import Store

__all__ = ["Pushed", "push"]

_CHUNK = 1 << 20

_LATELY = SHARED_GRACE / 2
"""Seconds: well below the age of the youngest thing that is ever collected in an object store."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did.

    :ivar lock: what is in the store now.
    :ivar platforms: whose packages are there now.
    :ivar sent: packages that had to be sent.
    :ivar present: packages that were there, or known to be there, already.
    :ivar bytes_sent: size of what was sent.
    :ivar alias: the name it has there, if one was asked for.
    """

    lock: Lock
    platforms: tuple[str, ...]
    sent: int
    present: int
    bytes_sent: int
    alias: str | None = None


def push(
    store: Store,
    lock: Lock,
    platforms: Sequence[str] = (),
    alias: str | None = None,
    *,
    credentials: Sequence[Credential] = (),
    sent: Callable[[int], None] = lambda _bytes: None,
    check: bool = False,
    signer: Signer | None = None,
) -> Pushed:
    """Bring a lock and all its packages into ``store``, and give it a name.

    Packages come from the local store, else straight from their origin; what is there already is not
    sent again, and a push that was interrupted goes on where it was. Every byte is hashed on its way.

    :param platforms: conda's names (``linux-64``); default: all of the lock's.
    :param alias: ``team/torch:v1``; tags but ``latest``, ``candidate``, ``stable`` are written once.
    :param credentials: for the origins of packages.
    :param sent: told how many bytes went out, from any thread.
    :param check: look at every package, although the store had them all once: somebody may have deleted one
        there.
    :param signer: signs what the alias means.
    :raises Conflict: where the alias means something else; nothing was sent.
    :raises IntegrityError: where a package's bytes, here or at its origin, are not the locked ones.
    :raises NotFound: where a package was built elsewhere and is not here, or a platform is not locked.
    :raises Unreachable: where the store or an origin does not answer.
    """
    wanted = platforms_of(lock, platforms)
    refuse_editable(lock, wanted)
    name = parse_alias(alias) if alias is not None else None
    named = name is not None and store.aliases.refuse_taken(name, Target.of(lock))

    if store.shared is not None and not check and _stands(store, lock, wanted):
        went: list[int] = []
        _point(store, lock)
        _name(store, lock, name, signer, named=named)
    else:
        # Announced before the first look at what is there: nobody collects it while we rely on it.
        with store.announce(lock) as announcement:
            known = set(store.backend.keys(lock_prefix(lock.req_id, lock.full_id)))
            went = _send(store, lock, wanted, set() if check else known, credentials, sent)
            note_builds(store.backend, packages_of(lock, wanted))
            announcement.check()
            new = lock_key(lock.req_id, lock.full_id) not in known and store.locks.put(lock).is_new
            note_use(store.backend, lock.req_id, lock.full_id)
            _point(store, lock)
            if went or new:
                ids = f"{lock.req_id}:{lock.full_id}"
                store.log.add("push", environments=(ids,), count=len(went), size=sum(went))
            _name(store, lock, name, signer, named=named)
    return Pushed(
        lock=lock,
        platforms=tuple(wanted),
        sent=len(went),
        present=len(packages_of(lock, wanted)) - len(went),
        bytes_sent=sum(went),
        alias=str(name) if name is not None else None,
    )


def _stands(store: Store, lock: Lock, platforms: Sequence[str]) -> bool:
    """Return whether everything is in an object store, and surely stays: one request.

    Whoever wrote there lately had announced it, so nobody who collects garbage takes it for unused.
    """
    found = {each.key: each for each in store.backend.objects(lock_prefix(lock.req_id, lock.full_id))}
    needed = [complete_key(lock.req_id, lock.full_id, platform) for platform in platforms]
    if not {lock_key(lock.req_id, lock.full_id), *needed} <= found.keys():
        return False
    return max(each.modified for each in found.values()) > time.time() - _LATELY


def _send(
    store: Store,
    lock: Lock,
    platforms: Sequence[str],
    known: Set[str],
    credentials: Sequence[Credential],
    sent: Callable[[int], None],
) -> list[int]:
    """Send what is not there, and say so; return the bytes of each package sent.

    :param known: the keys beside the lock, as far as they are believed.
    """
    if store.shared is None:
        return _send_missing(store, lock, platforms, credentials, sent)
    notes = {platform: complete_key(lock.req_id, lock.full_id, platform) for platform in platforms}
    missing = [platform for platform in platforms if notes[platform] not in known]
    went = _send_missing(store, lock, missing, credentials, sent)
    for platform in missing:
        store.backend.put_if_absent(notes[platform], b"{}\n")
    return went


def _name(store: Store, lock: Lock, name: Alias | None, signer: Signer | None, *, named: bool) -> None:
    """Name the lock as the store has it: what was kept first of an environment stays.

    :param named: whether it has that name already.
    """
    if name is None:
        return
    with signed_name(store, lock, name, signer):
        if not named:
            store.aliases.set(name, lock)


def _send_missing(
    store: Store,
    lock: Lock,
    platforms: Sequence[str],
    credentials: Sequence[Credential],
    sent: Callable[[int], None],
) -> list[int]:
    """Send what is not there and return the bytes of each package sent."""
    packages = packages_of(lock, platforms)
    if not packages:
        return []
    target: PackageTarget = store.shared or store.packages
    local = store.near().packages
    fetcher = Fetcher(local, credentials=credentials, places=places_of(lock), received=sent)

    def send(package: LockedPackage) -> int | None:
        if target.has(package.sha256, package.file, package.size):
            return None
        with target.receive(package.sha256, package.file, package.size) as receiving:
            path = local.path(package.sha256, package.file)
            here = local.has(package.sha256, package.file, package.size)
            try:
                if here:
                    with path.open("rb") as file:
                        while chunk := file.read(_CHUNK):
                            fetcher.take(receiving, chunk)
                else:
                    fetcher.fill(package, receiving)
                receiving.commit()
            except IntegrityError as error:
                raise IntegrityError(
                    f"{package.file} is not the file that was locked: {error.what}",
                    where=str(path) if here else package.url,
                    advice="it was not sent; delete the damaged file, or ask whoever runs the origin",
                ) from None
            return receiving.received

    try:
        results = map_concurrently(send, packages, stop=fetcher.stop)
    finally:
        fetcher.close()
    if store.shared is None:
        new = [each for each, result in zip(packages, results, strict=True) if result is not None]
        store.packages.fsync((each.sha256, each.file) for each in new)
    return [result for result in results if result is not None]


def _point(store: Store, lock: Lock) -> None:
    """Tell who resolved it, and when, as far as it is known here; once per user and lock."""
    user = current_user()
    if lock.full_id in store.locks.pointed(lock.req_id, user):
        return
    for pointer in store.near().locks.pointers(lock.req_id, user):
        if pointer.full_id == lock.full_id:
            moment = datetime.fromisoformat(pointer.time.replace("Z", "+00:00"))
            store.locks.point(lock.req_id, lock.full_id, user, pointer.versions, now=moment)
            return
    store.locks.point(lock.req_id, lock.full_id, user, {"conjoin": __version__})
