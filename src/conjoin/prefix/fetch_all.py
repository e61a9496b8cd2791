"""Everything a prefix needs, fetched, verified and extracted, before any of it is linked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock as ThreadLock
from typing import TypeVar

from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.conda_cache import CondaCache, CondaEntry
from conjoin.prefix.link.wheel_listing import WheelEntry, WheelListings
from conjoin.prefix.progress import Progress
from conjoin.store.packages import Packages
from conjoin.store.transfer.fetch import Fetcher

__all__ = ["Prepared", "prepare"]

# Downloads wait, extractions compute; more of the latter than CPUs would only cost memory.
_AT_ONCE = 8

_T = TypeVar("_T")


@dataclass
class Prepared:
    """What can be linked: all of it verified against the lock.

    :ivar conda: extracted packages.
    :ivar wheels: wheels and what they hold.
    :ivar archives: where the wheels lie.
    """

    conda: dict[LockedPackage, CondaEntry] = field(default_factory=dict)
    wheels: dict[LockedPackage, WheelEntry] = field(default_factory=dict)
    archives: dict[LockedPackage, Path] = field(default_factory=dict)


async def prepare(
    packages: tuple[LockedPackage, ...],
    *,
    store: Packages,
    cache: CondaCache,
    listings: WheelListings,
    progress: Progress,
    make_fetcher: Callable[[Callable[[int], None]], Fetcher],
) -> Prepared:
    """Return all ``packages`` ready to be linked.

    :param make_fetcher: given what to call with the bytes received, makes the fetcher.
    :raises IntegrityError: where a package's bytes, here or at its origin, are not the locked ones.
    :raises Unreachable: where a package is not here and cannot be fetched.
    """
    prepared = Prepared()
    missing: list[LockedPackage] = []
    for package in packages:
        if package.kind == "conda":
            if (entry := cache.find(package)) is not None:
                prepared.conda[package] = entry
            else:
                missing.append(package)
        elif package.kind == "pypi":
            path = store.path(package.sha256, package.file)
            prepared.archives[package] = path
            if (listing := listings.find(package, path)) is not None:
                prepared.wheels[package] = listing
            else:
                missing.append(package)
    if missing:
        await _prepare_missing(
            missing,
            prepared,
            store=store,
            cache=cache,
            listings=listings,
            reporter=_Reporter(progress, store, missing),
            make_fetcher=make_fetcher,
        )
    # In the lock's order, whatever order they became ready in: what is linked must not depend on it.
    prepared.conda = {each: prepared.conda[each] for each in packages if each in prepared.conda}
    prepared.wheels = {each: prepared.wheels[each] for each in packages if each in prepared.wheels}
    return prepared


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


async def _prepare_missing(
    missing: list[LockedPackage],
    prepared: Prepared,
    *,
    store: Packages,
    cache: CondaCache,
    listings: WheelListings,
    reporter: _Reporter,
    make_fetcher: Callable[[Callable[[int], None]], Fetcher],
) -> None:
    loop = asyncio.get_running_loop()
    fetcher = make_fetcher(reporter.received)
    # A task occupies one thread at a time, so with as many tasks as threads no task waits for a thread while
    # it holds a package's lock: processes that extract the same packages cannot wait for each other forever.
    turns = asyncio.Semaphore(_AT_ONCE)
    extractions = asyncio.Semaphore(os.cpu_count() or 1)
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="conjoin-prepare")

    async def one(package: LockedPackage) -> None:
        async with turns:
            path = store.path(package.sha256, package.file)
            fetched = not await loop.run_in_executor(pool, path.is_file)
            if fetched:
                path = await loop.run_in_executor(pool, fetcher.fetch, package)
            if package.kind == "conda":
                async with extractions:
                    prepared.conda[package] = await cache.fill(package, path, verified=fetched, pool=pool)
            else:
                prepared.wheels[package] = await loop.run_in_executor(
                    pool, lambda: listings.add(package, path, verified=fetched)
                )
            reporter.finished()

    # The big ones first: the last to finish should not be one of them.
    tasks = [asyncio.ensure_future(one(each)) for each in sorted(missing, key=lambda each: -each.size)]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        fetcher.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    finally:
        pool.shutdown(wait=True)
        fetcher.close()
