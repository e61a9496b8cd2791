"""A store: packages, locks, pointers and aliases, in a folder or in an object store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.config.places import local_store_root, store_root
from conjoin.errors import IntegrityError, NotFound, UsageError
from conjoin.lock.model import Lock
from conjoin.store.aliases import Alias, Aliases, Given
from conjoin.store.announcements import Announcement, announce
from conjoin.store.backend.address import parse_address
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.backend.protocol import Backend
from conjoin.store.deployments import Deployments
from conjoin.store.gc_lock import FolderGcLock, GcLock, LeaseGcLock
from conjoin.store.locks import Locks
from conjoin.store.packages import Packages
from conjoin.store.records.log import Log
from conjoin.store.records.memory import NameMemory, met_as
from conjoin.store.records.signatures import Signatures
from conjoin.store.usage import note_use_in_folder
from conjoin.store.user import current_user

if TYPE_CHECKING:
    from conjoin.store.shared_packages import SharedPackages

__all__ = ["Store", "local_folder"]


def local_folder() -> Path:
    """Return the folder of the local store, without opening it.

    :raises UsageError: where what is configured is no address.
    """
    address = parse_address(local_store_root())
    assert isinstance(address, Path), "a local store is a folder"
    return address


class Store:
    """Packages by content hash, locks, pointers and aliases (layout: docs/store.md).

    Holds where it is and its parts. What is done with a store are functions in ``transfer``, ``bundle``,
    ``gc`` and ``lookup`` beside this module; :class:`conjoin.api.Store` has them as methods.

    In an object store, whatever can be found is complete: bytes are written before the lock that names them,
    the lock before pointers, pointers before aliases. There is no global lock; any number of processes, on
    any number of machines, may use it at once. Beside an object store stands the local one, a folder: what
    is resolved stays there until it is pushed, and packages go through it.

    :param root: a folder, made on first use, or ``file://``, ``s3://bucket/prefix``, ``gs://bucket/prefix``,
        ``az://container/prefix`` or ``memory://name``; None for ``CONJOIN_STORE`` or the user's data folder.
        Credentials come from the cloud's usual variables and profiles.
    :param accept_rollback: believe names that mean something else than this user remembers, and remember them
        anew (docs/security.md).
    :raises UsageError: where ``root`` is the address of no store.
    :raises Unreachable: where this host is not configured for that cloud.

    :ivar place: the address, for people; without credentials.
    :ivar root: the folder; of an object store, the local store's.
    :ivar local: the local store; of a folder, itself.
    :ivar gc_lock: whoever collects garbage holds it (:mod:`conjoin.store.gc_lock`).
    :ivar packages: bytes by sha256, in the folder.
    :ivar shared: bytes by sha256, in the object store; None for a folder.
    :ivar locks: locks by ``req_id`` and ``full_id``, and who resolved them.
    :ivar aliases: names for locks.
    :ivar signatures: signed statements about names.
    :ivar memory: what this user remembers of names here.
    :ivar log: who did what.
    :ivar deployments: which workflows are deployed, and need which locks.
    """

    def __init__(self, root: str | Path | None = None, *, accept_rollback: bool = False) -> None:
        self.accept_rollback = accept_rollback
        address = parse_address(str(root) if root is not None else store_root())
        self.backend: Backend
        self.shared: SharedPackages | None
        self.gc_lock: GcLock
        if isinstance(address, Path):
            self.root = address
            self.local: Store = self
            self.shared = None
            self.backend = FolderBackend(address)
            self.gc_lock = FolderGcLock(address)
            # Whatever link or relative path it is named by.
            self.memory = NameMemory(str(address.resolve()))
        else:
            from conjoin.store.backend.cloud import CloudBackend
            from conjoin.store.shared_packages import SharedPackages

            self.local = type(self)(local_store_root(), accept_rollback=accept_rollback)
            self.root = self.local.root
            cloud = CloudBackend(address)
            self.backend = cloud
            self.gc_lock = LeaseGcLock(cloud)
            self.shared = SharedPackages(cloud)
            self.memory = NameMemory(address.identity)
        self.place = self.backend.place
        self.packages = Packages(self.root)
        self.locks = Locks(self.backend)
        self.aliases = Aliases(self.backend, self._giving)
        self.signatures = Signatures(self.backend)
        self.log = Log(self.backend)
        self.deployments = Deployments(self.backend)

    def save(self, lock: Lock, *, versions: Mapping[str, str], user: str | None = None) -> bool:
        """Keep a lock that was just resolved, in the local store, and make it its requirements' default.

        :param versions: of the programs that took part.
        :return: whether the lock is new to the local store.
        """
        locks = self.local.locks
        with self.local.announce(lock):
            new = locks.put(lock).is_new
            locks.point(lock.req_id, lock.full_id, user or current_user(), versions)
        return new

    def default_lock(self, req_id: str, user: str | None = None) -> Lock | None:
        """Return the lock ``user`` (default: the current one) resolved last, None if none.

        What was resolved on this host goes before what the same user pushed to an object store.
        """
        who = user or current_user()
        found = self.local.locks.default(req_id, who)
        if found is not None:
            note_use_in_folder(self.root, req_id, found.full_id)
        return found if found is not None or self.shared is None else self.locks.default(req_id, who)

    def lock(self, req_id: str, full_id: str, digest: str = "", sha256: str = "") -> Lock:
        """Return a lock by its ids: from the local store, else from this one.

        :param digest: of the whole lock (:func:`~conjoin.lock.identity.lock_digest`), where that is known.
        :param sha256: of its bytes in this store, where that is known.
        :raises NotFound: where neither has it.
        :raises IntegrityError: where its content is not what its ids, or the digest, say.
        """
        if self.shared is not None:
            # What is damaged here, or the same of another origin, is not what this store has.
            with suppress(NotFound, IntegrityError, UsageError):
                return self.local.locks.get(req_id, full_id, digest)
        return self.locks.get(req_id, full_id, digest, sha256)

    def near(self) -> Store:
        """Return the store of this host and user, which is another one if this is a team's folder."""
        return self.local if self.shared is not None else self._local_folder()

    def _local_folder(self) -> Store:
        return type(self)(local_store_root(), accept_rollback=self.accept_rollback)

    @contextmanager
    def _giving(self, alias: Alias) -> Iterator[list[Given]]:
        """Remember what this user makes a name mean, and log it.

        Held meanwhile, so that no other process of this user takes what is not yet remembered for an attack.
        """
        given: list[Given] = []
        with self.memory.held(alias):
            yield given
            for each in given:
                self.memory.replace(alias, met_as(alias, each.history))
        for history, moved in given:
            if moved:
                before = ":".join(history.moves[1].target.ids) if len(history.moves) > 1 else ""
                ids = ":".join(history.moves[0].target.ids)
                self.log.add("alias", name=str(alias), environments=(ids,), before=before)

    def name(self, lock: Lock, alias: Alias) -> bool:
        """Give a name to a lock that is kept here already.

        :return: whether the name meant something else, or nothing, before.
        :raises NotFound: where the lock is not here; nothing was written.
        :raises Conflict: where the tag is written once and means another lock.
        """
        kept = self.locks.has(lock.req_id, lock.full_id)
        with self.announce(lock) if kept else nullcontext():
            return self.aliases.set(alias, lock)

    def announce(self, lock: Lock) -> AbstractContextManager[Announcement]:
        """Return a context in which nobody collects ``lock``, or its packages, from this store as garbage.

        Whoever puts packages here before their lock, or relies on some that are here, does so in it.

        :raises Unreachable: where this store cannot be written.
        """
        return announce(self.backend, self.gc_lock, lock)

    def __repr__(self) -> str:
        return f"Store({self.place!r})"
