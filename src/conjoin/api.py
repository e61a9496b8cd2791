"""The public functions: what a script needs, in a call each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.store.store import Store as StoreData

if TYPE_CHECKING:
    from conjoin.lock.model import Lock, LockedPackage
    from conjoin.prefix.progress import Progress
    from conjoin.spec.requirements import Credential, Requirements
    from conjoin.store.aliases import Alias
    from conjoin.store.bundle.export import Exported
    from conjoin.store.bundle.import_bundle import Imported
    from conjoin.store.records.signatures import Signer
    from conjoin.store.transfer.push import Pushed

__all__ = ["Store", "find_python", "hydrate", "resolve"]


def resolve(
    requirements: Requirements,
    platforms: Sequence[str] = (),
    *,
    using: Lock | str | None = None,
    use_latest: str | None = None,
    update: Sequence[str] | None = None,
    store: StoreData | None = None,
    force: bool = False,
    offline: bool | None = None,
) -> Lock:
    """Return the one exact environment that satisfies the requirements, for each platform.

    The same requirements give the same lock again without solving, until ``force``.

    :param platforms: conda's names (``linux-64``); default: those the requirements name, else those of
        ``using``, else this host's.
    :param using: an environment to extend, as a lock or a name for one (alias, ``req_id:full_id``, lock
        file): all of its packages stay exactly as they are, and what else is asked for joins them.
    :param use_latest: whose resolution of the same requirements to take: ``none`` (this host's alone),
        ``me``, ``any`` (the newest of anybody), or names of users; default: as configured, else ``me``.
    :param update: move these packages of what was resolved before as high as they go, and nothing else that
        need not move; all packages where it is empty.
    :param store: where the lock is kept; default: the local store.
    :param force: solve again, although a lock exists.
    :param offline: use caches alone, and never the network; default: as configured.
    :raises conjoin.errors.NoSolution: where nothing satisfies them, with the reasons.
    :raises conjoin.errors.NotFound: where there is no environment ``using``, or it lacks a platform.
    :raises conjoin.errors.Unreachable: where an index or a channel cannot be reached.
    """
    from conjoin.resolving import ResolveOptions, resolve_request

    name = ""
    if isinstance(using, str):
        from conjoin.store.lookup.reference import find_lock

        store = store or Store()
        name, using = using, find_lock(using, store)
    return resolve_request(
        requirements,
        platforms,
        ResolveOptions(
            using=using,
            using_name=name,
            use_latest=use_latest,
            update=update,
            force=force,
            offline=_offline(offline),
        ),
        store=store,
    ).lock


def hydrate(
    lock: Lock,
    platform: str | None = None,
    *,
    store: StoreData | None = None,
    prefix: str | Path | None = None,
    name: str | None = None,
    progress: Progress | None = None,
    offline: bool | None = None,
    credentials: Sequence[Credential] = (),
) -> Path:
    """Make the prefix of an environment, unless it is there, and return its path.

    :param platform: default: this host's.
    :param store: where packages are kept; what it lacks is fetched from its origin, verified, and kept.
    :param prefix: where to; default: a folder named after the environment's ids.
    :param name: instead of ``prefix``: a named environment.
    :param offline: fetch nothing; default: as configured.
    :param credentials: for the origins of packages.
    :raises conjoin.errors.IntegrityError: where a package's bytes are not the locked ones.
    :raises conjoin.errors.NotFound: where there is no such environment for the platform.
    """
    from conjoin.prefix.hydrate import HydrateOptions
    from conjoin.prefix.hydrate import hydrate as make

    return make(
        lock,
        platform,
        HydrateOptions(
            prefix=Path(prefix) if prefix is not None else None,
            name=name,
            offline=_offline(offline),
            credentials=credentials,
            progress=progress,
            find_python=find_python,
        ),
        store=store,
    )


def _offline(given: bool | None) -> bool:
    if given is not None:
        return given
    from conjoin.config.load import load_settings

    return load_settings().flag("offline")


def find_python(package: LockedPackage) -> Path | None:
    """Return this host's interpreter of exactly a locked version and ABI, None where it has none."""
    from conjoin.config.places import cache_dir
    from conjoin.index.interpreters import find_interpreters

    for interpreter in find_interpreters(cache_dir()):
        if str(interpreter.version) == package.version and interpreter.abi == package.abi:
            return interpreter.path
    return None


class Store(StoreData):
    """A store with what can be done with it; see :class:`conjoin.store.store.Store` for its parts."""

    local: Store

    def get(self, reference: str) -> Lock:
        """Fetch an environment's definition into the local store and return it; no packages.

        The local store learns its alias as well, unless it has a tag of that name that is written once and
        means another environment.

        :param reference: ``req_id:full_id``, an alias (``team/torch:v1``), or the path of a lock file.
        :raises NotFound: where nothing of that name exists.
        """
        from conjoin.store.transfer.get import get

        return get(self, reference).lock

    def push(
        self,
        lock: Lock,
        platforms: Sequence[str] | None = None,
        alias: str | None = None,
        *,
        credentials: Sequence[Credential] = (),
        sent: Callable[[int], None] = lambda _bytes: None,
        check: bool = False,
        signer: Signer | None = None,
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
        :param signer: signs what the alias means, as :func:`conjoin.trust.ssh_keygen.signer` of a key.
        :raises Conflict: where the alias means something else; nothing was sent.
        :raises IntegrityError: where a package's bytes, here or at its origin, are not the locked ones.
        :raises NotFound: where a package was built elsewhere and is not here, or a platform is not locked.
        :raises Unreachable: where the store or an origin does not answer.
        """
        from conjoin.store.transfer.push import push

        return push(
            self,
            lock,
            platforms or (),
            alias,
            credentials=credentials,
            sent=sent,
            check=check,
            signer=signer,
        )

    def alias(
        self,
        lock: Lock,
        name: str,
        *,
        credentials: Sequence[Credential] = (),
        signer: Signer | None = None,
    ) -> Alias:
        """Give a lock a name (``team/torch:v1``), keeping the lock as well.

        Into an object store it is pushed: what a name there means is complete.

        :param credentials: for the origins of packages that have to be pushed.
        :param signer: as of :meth:`push`.
        :raises UsageError: where ``name`` is no alias.
        :raises Conflict: where its tag is written once and means another lock.
        """
        from conjoin.store.transfer.alias import alias_lock

        return alias_lock(self, lock, name, credentials=credentials, signer=signer)

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
