"""Resolving, from the request to the lock in the store: decided once, then reused."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import NotFound, Unreachable
from conjoin.resolving.extending import Base
from conjoin.resolving.find_before import resolved_before
from conjoin.resolving.updating import former_of, refuse_update
from conjoin.spec.platform import host_platform, platform_name
from conjoin.spec.requirements import Requirements
from conjoin.version import __version__

if TYPE_CHECKING:
    from conjoin.lock.changes import Change
    from conjoin.lock.model import Lock
    from conjoin.solve.preferences.pins import Pins
    from conjoin.solve.preferences.update import Previous
    from conjoin.solve.solution import PlatformSolution
    from conjoin.store.lookup.latest import Taken
    from conjoin.store.store import Store

__all__ = ["Resolution", "resolve_request"]


class Resolution(msgspec.Struct, frozen=True):
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
        from conjoin.lock.extend import extended

        requirements = extended(requirements, using)
    base = Base(using, using_name or f"{using.req_id}:{using.full_id}") if using is not None else None
    if store is None:
        from conjoin.store.store import Store

        store = Store()
    taken = None if force else resolved_before(requirements, store, use_latest, changed=update is not None)
    known = taken.lock if taken else None
    if update is not None:
        refuse_update(update, known, base)
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
    if requirements.same_versions and known is not None:
        missing = sorted({*missing, *known.platforms})  # they have to agree with those that come
    pins = {platform: base.pins(platform, store) for platform in missing} if base else {}
    former = former_of(update, known, missing, pins) if update and known else {}
    solutions = _solve(requirements, missing, offline, progress, pins, former, store)
    from conjoin.resolving.to_lock import locked_platform, make_lock_of
    from conjoin.store.builds import note_builds

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
    moved: tuple[Change, ...] = ()
    if known is not None:
        from conjoin.lock.changes import changes

        moved = changes(known.platforms, lock.platforms)
    return Resolution(lock, True, time.monotonic() - started, rounds, tuple(warnings), taken, moved)


def _of_this_machine(lock: Lock) -> tuple[str, ...]:
    """Say of each editable package that others cannot have it."""
    names = {
        package.name for part in lock.platforms.values() for package in part.packages if package.editable
    }
    return tuple(
        f"{name} is editable: this environment works on this machine alone, and cannot be pushed"
        for name in sorted(names)
    )


def _targets(
    requirements: Requirements, platforms: Sequence[str], base: Base | None, updated: Lock | None
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
    former: Mapping[str, Previous],
    store: Store,
) -> dict[str, PlatformSolution]:
    from conjoin.config.places import cache_dir
    from conjoin.solve.options import SolveOptions, silent
    from conjoin.solve.request import solve_request
    from conjoin.store.builds import Builds

    try:
        options = SolveOptions(
            cache_dir=cache_dir(), offline=offline, progress=progress or silent, kept_builds=Builds(store)
        )
        return solve_request(requirements, platforms, options, pins=pins, former=former)
    except Unreachable as error:
        if offline and error.advice is None:
            raise Unreachable(error.what, where=error.where, advice="drop --offline") from error
        raise


def _keep_built(solution: PlatformSolution, store: Store) -> None:
    """Keep wheels that were built here: no origin has them, so they wait for the disk."""
    kept = []
    for wheel in solution.wheels:
        if wheel.source is not None and wheel.source.path is not None:
            kept.append((wheel.sha256, wheel.wheel.filename))
            with wheel.source.path.open("rb") as stream:
                store.packages.put(*kept[-1], iter(lambda: stream.read(1 << 20), b""))
    if kept:
        store.packages.settle(kept)


def _versions() -> dict[str, str]:
    """Return what the pointer to a lock tells about how it was made."""
    from conjoin.solve.search.resolvo import solver_versions

    return {"conjoin": __version__, **solver_versions()}
