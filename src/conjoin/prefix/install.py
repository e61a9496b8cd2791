"""Making a prefix that is not there: everything is fetched and verified before anything is linked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from conjoin.config.places import cache_dir
from conjoin.errors import ConjoinError, Unreachable
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.prefix.fetch_all import Fetched, PackageSource, fetch_all
from conjoin.prefix.host import check_folders, check_host, host_interpreter
from conjoin.prefix.link import rattler_bridge
from conjoin.prefix.link.conda import (
    CondaCache,
    check_placeholders,
    link_conda,
    link_script_warnings,
    refuse_untrue,
)
from conjoin.prefix.link.linking_plan import clobber_warnings, linking_plan
from conjoin.prefix.link.packaged_path import PythonLayout, python_layout
from conjoin.prefix.link.uv import Uv, make_venv, tidy_venv
from conjoin.prefix.link.uv_interpreter_cache import InterpreterCache
from conjoin.prefix.link.wheel_cache import WheelCache
from conjoin.prefix.link.wheel_listing import WheelListings
from conjoin.prefix.link.wheels import WheelLinker
from conjoin.prefix.options import FindPython, HydrateOptions
from conjoin.prefix.prefix import Prefix
from conjoin.prefix.progress import Progress, Silent
from conjoin.prefix.registry import Registry
from conjoin.store.announcements import announce
from conjoin.store.backend.filelock import locked
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.gc_lock import FolderGcLock
from conjoin.store.store import Store
from conjoin.store.transfer.fetch import Fetcher
from conjoin.store.transfer.selection import places_of
from conjoin.store.usage import note_use_in_folder

__all__ = ["install"]


def install(lock: Lock, target: Prefix, *, store: Store, registry: Registry, options: HydrateOptions) -> None:
    """Install a lock's packages into ``target``, unless somebody else does meanwhile.

    :param store: where packages are kept.
    :param registry: where the prefix is registered before it is there.
    :raises ConjoinError: as :func:`~conjoin.prefix.hydrate.hydrate` does.
    """
    target.refuse_foreign()
    platform = target.marker.platform
    contents = _contents(platform, lock.platforms[platform], options.find_python)
    source = _source(lock, store, options)
    progress = options.progress or Silent()
    try:
        with _kept_meanwhile(store.local, lock), locked(target.lock_file) as lock_descriptor:
            if target.is_complete():  # somebody made it while we waited
                return
            registry.add(target.path, target.marker)
            target.refuse_foreign()
            uv = Uv(target.path, cache_dir() / "wheels", lock_descriptor)
            with target.work_folder():
                try:
                    rattler_bridge.run(_install(contents, target, source, uv, progress))
                finally:
                    progress.finish()
    except OSError as error:
        raise Unreachable(
            f"the prefix or a cache cannot be written ({error.strerror or error})",
            where=str(error.filename or target.path),
            advice="check permissions and space, or set CONJOIN_ENVS and CONJOIN_CACHE",
        ) from error


async def _install(
    contents: _Contents, target: Prefix, source: PackageSource, uv: Uv, progress: Progress
) -> None:
    """Fetch all, link conda packages, then wheels; whatever fails, the prefix is complete or not there."""
    conda_cache = CondaCache(cache_dir() / "conda")
    listings = WheelListings(cache_dir() / "wheel-listings")
    fetched = await fetch_all(contents.packages, source, conda_cache, listings, progress)
    refuse_untrue(fetched.conda)
    check_placeholders(fetched.conda, target.path)
    plan = linking_plan(
        fetched.conda,
        fetched.wheels,
        contents.layout,
        platform=contents.platform,
        venv=contents.interpreter is not None,
    )
    for warning in (*plan.warnings, *link_script_warnings(fetched.conda)):
        progress.warn(warning)
    with target.replaced():
        if fetched.conda:
            progress.phase("link")
            layer = target.work / "layer"
            await link_conda(fetched.conda, conda_cache, target.path, layer=layer, platform=contents.platform)
            for warning in clobber_warnings(plan.clobbered, target.path):
                progress.warn(warning)
        if contents.interpreter is not None:
            await asyncio.to_thread(make_venv, uv, contents.interpreter)
        if plan.groups:
            progress.phase("wheels")
            await asyncio.to_thread(_link_wheels, plan.groups, fetched, contents, target, uv)
        if contents.interpreter is not None:
            tidy_venv(target.path)


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a prefix is to hold.

    :ivar layout: where its Python keeps things; None where it has none.
    :ivar interpreter: of this host, where the lock names one instead of packages.
    """

    platform: str
    packages: tuple[LockedPackage, ...]
    layout: PythonLayout | None
    interpreter: Path | None


def _contents(platform: str, locked_platform: LockedPlatform, find_python: FindPython | None) -> _Contents:
    """Return what a prefix is to hold, after a look at whether this host can run it.

    :raises UsageError: where this host cannot run a package, or there are wheels but no Python.
    :raises NotFound: where this host lacks an interpreter, or the folder of an editable package.
    """
    check_host(platform, locked_platform)
    check_folders(locked_platform)
    packages = locked_platform.packages
    interpreters = [host_interpreter(each, find_python) for each in packages if each.kind == "python"]
    return _Contents(
        platform,
        packages,
        python_layout(platform, locked_platform),
        interpreters[0] if interpreters else None,
    )


def _source(lock: Lock, store: Store, options: HydrateOptions) -> PackageSource:
    """Return where packages come from: the folder of the store, filled by the fetcher that was asked for."""

    def make_fetcher(received: Callable[[int], None]) -> Fetcher:
        return Fetcher(
            store.packages,
            shared=store.shared,
            offline=options.offline,
            credentials=options.credentials,
            places=places_of(lock),
            received=received,
        )

    return PackageSource(store.packages, options.make_fetcher or make_fetcher)


@contextmanager
def _kept_meanwhile(store: Store, lock: Lock) -> Iterator[None]:
    """Keep what we are about to link from being collected as garbage; and keep the lock, too."""
    caches = cache_dir()
    with (
        announce(store.backend, store.gc_lock, lock, may_fail=True),
        announce(FolderBackend(caches), FolderGcLock(caches), lock, may_fail=True),
    ):
        with suppress(ConjoinError):  # a store that we may only read
            if not store.locks.has(lock.req_id, lock.full_id):
                store.locks.put(lock)
        note_use_in_folder(store.root, lock.req_id, lock.full_id)
        yield


def _link_wheels(
    groups: Sequence[Sequence[LockedPackage]], fetched: Fetched, contents: _Contents, target: Prefix, uv: Uv
) -> None:
    """Link wheels by uv, which is told what it asks of the prefix's interpreter where that is known.

    :raises ConjoinError: where uv fails.
    """
    assert contents.layout is not None, "wheels need a Python"
    answers = InterpreterCache(
        target.path, root=cache_dir() / "answers", work=target.work, packages=fetched.conda
    )
    linker = WheelLinker(
        uv,
        contents.layout,
        fetched.archives,
        # uv made the virtual environment and knows its interpreter.
        python=answers.executable() if contents.interpreter is None else answers.python,
        cache=WheelCache(cache_dir() / "wheel-listings", uv.cache),
        work=target.work,
    )
    try:
        linker.link(groups, fetched.wheels)
    except ConjoinError:
        answers.forget()
        raise
    answers.learn()
