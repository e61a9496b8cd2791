"""A bundle into a store: bytes first, so that whatever can be found there is complete."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.errors import IntegrityError
from conjoin.lock.model import Lock
from conjoin.store.aliases import Target, parse_alias
from conjoin.store.backend.verify_stream import StreamVerifier
from conjoin.store.bundle.format import BundleFile
from conjoin.store.bundle.reader import Bundle, open_bundle
from conjoin.store.layout import complete_key
from conjoin.store.transfer.byte_count import ByteCounter
from conjoin.store.transfer.concurrently import map_concurrently
from conjoin.store.usage import note_use
from conjoin.store.user import current_user
from conjoin.version import __version__

if TYPE_CHECKING:
    from conjoin.store.store import Store
    from conjoin.store.transfer.fetch import PackageTarget

__all__ = ["Imported", "import_bundle"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    :ivar platforms: whose packages are in the store now.
    :ivar received: packages that were not there.
    :ivar present: packages that were there already.
    :ivar size: bytes of all packages.
    :ivar alias: the name it has in the store, if one was asked for.
    :ivar exported_as: the name it was exported by, if it had one.
    """

    lock: Lock
    platforms: tuple[str, ...]
    received: int
    present: int
    size: int
    alias: str | None
    exported_as: str | None


def import_bundle(
    store: Store,
    path: Path,
    alias: str | None = None,
    *,
    moved: Callable[[int, int], None] = lambda _done, _total: None,
) -> Imported:
    """Bring the lock and the packages of the bundle ``path`` into ``store``, and give it a name.

    Everything is verified: the file's form before anything is kept, the packages on their way. What was
    resolved here before stays the default of its requirements.

    :param alias: ``team/torch:v1``; default: none, whatever it was called where it was exported.
    :param moved: told how many bytes are done, and of how many, from any thread.
    :raises UsageError: where the file cannot be read, is no bundle, or of a newer format.
    :raises IntegrityError: where it was changed, or cut off; nothing is kept that can be found.
    :raises Conflict: where the alias means something else; nothing was kept.
    :raises Unreachable: where the store cannot be written.
    """
    name = parse_alias(alias) if alias is not None else None
    with open_bundle(path) as bundle:
        lock = bundle.lock
        if name is not None:
            store.aliases.refuse_taken(name, Target.of(lock))
        with store.announce(lock) as announcement:
            new = _Receiver(store, bundle, str(path), moved).receive()
            if store.shared is not None:
                for platform in bundle.platforms:
                    store.backend.put_if_absent(complete_key(lock.req_id, lock.full_id, platform), b"{}\n")
            announcement.check()
            kept = store.locks.put(lock).lock
            note_use(store.backend, lock.req_id, lock.full_id)
            _point(store, lock)
            if name is not None:
                store.aliases.name_kept(name, Target.of(kept))
        return Imported(
            lock=lock,
            platforms=bundle.platforms,
            received=sum(new),
            present=len(new) - sum(new),
            size=sum(file.size for file in bundle.packages),
            alias=str(name) if name is not None else None,
            exported_as=bundle.alias or None,
        )


class _Receiver:
    """Reads packages out of a bundle, all of them verified, and keeps those that the store has not."""

    def __init__(self, store: Store, bundle: Bundle, where: str, moved: Callable[[int, int], None]) -> None:
        self._target: PackageTarget = store.shared or store.packages
        self._fsync = store.packages.fsync if store.shared is None else None
        self._bundle = bundle
        self._where = where
        self._progress = ByteCounter(moved)
        self._stopped = threading.Event()

    def receive(self) -> list[bool]:
        """Return of each package whether it is new to the store."""
        self._progress.begin(sum(file.size for file in self._bundle.packages))
        # The big ones first: the last to finish should not be one of them.
        files = sorted(self._bundle.packages, key=lambda file: -file.size)
        new = map_concurrently(self._receive, files, stop=self._stopped.set)
        if self._fsync is not None:
            came = (file for file, is_new in zip(files, new, strict=True) if is_new)
            self._fsync((file.sha256, file.key.rpartition("/")[2]) for file in came)
        return new

    def _receive(self, file: BundleFile) -> bool:
        name = file.key.rpartition("/")[2]
        try:
            if self._target.has(file.sha256, name, file.size):
                verifier = StreamVerifier(file.sha256, file.size)
                self._pass(file, verifier.update)
                verifier.verify()
                return False
            with self._target.receive(file.sha256, name, file.size) as receiving:
                self._pass(file, receiving.write)
                receiving.commit()
                return True
        except IntegrityError as error:
            raise IntegrityError(
                f"the bundle is damaged: {name}: {error.what}",
                where=self._where,
                advice="copy it, or export it, again",
            ) from None

    def _pass(self, file: BundleFile, take: Callable[[bytes], None]) -> None:
        for chunk in self._bundle.content(file):
            if self._stopped.is_set():
                raise IntegrityError("given up, as another package failed")
            take(chunk)
            self._progress.add(len(chunk))


def _point(store: Store, lock: Lock) -> None:
    """Make it this user's default, if there is none: what was resolved here goes before what was brought."""
    user = current_user()
    if store.default_lock(lock.req_id, user) is None:
        store.locks.point(lock.req_id, lock.full_id, user, {"conjoin": __version__})
