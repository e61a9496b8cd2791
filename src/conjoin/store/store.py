"""A store: packages, locks, pointers and aliases, in a folder or in an object store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.config.places import local_store_root, store_root
from conjoin.errors import NotFound
from conjoin.lock.model import Lock
from conjoin.store.aliases import Alias, Aliases, parse_alias
from conjoin.store.backend.address import parse_address
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.backend.protocol import Backend
from conjoin.store.deployments import Deployments
from conjoin.store.gc.announcements import Announcement, announced
from conjoin.store.gc.lease import FolderGate, Gate, LeaseGate
from conjoin.store.gc.usage import note_use_in_folder
from conjoin.store.locks import Locks
from conjoin.store.packages import Packages
from conjoin.store.user import current_user

if TYPE_CHECKING:
    from conjoin.spec.requirements import Credential
    from conjoin.store.bundle.export import Exported
    from conjoin.store.bundle.import_bundle import Imported
    from conjoin.store.shared_packages import SharedPackages
    from conjoin.store.transfer.push import Pushed

__all__ = ["Store", "current_user", "local_folder"]


def local_folder() -> Path:
    """Return the folder of the local store, without opening it.

    :raises UsageError: where what is configured is no address.
    """
    address = parse_address(local_store_root())
    assert isinstance(address, Path), "a local store is a folder"
    return address


class Store:
    """Packages by content hash, locks, pointers and aliases (layout: design, section 7).

    In an object store, whatever can be found is complete: bytes are written before the lock that names them,
    the lock before pointers, pointers before aliases. There is no global lock; any number of processes, on
    any number of machines, may use it at once. Beside an object store stands the local one, a folder: what
    is resolved stays there until it is pushed, and packages go through it.

    :param root: a folder, made on first use, or ``file://``, ``s3://bucket/prefix``, ``gs://bucket/prefix``,
        ``az://container/prefix`` or ``memory://name``; None for ``CONJOIN_STORE`` or the user's data folder.
        Credentials come from the cloud's usual variables and profiles.
    :raises UsageError: where ``root`` is the address of no store.
    :raises Unreachable: where this host is not configured for that cloud.

    :ivar place: the address, for people; without credentials.
    :ivar root: the folder; of an object store, the local store's.
    :ivar local: the local store; of a folder, itself.
    :ivar gate: whoever collects garbage holds it (:mod:`conjoin.store.gc.lease`).
    :ivar packages: bytes by sha256, in the folder.
    :ivar shared: bytes by sha256, in the object store; None for a folder.
    :ivar locks: locks by ``req_id`` and ``full_id``, and who resolved them.
    :ivar aliases: names for locks.
    :ivar deployments: which workflows are deployed, and need which locks.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        address = parse_address(str(root) if root is not None else store_root())
        self.backend: Backend
        self.shared: SharedPackages | None
        self.gate: Gate
        if isinstance(address, Path):
            self.root = address
            self.local = self
            self.shared = None
            self.backend = FolderBackend(address)
            self.gate = FolderGate(address)
        else:
            from conjoin.store.backend.cloud import CloudBackend
            from conjoin.store.shared_packages import SharedPackages

            self.local = Store(local_store_root())
            self.root = self.local.root
            cloud = CloudBackend(address)
            self.backend = cloud
            self.gate = LeaseGate(cloud)
            self.shared = SharedPackages(cloud)
        self.place = self.backend.place
        self.packages = Packages(self.root)
        self.locks = Locks(self.backend)
        self.aliases = Aliases(self.backend)
        self.deployments = Deployments(self.backend)

    def save(self, lock: Lock, *, versions: Mapping[str, str], user: str | None = None) -> bool:
        """Keep a lock that was just resolved, in the local store, and make it its requirements' default.

        :param versions: of the programs that took part.
        :return: whether the lock is new to the local store.
        :raises Conflict: where another lock stands under its ids.
        """
        locks = self.local.locks
        with self.local.announced(lock):
            new = locks.put(lock)
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

    def lock(self, req_id: str, full_id: str) -> Lock:
        """Return a lock by its ids: from the local store, else from this one.

        :raises NotFound: where neither has it.
        :raises IntegrityError: where its content is not what its ids say.
        """
        if self.shared is not None:
            try:
                return self.local.locks.get(req_id, full_id)
            except NotFound:
                pass
        return self.locks.get(req_id, full_id)

    def get(self, reference: str) -> Lock:
        """Fetch an environment's definition into the local store and return it; no packages.

        The local store learns its alias as well, unless it has a tag of that name that is written once and
        means another environment.

        :param reference: ``req_id:full_id``, an alias (``team/torch:v1``), or the path of a lock file.
        :raises NotFound: where nothing of that name exists.
        """
        from conjoin.store.transfer.get import get

        return get(self, reference).lock

    def near(self) -> Store:
        """Return the store of this host and user, which is another one if this is a team's folder."""
        return self.local if self.shared is not None else Store(local_store_root())

    def push(
        self,
        lock: Lock,
        platforms: Sequence[str] | None = None,
        alias: str | None = None,
        *,
        credentials: Sequence[Credential] = (),
        sent: Callable[[int], None] = lambda _bytes: None,
        check: bool = False,
    ) -> Pushed:
        """Bring a lock and all its packages into this store, and give it a name.

        Packages come from the local store, else straight from their origin; what is there already is not
        sent again, and a push that was interrupted goes on where it was. Every byte is hashed on its way.

        :param platforms: conda's names (``linux-64``); default: all of the lock's.
        :param alias: ``team/torch:v1``; tags but ``latest``, ``candidate``, ``stable`` are written once.
        :param credentials: for the origins of packages.
        :param sent: told how many bytes went out, from any thread.
        :param check: look at every package, although the store had them all once: somebody may have deleted
            one there.
        :raises Conflict: where the alias means something else; nothing was sent.
        :raises IntegrityError: where a package's bytes, here or at its origin, are not the locked ones.
        :raises NotFound: where a package was built elsewhere and is not here, or a platform is not locked.
        :raises Unreachable: where the store or an origin does not answer.
        """
        from conjoin.store.transfer.push import push

        return push(self, lock, platforms or (), alias, credentials=credentials, sent=sent, check=check)

    def alias(self, lock: Lock, name: str, *, credentials: Sequence[Credential] = ()) -> Alias:
        """Give a lock a name (``team/torch:v1``), keeping the lock as well.

        Into an object store it is pushed: what a name there means is complete.

        :param credentials: for the origins of packages that have to be pushed.
        :raises UsageError: where ``name`` is no alias.
        :raises Conflict: where its tag is written once and means another lock.
        """
        alias = parse_alias(name)
        if self.shared is not None:
            self.push(lock, alias=name, credentials=credentials)
            return alias
        with self.announced(lock):
            self.locks.put(lock)
            self.aliases.name_kept(alias, lock.req_id, lock.full_id)
        return alias

    def name(self, lock: Lock, alias: Alias) -> bool:
        """Give a name to a lock that is kept here already.

        :return: whether the name meant something else, or nothing, before.
        :raises NotFound: where the lock is not here; nothing was written.
        :raises Conflict: where the tag is written once and means another lock.
        """
        kept = self.locks.has(lock.req_id, lock.full_id)
        with self.announced(lock) if kept else nullcontext():
            return self.aliases.set(alias, lock.req_id, lock.full_id)

    def announced(self, lock: Lock) -> AbstractContextManager[Announcement]:
        """Return a context in which nobody collects ``lock``, or its packages, from this store as garbage.

        Whoever puts packages here before their lock, or relies on some that are here, does so in it.

        :raises Unreachable: where this store cannot be written.
        """
        return announced(self.backend, self.gate, lock)

    def export_bundle(
        self,
        lock: Lock,
        path: str | Path,
        platforms: Sequence[str] | None = None,
        *,
        alias: str | None = None,
        offline: bool = False,
        credentials: Sequence[Credential] = (),
        moved: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Exported:
        """Write a lock and all its packages to one file, for a machine without any network.

        Packages come from the local store, this one, else their origin; every byte is hashed on its way. The
        file appears whole or not at all. The same content is the same bytes (docs/bundle-format.md).

        :param platforms: conda's names (``linux-64``); default: all of the lock's.
        :param alias: the name it goes by, for whoever imports it to know.
        :param offline: fetch nothing from origins.
        :param credentials: for the origins of packages.
        :param moved: told how many bytes are done, and of how many, from any thread.
        :raises UsageError: where the file cannot be written.
        :raises IntegrityError: where a package's bytes, here or at its origin, are not the locked ones.
        :raises NotFound: where a package was built elsewhere and is not here, or a platform is not locked.
        :raises Unreachable: where the store or an origin does not answer.
        """
        from conjoin.store.bundle.export import export_bundle

        return export_bundle(
            self,
            lock,
            Path(path),
            platforms or (),
            alias or "",
            offline=offline,
            credentials=credentials,
            moved=moved,
        )

    def import_bundle(
        self,
        path: str | Path,
        alias: str | None = None,
        *,
        moved: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Imported:
        """Bring the lock and the packages of a bundle into this store, and give it a name.

        Everything is verified: the file's form before anything is kept, the packages on their way. What was
        resolved here before stays the default of its requirements.

        :param alias: ``team/torch:v1``; default: none, whatever it was called where it was exported.
        :param moved: told how many bytes are done, and of how many, from any thread.
        :raises UsageError: where the file cannot be read, is no bundle, or of a newer format.
        :raises IntegrityError: where it was changed, or cut off; nothing is kept that can be found.
        :raises Conflict: where the alias means something else; nothing was kept.
        :raises Unreachable: where the store cannot be written.
        """
        from conjoin.store.bundle.import_bundle import import_bundle

        return import_bundle(self, Path(path), alias, moved=moved)

    def __repr__(self) -> str:
        return f"Store({self.place!r})"
