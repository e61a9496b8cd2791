"""Resolving, from the request to the lock in the store: decided once, then reused."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import NotFound, Unreachable, UsageError
from holdfast.spec.canonical import req_id
from holdfast.spec.platform import host_platform, platform_name
from holdfast.spec.requirements import Requirements

if TYPE_CHECKING:
    from holdfast.lock.changes import Change
    from holdfast.lock.model import Lock, LockedPackage, LockedPlatform
    from holdfast.solve.movement import Former
    from holdfast.solve.pins import Pins
    from holdfast.solve.solution import ChosenWheel, PlatformSolution
    from holdfast.store.latest import Taken
    from holdfast.store.store import Store

__all__ = ["Resolution", "resolve_request", "resolved_before"]

_VERSIONS_OF = ("holdfast", "py-rattler", "packaging")
"""What the pointer to a lock tells about how it was made."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A lock, and how it came to be.

    :ivar newly_resolved: whether anything had to be solved.
    :ivar seconds: what it took.
    :ivar rounds: of the joint solve, the most of any platform; 0 where nothing was solved.
    :ivar warnings: one sentence each.
    :ivar taken_from: whose resolution it is, and of when, where nothing was solved; of what was solved now,
        the one it keeps platforms of.
    :ivar changes: what moved, of the platforms that were resolved before.
    """

    lock: Lock
    newly_resolved: bool
    seconds: float
    rounds: int = 0
    warnings: tuple[str, ...] = ()
    taken_from: Taken | None = None
    changes: tuple[Change, ...] = ()


def resolve_request(
    requirements: Requirements,
    platforms: Sequence[str] = (),
    *,
    using: Lock | None = None,
    using_name: str = "",
    use_latest: str | None = None,
    update: Sequence[str] | None = None,
    store: Store | None = None,
    force: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Resolution:
    """Return the environment that satisfies the requirements, solving only what was not solved before.

    :param platforms: targets; default: those the requirements name, else those of ``using``, else this
        host's.
    :param using: an environment to extend: all of its packages, as they are, and what else is asked for.
    :param using_name: what the user calls it.
    :param use_latest: whose resolution to take where there is one: ``none`` (this host's alone), ``me``,
        ``any``, or names of users with commas between them; default: as configured.
    :param update: start from what was resolved before, and move these packages alone, as high as they go,
        with what must follow; all packages where it is empty; None for no update.
    :param store: where locks are kept; default: the local one.
    :param force: solve again, although a lock exists.
    :param dry_run: keep nothing.
    :param offline: use caches alone.
    :param progress: told what is being done.
    :raises NoSolution: where nothing satisfies them.
    :raises NotFound: where ``using`` lacks a platform.
    :raises Unreachable: where an index or a channel cannot be reached.
    :raises UsageError: for what is not supported.
    """
    started = time.monotonic()
    if using is not None:
        from holdfast.lock.extend import extended

        requirements = extended(requirements, using)
    base = _Base(using, using_name or f"{using.req_id}:{using.full_id}") if using is not None else None
    if store is None:
        from holdfast.store.store import Store

        store = Store()
    taken = None if force else resolved_before(requirements, store, use_latest, changed=update is not None)
    known = taken.lock if taken else None
    if update is not None:
        _refuse_update(update, known, base)
    wanted = _targets(requirements, platforms, base, known if update is not None else None)
    if taken is not None and not dry_run and store.shared is not None and taken.place == store.place:
        store.local.locks.put(taken.lock)  # the next time nobody needs to be asked for it
    if update is None and known is not None and set(wanted) <= set(known.platforms):
        warned = _of_this_machine(known)
        return Resolution(known, False, time.monotonic() - started, warnings=warned, taken_from=taken)
    missing = [
        platform
        for platform in wanted
        if update is not None or known is None or platform not in known.platforms
    ]
    pins = {platform: base.pins(platform, store) for platform in missing} if base else {}
    former = _former(update, known, missing, pins) if update and known else {}
    solutions = _solve(requirements, missing, offline, progress, pins, former, store)
    from holdfast.lock.changes import changes
    from holdfast.lock.from_solution import locked_platform, make_lock_of
    from holdfast.store.builds import note_builds

    given = base.lock.platforms if base else {}
    solved = {
        platform: locked_platform(solution, given.get(platform)) for platform, solution in solutions.items()
    }
    if base is not None:
        base.check_kept(solved)
    lock = make_lock_of(requirements, {**(known.platforms if known else {}), **solved})
    if not dry_run:
        # Bytes before the lock that names them: nobody else has a wheel that was built here. Announced, so
        # that whoever collects garbage meanwhile leaves them alone.
        with store.local.announced(lock):
            for solution in solutions.values():
                _keep_built(solution, store)
            note_builds(store.local.backend, (each for part in solved.values() for each in part.packages))
            store.save(lock, versions=_versions())
    warnings = dict.fromkeys(warning for solution in solutions.values() for warning in solution.warnings)
    warnings |= dict.fromkeys(_of_this_machine(lock))
    rounds = max(solution.statistics.rounds for solution in solutions.values())
    moved = changes(known.platforms if known else {}, lock.platforms)
    return Resolution(lock, True, time.monotonic() - started, rounds, tuple(warnings), taken, moved)


def _refuse_update(names: Sequence[str], known: Lock | None, base: _Base | None) -> None:
    """Refuse an update of nothing, of what is unknown, and of what is pinned.

    :raises NotFound: where nothing was resolved before.
    :raises UsageError: for a name that is not locked, or is pinned.
    """
    from holdfast.lock.changes import refuse_unknown

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


def _former(
    names: Sequence[str], known: Lock, platforms: Sequence[str], pins: Mapping[str, Pins]
) -> dict[str, Former]:
    from holdfast.lock.to_solution import solution_of
    from holdfast.solve.movement import Former

    return {
        platform: Former.of(solution_of(platform, known.platforms[platform]), names, pins.get(platform))
        for platform in platforms
        if platform in known.platforms
    }


def resolved_before(
    requirements: Requirements, store: Store, use_latest: str | None = None, *, changed: bool = False
) -> Taken | None:
    """Return what somebody who counts resolved before for these requirements, None if nobody did.

    :param use_latest: as :func:`resolve_request` takes it.
    :param changed: whether it counts although a local folder or file holds something else by now.
    """
    from holdfast.store.latest import DEFAULT, find_latest, parse_whose

    if use_latest is None:
        from holdfast.config.load import load_settings

        use_latest = load_settings().text("use-remote-latest") or DEFAULT
    found = find_latest(store, req_id(requirements), parse_whose(use_latest))
    if found is not None and not changed and any(each.url.startswith("file:") for each in requirements.pypi):
        from holdfast.solve.direct import changed_since

        if changed_since(requirements.pypi, _direct_hashes(found.lock)):
            return None
    return found


def _of_this_machine(lock: Lock) -> tuple[str, ...]:
    """Say of each editable package that others cannot have it."""
    names = {
        package.name for part in lock.platforms.values() for package in part.packages if package.editable
    }
    return tuple(
        f"{name} is editable: this environment works on this machine alone, and cannot be pushed"
        for name in sorted(names)
    )


def _direct_hashes(lock: Lock) -> dict[str, str]:
    """Return the hashes of what its packages are made of, by URL; of local folders and files, too."""
    return {
        package.source_url or package.url: package.source_sha256 or package.sha256
        for locked in lock.platforms.values()
        for package in locked.packages
        if package.kind == "pypi"
    }


@dataclass(frozen=True)
class _Base:
    """The environment that is being extended, and what the user calls it."""

    lock: Lock
    name: str

    def pins(self, platform: str, store: Store) -> Pins:
        """Return its packages of one platform, as the solver takes them."""
        from holdfast.lock.to_solution import solution_of
        from holdfast.solve.pins import Pins

        locked = self.lock.platforms[platform]
        packages = {package.sha256: package for package in locked.packages}

        def keeper(wheel: ChosenWheel, fetch: bool) -> Path | None:
            return _copy_of(packages[wheel.sha256], store, fetch=fetch)

        return Pins(solution_of(platform, locked), self.name, keeper)

    def check_kept(self, made: Mapping[str, LockedPlatform]) -> None:
        """Hold the promise that every pin is kept, whatever the solver did."""
        from holdfast.lock.extend import missing_pins

        for platform, locked in made.items():
            lost = missing_pins(self.lock.platforms[platform], locked)
            assert not lost, f"{platform}: {', '.join(lost)} of {self.name} did not stay"


def _copy_of(package: LockedPackage, store: Store, *, fetch: bool) -> Path | None:
    """Return where a package lies on this host, None if nowhere; ``fetch`` gets it from an object store."""
    for packages in (store.packages, store.near().packages):
        if packages.has(package.sha256, package.file, package.size):
            return packages.path(package.sha256, package.file)
    if not fetch or store.shared is None:
        return None
    from holdfast.store.fetch import Fetcher

    fetcher = Fetcher(store.packages, shared=store.shared)
    try:
        return fetcher.fetch(package)
    except (NotFound, Unreachable):
        return None
    finally:
        fetcher.close()


def _targets(
    requirements: Requirements, platforms: Sequence[str], base: _Base | None, updated: Lock | None
) -> list[str]:
    """Return the platforms to solve for.

    :param updated: the lock whose packages are to be moved, None for no update.
    :raises NotFound: where the base lacks one.
    """
    there = sorted(base.lock.platforms) if base else []
    before = sorted(updated.platforms) if updated else there
    chosen = platforms or requirements.platforms or before or [host_platform()]
    wanted = sorted({platform_name(platform) for platform in chosen})
    missing = [platform for platform in wanted if platform not in there] if base else []
    if base and missing:
        raise NotFound(
            f"{base.name} has no environment for {missing[0]}, only for {', '.join(there)}",
            advice=f"resolve it for {missing[0]} too, then extend it",
        )
    return wanted


def _solve(
    requirements: Requirements,
    platforms: Sequence[str],
    offline: bool,
    progress: Callable[[str], None] | None,
    pins: Mapping[str, Pins],
    former: Mapping[str, Former],
    store: Store,
) -> dict[str, PlatformSolution]:
    from holdfast.solve.request import solve_request
    from holdfast.store.builds import Builds
    from holdfast.store.paths import cache_dir

    try:
        return solve_request(
            requirements,
            platforms,
            cache_dir=cache_dir(),
            offline=offline,
            progress=progress,
            pins=pins,
            former=former,
            kept_builds=Builds(store),
        )
    except Unreachable as error:
        if offline and error.advice is None:
            raise Unreachable(error.what, where=error.where, advice="drop --offline") from error
        raise


def _keep_built(solution: PlatformSolution, store: Store) -> None:
    for wheel in solution.wheels:
        if wheel.source is not None and wheel.source.path is not None:
            with wheel.source.path.open("rb") as stream:
                store.packages.put(
                    wheel.sha256, wheel.wheel.filename, iter(lambda: stream.read(1 << 20), b"")
                )


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONS_OF:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # noqa: PERF203 - three at most
            continue
    return found
