"""Making a prefix that is not there: everything is fetched and verified before anything is linked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.config.places import cache_dir
from conjoin.errors import ConjoinError, Unreachable, UsageError
from conjoin.lock.model import Lock, LockedPackage
from conjoin.prefix.fetch_all import Prepared, prepare
from conjoin.prefix.host import check_folders, check_host
from conjoin.prefix.link import conda_meta, rattler_bridge
from conjoin.prefix.link.conda_cache import CondaCache
from conjoin.prefix.link.overlap import linking_order
from conjoin.prefix.link.packaged_path import PythonLayout, python_layout
from conjoin.prefix.link.uv_interpreter_cache import StandIn
from conjoin.prefix.link.venv import FindPython, host_interpreter, make_venv, tidy_venv
from conjoin.prefix.link.wheel_cache import UnpackedWheels
from conjoin.prefix.link.wheel_listing import WheelListings
from conjoin.prefix.link.wheels import WheelLinker
from conjoin.prefix.prefix import Marker, Prefix
from conjoin.prefix.progress import Progress, Silent
from conjoin.prefix.registry import Registry
from conjoin.spec.requirements import Credential
from conjoin.store.announcements import announce
from conjoin.store.backend.filelock import locked
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.gc_lock import FolderGcLock
from conjoin.store.packages import Packages
from conjoin.store.store import Store
from conjoin.store.transfer.fetch import Fetcher
from conjoin.store.transfer.selection import places_of
from conjoin.store.usage import note_use_in_folder

if TYPE_CHECKING:
    from conjoin.prefix.hydrate import MakeFetcher

__all__ = ["make"]


def make(
    lock: Lock,
    target: Prefix,
    wanted: Marker,
    registry: Registry,
    *,
    store: Store | None,
    progress: Progress | None,
    offline: bool,
    credentials: Sequence[Credential],
    find_python: FindPython | None,
    make_fetcher: MakeFetcher | None,
) -> None:
    """Make a prefix, unless somebody else does meanwhile.

    Parameters and errors are those of :func:`~conjoin.prefix.hydrate.hydrate`.
    """
    target.refuse_foreign()
    platform = wanted.platform
    locked_platform = lock.platforms[platform]
    check_host(platform, locked_platform)
    check_folders(locked_platform)
    packages = locked_platform.packages
    interpreters = [host_interpreter(each, find_python) for each in packages if each.kind == "python"]
    kept = store or Store()
    packages_store = kept.packages
    making = _Making(
        platform=platform,
        packages=packages,
        layout=python_layout(platform, locked_platform),
        interpreter=interpreters[0] if interpreters else None,
        store=packages_store,
        progress=progress or Silent(),
        make_fetcher=make_fetcher
        or (
            lambda received: Fetcher(
                packages_store,
                shared=kept.shared,
                offline=offline,
                credentials=credentials,
                places=places_of(lock),
                received=received,
            )
        ),
    )
    try:
        with _kept_meanwhile(kept.local, lock), locked(target.lock_file) as descriptor:
            if not target.is_complete():  # nobody made it while we waited
                registry.add(target.path, wanted)
                making.run(target, descriptor)
    except OSError as error:
        raise Unreachable(
            f"the prefix or a cache cannot be written ({error.strerror or error})",
            where=str(error.filename or target.path),
            advice="check permissions and space, or set CONJOIN_ENVS and CONJOIN_CACHE",
        ) from error


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


@dataclass(frozen=True, kw_only=True)
class _Making:
    """The steps from a lock's packages to a prefix, and what they share."""

    platform: str
    packages: tuple[LockedPackage, ...]
    layout: PythonLayout | None
    interpreter: Path | None
    store: Packages
    progress: Progress
    make_fetcher: MakeFetcher

    def run(self, target: Prefix, lock_descriptor: int) -> None:
        target.refuse_foreign()
        target.clear_work()
        try:
            rattler_bridge.run(self._make(target, lock_descriptor))
        finally:
            self.progress.finish()
            target.clean_up()

    async def _make(self, target: Prefix, lock_descriptor: int) -> None:
        conda_cache = CondaCache(cache_dir() / "conda")
        prepared = await prepare(
            self.packages,
            store=self.store,
            cache=conda_cache,
            listings=WheelListings(cache_dir() / "wheel-listings"),
            progress=self.progress,
            make_fetcher=self.make_fetcher,
        )
        _check_placeholders(prepared, target.path)
        groups: list[list[LockedPackage]] = []
        if self.layout is not None:
            groups, warnings = linking_order(prepared.conda, prepared.wheels, self.layout)
            for warning in warnings:
                self.progress.warn(warning)
        target.claim()
        try:
            if prepared.conda:
                self.progress.phase("link")
                extracted = {package: conda_cache.folder(package) for package in prepared.conda}
                layer = target.work / "layer"
                await rattler_bridge.link(extracted, layer, target.path, self.platform)
            await asyncio.to_thread(self._finish, target, prepared, groups, lock_descriptor)
        except BaseException:
            target.give_up()
            raise
        target.complete()

    def _finish(
        self,
        target: Prefix,
        prepared: Prepared,
        groups: list[list[LockedPackage]],
        lock_descriptor: int,
    ) -> None:
        uv_cache = cache_dir() / "wheels"
        conda_meta.normalise(target.path, prepared.conda)
        if self.interpreter is not None:
            make_venv(target.path, self.interpreter, cache=uv_cache, lock_descriptor=lock_descriptor)
        if groups and self.layout is not None:
            self.progress.phase("wheels")
            stand_in = StandIn(
                target.path, root=cache_dir() / "answers", work=target.work, packages=prepared.conda
            )
            linker = WheelLinker(
                target.path,
                self.layout,
                prepared.archives,
                # uv made the virtual environment and knows its interpreter.
                python=stand_in.executable() if self.interpreter is None else stand_in.python,
                cache=uv_cache,
                unpacked=UnpackedWheels(cache_dir() / "wheel-listings", uv_cache),
                work=target.work,
                lock_descriptor=lock_descriptor,
            )
            try:
                linker.link(groups, prepared.wheels)
            except ConjoinError:
                stand_in.forget()
                raise
            stand_in.learn()
        if self.interpreter is not None:
            tidy_venv(target.path)


def _check_placeholders(prepared: Prepared, prefix: Path) -> None:
    # rattler would notice halfway through, and leave the first half behind.
    length = len(os.fsencode(prefix))
    for package, entry in prepared.conda.items():
        if 0 < entry.shortest_placeholder < length:
            raise UsageError(
                f"the conda package {package.name} leaves room for a prefix of {entry.shortest_placeholder} "
                f"bytes, this one has {length}",
                where=str(prefix),
                advice="choose a shorter one with --prefix, or set CONJOIN_ENVS",
            )
