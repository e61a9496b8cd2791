"""The main path: a lock becomes a prefix. What makes one is imported where it is not there yet."""

from __future__ import annotations

from pathlib import Path

from conjoin.lock.model import Lock
from conjoin.prefix.host import choose_platform
from conjoin.prefix.options import HydrateOptions
from conjoin.prefix.prefix import Marker, Prefix, prefix_path
from conjoin.prefix.registry import Registry
from conjoin.store.store import Store, local_folder
from conjoin.store.usage import note_use_in_folder

__all__ = ["HydrateOptions", "hydrate"]

_DEFAULTS = HydrateOptions()


def hydrate(
    lock: Lock,
    platform: str | None = None,
    options: HydrateOptions = _DEFAULTS,
    *,
    store: Store | None = None,
) -> Path:
    """Make the prefix of an environment, unless it is there, and return its path.

    The prefix is complete or does not exist: everything is fetched and verified before anything is linked,
    and a process that is killed leaves what the next one completes.

    :param platform: default: this host's.
    :param store: where packages are kept; default: the local one. What it lacks is fetched from its origin.
    :raises UsageError: where the environment cannot be made here, or the prefix holds something else.
    :raises NotFound: where the lock has no environment for the platform, or this host no such interpreter.
    :raises IntegrityError: where a package's bytes are not the locked ones; nothing is installed.
    :raises Unreachable: where a package is not here and cannot be fetched, or a folder cannot be written.
    :raises Conflict: where a conda package and a wheel claim the same file.
    """
    platform = choose_platform(lock, platform)
    marker = Marker.of(lock, platform)
    target = Prefix(prefix_path(lock, options.prefix, options.name, platform), marker)
    registry = Registry()
    registered = registry.use(target.path)
    if not target.is_complete():
        from conjoin.prefix.install import install

        install(lock, target, store=store or Store(), registry=registry, options=options)
        return target.path
    if options.prefix is not None or options.name is not None:
        target.adopt()
    if not registered:
        registry.add(target.path, marker)
    note_use_in_folder(store.root if store is not None else local_folder(), lock.req_id, lock.full_id)
    target.tidy()
    return target.path
