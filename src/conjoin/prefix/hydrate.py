"""The main path: a lock becomes a prefix. What makes one is imported where it is not there yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from conjoin.lock.model import Lock
from conjoin.prefix.host import choose_platform
from conjoin.prefix.prefix import Marker, Prefix, prefix_path
from conjoin.prefix.registry import Registry
from conjoin.store.store import Store, local_folder
from conjoin.store.usage import note_use_in_folder

if TYPE_CHECKING:
    from conjoin.prefix.link.venv import FindPython
    from conjoin.prefix.progress import Progress
    from conjoin.spec.requirements import Credential
    from conjoin.store.transfer.fetch import Fetcher

__all__ = ["MakeFetcher", "hydrate"]

MakeFetcher: TypeAlias = "Callable[[Callable[[int], None]], Fetcher]"
"""Given what to call with the bytes received, returns what brings packages into the store."""


def hydrate(
    lock: Lock,
    platform: str | None = None,
    *,
    store: Store | None = None,
    prefix: Path | None = None,
    name: str | None = None,
    progress: Progress | None = None,
    offline: bool = False,
    credentials: Sequence[Credential] = (),
    find_python: FindPython | None = None,
    make_fetcher: MakeFetcher | None = None,
) -> Path:
    """Make the prefix of an environment, unless it is there, and return its path.

    The prefix is complete or does not exist: everything is fetched and verified before anything is linked,
    and a process that is killed leaves what the next one completes.

    :param platform: default: this host's.
    :param store: where packages are kept; default: the local one. What it lacks is fetched from its origin.
    :param prefix: where to; default: ``<envs>/metaflow_<req_id>_<full_id>``.
    :param name: instead of ``prefix``: ``<envs>/named/<name>``, which changes with the environment.
    :param offline: fetch nothing.
    :param credentials: for the origins of packages.
    :param find_python: finds interpreters of this host, for locks that name one.
    :param make_fetcher: brings what is not in the store, in another way than from ``store`` and origins.
    :raises UsageError: where the environment cannot be made here, or the prefix holds something else.
    :raises NotFound: where the lock has no environment for the platform, or this host no such interpreter.
    :raises IntegrityError: where a package's bytes are not the locked ones; nothing is installed.
    :raises Unreachable: where a package is not here and cannot be fetched, or a folder cannot be written.
    :raises Conflict: where a conda package and a wheel claim the same file.
    """
    platform = choose_platform(lock, platform)
    wanted = Marker(req_id=lock.req_id, full_id=lock.full_id, platform=platform, complete=True)
    target = Prefix(prefix_path(lock, prefix, name), wanted)
    registry = Registry()
    registered = registry.use(target.path)
    if target.is_complete():
        if not registered:
            registry.add(target.path, wanted)
        note_use_in_folder(store.root if store is not None else local_folder(), lock.req_id, lock.full_id)
        target.tidy()
        return target.path
    from conjoin.prefix.install import make

    make(
        lock,
        target,
        wanted,
        registry,
        store=store,
        progress=progress,
        offline=offline,
        credentials=credentials,
        find_python=find_python,
        make_fetcher=make_fetcher,
    )
    return target.path
