"""What a solve keeps to: an environment that it extends, and what was locked before an update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import NotFound, Unreachable, UsageError

if TYPE_CHECKING:
    from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
    from conjoin.solve.preferences.pins import Pins
    from conjoin.solve.preferences.update import Previous
    from conjoin.solve.solution import ChosenWheel
    from conjoin.store.store import Store

__all__ = ["Base", "previous_of", "refuse_update"]


class Base(msgspec.Struct, frozen=True):
    """The environment that is being extended, and what the user calls it."""

    lock: Lock
    name: str

    def pins(self, platform: str, store: Store) -> Pins:
        """Return its packages of one platform, as the solver takes them."""
        from conjoin.resolving.from_lock import solution_of
        from conjoin.solve.preferences.pins import Pins

        locked = self.lock.platforms[platform]
        packages = {package.sha256: package for package in locked.packages}

        def keeper(wheel: ChosenWheel, fetch: bool) -> Path | None:
            return _copy_of(packages[wheel.sha256], store, fetch=fetch)

        return Pins(solution_of(platform, locked), self.name, keeper)

    def check_kept(self, made: Mapping[str, LockedPlatform]) -> None:
        """Hold the promise that every pin is kept, whatever the solver did."""
        from conjoin.lock.extend import missing_pins

        for platform, locked in made.items():
            lost = missing_pins(self.lock.platforms[platform], locked)
            assert not lost, f"{platform}: {', '.join(lost)} of {self.name} did not stay"


def refuse_update(names: Sequence[str], known: Lock | None, base: Base | None) -> None:
    """Refuse an update of nothing, of what is unknown, and of what is pinned.

    :raises NotFound: where nothing was resolved before.
    :raises UsageError: for a name that is not locked, or is pinned.
    """
    from conjoin.lock.changes import refuse_unknown

    if known is None:
        raise NotFound(
            "nothing was resolved for this request yet, so nothing can be updated",
            advice="resolve it first; a request that was changed is another one",
        )
    refuse_unknown(names, known)
    given = {
        name
        for locked in (base.lock.platforms.values() if base else ())
        for package in locked.packages
        for name in (package.name, *package.provides)
    }
    pinned = next((name for name in names if name in given), None)
    if base and pinned:
        raise UsageError(
            f"{pinned} is pinned by {base.name}, which this environment extends",
            advice=f"update it there, then extend {base.name} again",
        )


def previous_of(
    names: Sequence[str], known: Lock, platforms: Sequence[str], pins: Mapping[str, Pins]
) -> dict[str, Previous]:
    """Return what was locked before, for each platform that was, as the solver takes it."""
    from conjoin.resolving.from_lock import solution_of
    from conjoin.solve.preferences.update import Previous

    return {
        platform: Previous.of(solution_of(platform, known.platforms[platform]), names, pins.get(platform))
        for platform in platforms
        if platform in known.platforms
    }


def _copy_of(package: LockedPackage, store: Store, *, fetch: bool) -> Path | None:
    """Return where a package lies on this host, None if nowhere; ``fetch`` gets it from an object store."""
    for packages in (store.packages, store.near().packages):
        if packages.has(package.sha256, package.file, package.size):
            return packages.path(package.sha256, package.file)
    if not fetch or store.shared is None:
        return None
    from conjoin.store.transfer.fetch import Fetcher

    fetcher = Fetcher(store.packages, shared=store.shared)
    try:
        return fetcher.fetch(package)
    except (NotFound, Unreachable):
        return None
    finally:
        fetcher.close()
