"""The public functions: what a script needs, in a call each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.prefix.hydrate import HydrateOptions
from conjoin.prefix.hydrate import hydrate as _hydrate

if TYPE_CHECKING:
    from conjoin.lock.model import Lock, LockedPackage
    from conjoin.prefix.progress import Progress
    from conjoin.spec.requirements import Credential, Requirements
    from conjoin.store.store import Store

__all__ = ["find_python", "hydrate", "resolve"]


def resolve(
    requirements: Requirements,
    platforms: Sequence[str] = (),
    *,
    using: Lock | str | None = None,
    use_latest: str | None = None,
    update: Sequence[str] | None = None,
    store: Store | None = None,
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
        from conjoin.store.store import Store

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
    store: Store | None = None,
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
    return _hydrate(
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
