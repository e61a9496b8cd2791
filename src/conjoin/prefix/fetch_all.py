"""Everything a prefix needs, fetched, verified and extracted, before any of it is linked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock as ThreadLock
from typing import TypeAlias

from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.conda import CondaCache, CondaEntry
from conjoin.prefix.link.wheel_listing import WheelEntry, WheelListings
from conjoin.prefix.options import MakeFetcher
from conjoin.prefix.progress import Progress
from conjoin.store.packages import Packages
from conjoin.store.transfer.fetch import Fetcher

__all__ = ["Fetched", "PackageSource", "fetch_all"]

# Downloads wait, extractions compute; more of the latter than CPUs would only cost memory.
_AT_ONCE = 8

_Entry: TypeAlias = CondaEntry | WheelEntry


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Where packages come from.

    :ivar store: the folder that holds them, verified.
    :ivar make_fetcher: makes what brings there what is missing.
    """

    store: Packages
    make_fetcher: MakeFetcher

    def path(self, package: LockedPackage) -> Path:
        """Return where a package lies, or will."""
        return self.store.path(package.sha256, package.file)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What can be linked, in the lock's order: all of it verified against the lock.

    :ivar conda: extracted packages.
    :ivar wheels: wheels and what they hold.
    :ivar archives: where the wheels lie.
    """

    conda: dict[LockedPackage, CondaEntry]
    wheels: dict[LockedPackage, WheelEntry]
    archives: dict[LockedPackage, Path]


async def fetch_all(
    packages: Sequence[LockedPackage],
    source: PackageSource,
    conda: CondaCache,
    listings: WheelListings,
    progress: Progress,
) -> Fetched:
    """Return all ``packages`` ready to be linked.

    :param conda: where conda packages are extracted to.
    :param listings: where it is remembered which wheels were verified, and what they hold.
    :raises IntegrityError: where a package's bytes, here or at its origin, are not the locked ones.
    :raises Unreachable: where a package is not here and cannot be fetched.
    """
    ready: dict[LockedPackage, _Entry] = {}
    missing: list[LockedPackage] = []
    for package in packages:
        if package.kind == "python":
            continue  # the host's
        entry: _Entry | None
        if package.kind == "conda":
            entry = conda.find(package)
        else:
            entry = listings.find(package, source.path(package))
        if entry is not None:
            ready[package] = entry
        else:
            missing.append(package)
    if missing:
        reporter = _Reporter(progress, source.store, missing)
        ready |= await _fetch_missing(missing, source, conda, listings, reporter)
    # In the lock's order, whatever order they became ready in: what is linked must not depend on it.
    entries = [(package, ready[package]) for package in packages if package in ready]
    return Fetched(
        conda={package: entry for package, entry in entries if isinstance(entry, CondaEntry)},
        wheels={package: entry for package, entry in entries if isinstance(entry, WheelEntry)},
        archives={package: source.path(package) for package in packages if package.kind == "pypi"},
    )


class _Reporter:
    """Passes progress on, one call at a time."""

    def __init__(self, progress: Progress, store: Packages, missing: list[LockedPackage]) -> None:
        self._progress = progress
        self._lock = ThreadLock()
        absent = [each for each in missing if not store.has(each.sha256, each.file)]
        progress.phase("fetch")
        progress.start(sum(each.size for each in absent), len(missing))

    def received(self, count: int) -> None:
        with self._lock:
            self._progress.advance(count, 0)

    def finished(self) -> None:
        with self._lock:
            self._progress.advance(0, 1)


async def _fetch_missing(
    missing: Sequence[LockedPackage],
    source: PackageSource,
    conda: CondaCache,
    listings: WheelListings,
    reporter: _Reporter,
) -> dict[LockedPackage, _Entry]:
    """Fetch, verify, and extract or list ``missing``, several at once; return what became of each."""
    loop = asyncio.get_running_loop()
    fetcher: Fetcher = source.make_fetcher(reporter.received)
    # A task occupies one thread at a time, so with as many tasks as threads no task waits for a thread while
    # it holds a package's lock: processes that extract the same packages cannot wait for each other forever.
    turns = asyncio.Semaphore(_AT_ONCE)
    extractions = asyncio.Semaphore(os.cpu_count() or 1)
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="conjoin-prepare")

    async def one(package: LockedPackage) -> tuple[LockedPackage, _Entry]:
        async with turns:
            path = source.path(package)
            fetched = not await loop.run_in_executor(pool, path.is_file)
            if fetched:
                path = await loop.run_in_executor(pool, fetcher.fetch, package)
            entry: _Entry
            if package.kind == "conda":
                async with extractions:
                    entry = await conda.fill(package, path, verified=fetched, pool=pool)
            else:
                entry = await loop.run_in_executor(
                    pool, lambda: listings.add(package, path, verified=fetched)
                )
            reporter.finished()
            return package, entry

    # The big ones first: the last to finish should not be one of them.
    tasks = [asyncio.ensure_future(one(each)) for each in sorted(missing, key=lambda each: -each.size)]
    try:
        return dict(await asyncio.gather(*tasks))
    except BaseException:
        fetcher.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    finally:
        pool.shutdown(wait=True)
        fetcher.close()
