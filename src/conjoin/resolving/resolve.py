"""Resolving, from the request to the lock in the store: decided once, then reused."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import NotFound, Unreachable
from conjoin.resolving.find_before import resolved_before
from conjoin.resolving.preferences import Base, previous_of, refuse_update
from conjoin.spec.credentials import take_credentials
from conjoin.spec.platform import host_platform, platform_name
from conjoin.spec.requirements import Credential, Requirements
from conjoin.version import __version__

if TYPE_CHECKING:
    from conjoin.lock.changes import Change
    from conjoin.lock.model import Lock
    from conjoin.solve.solution import PlatformSolution
    from conjoin.store.lookup.latest import Taken
    from conjoin.store.store import Store

__all__ = ["Resolution", "ResolveOptions", "resolve_request"]


class ResolveOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a request is resolved.

    :ivar using: an environment to extend: all of its packages, as they are, and what else is asked for.
    :ivar using_name: what the user calls it; default: its ids.
    :ivar use_latest: whose resolution to take where there is one: ``none`` (this host's alone), ``me``,
        ``any``, or names of users with commas between them; default: as configured.
    :ivar update: start from what was resolved before, and move these packages alone, as high as they go,
        with what must follow; all packages where it is empty; None for no update.
    :ivar force: solve again, although a lock exists.
    :ivar dry_run: keep nothing.
    :ivar offline: use caches alone.
    :ivar progress: told what is being done.
    """

    using: Lock | None = None
    using_name: str = ""
    use_latest: str | None = None
    update: Sequence[str] | None = None
    force: bool = False
    dry_run: bool = False
    offline: bool = False
    progress: Callable[[str], None] | None = None


class Resolution(msgspec.Struct, frozen=True):
    """A lock, and how it came to be.

    :ivar newly_resolved: whether anything had to be solved.
    :ivar seconds: what it took.
    :ivar rounds: of the joint solve, the most of any platform; 0 where nothing was solved.
    :ivar warnings: one sentence each.
    :ivar taken_from: whose resolution it is, and of when, where nothing was solved; of what was solved now,
        the one it keeps platforms of.
    :ivar changes: what moved, of the platforms that were resolved before.
    :ivar credentials: what indexes wrote into URLs of chosen files (signatures that end soon): secrets, which
        are not in the lock, and without which the files cannot be fetched.
    """

    lock: Lock
    newly_resolved: bool
    seconds: float
    rounds: int = 0
    warnings: tuple[str, ...] = ()
    taken_from: Taken | None = None
    changes: tuple[Change, ...] = ()
    credentials: tuple[Credential, ...] = ()


class _Start(msgspec.Struct, frozen=True):
    """What resolving starts from.

    :ivar requirements: what is asked for, with what the extended environment was asked for.
    :ivar base: the environment to extend.
    :ivar taken: what somebody resolved before for the same requirements.
    :ivar damaged: what cannot be read of that, one sentence each.
    """

    requirements: Requirements
    base: Base | None
    taken: Taken | None
    damaged: tuple[str, ...] = ()

    @property
    def lock(self) -> Lock | None:
        """What was resolved before."""
        return self.taken.lock if self.taken else None


_DEFAULTS = ResolveOptions()


def resolve_request(
    requirements: Requirements,
    platforms: Sequence[str] = (),
    options: ResolveOptions = _DEFAULTS,
    *,
    store: Store | None = None,
) -> Resolution:
    """Return the environment that satisfies the requirements, solving only what was not solved before.

    :param platforms: targets; default: those the requirements name, else those of the environment that is
        extended or updated, else this host's.
    :param store: where locks are kept; default: the local one.
    :raises NoSolution: where nothing satisfies them.
    :raises NotFound: where the environment to extend lacks a platform, or there is nothing to update.
    :raises Unreachable: where an index or a channel cannot be reached.
    :raises UsageError: for what is not supported.
    """
    started = time.monotonic()
    if store is None:
        from conjoin.store.store import Store

        store = Store()

    start = _find_before(requirements, options, store)
    targets = _targets(start, platforms, options)
    if not options.dry_run:
        _keep_found(start.taken, store)
    if start.lock is not None and not targets:
        warned = (*start.damaged, *_of_this_machine(start.lock))
        seconds = time.monotonic() - started
        return Resolution(start.lock, False, seconds, warnings=warned, taken_from=start.taken)
    solutions = _solve(start, targets, options, store)
    lock = _lock(start, solutions)
    if not options.dry_run:
        _keep(lock, solutions, store)

    warnings = dict.fromkeys(start.damaged)
    warnings |= dict.fromkeys(warning for solution in solutions.values() for warning in solution.warnings)
    return Resolution(
        lock,
        True,
        time.monotonic() - started,
        rounds=max(solution.statistics.rounds for solution in solutions.values()),
        warnings=tuple(warnings | dict.fromkeys(_of_this_machine(lock))),
        taken_from=start.taken,
        changes=_changes(start.lock, lock),
        credentials=_signed_urls(solutions),
    )


def _signed_urls(solutions: Mapping[str, PlatformSolution]) -> tuple[Credential, ...]:
    urls = dict.fromkeys(wheel.wheel.url for solution in solutions.values() for wheel in solution.wheels)
    return tuple(credential for url in urls if "=" in url for credential in take_credentials(url)[1])


def _find_before(requirements: Requirements, options: ResolveOptions, store: Store) -> _Start:
    """Return what there is: the environment to extend, and what was resolved before.

    :raises NotFound: where nothing was resolved before that could be updated.
    :raises UsageError: where a package cannot be updated.
    """
    base = None
    if options.using is not None:
        from conjoin.lock.extend import extended

        requirements = extended(requirements, options.using)
        ids = f"{options.using.req_id}:{options.using.full_id}"
        base = Base(options.using, options.using_name or ids)
    taken = None
    damaged: list[str] = []
    if not options.force:
        changed = options.update is not None
        taken = resolved_before(
            requirements,
            store,
            options.use_latest,
            changed=changed,
            damaged=lambda error: damaged.append(f"left out: {error}"),
        )
    if options.update is not None:
        refuse_update(options.update, taken.lock if taken else None, base)
    return _Start(requirements, base, taken, tuple(damaged))


def _targets(start: _Start, platforms: Sequence[str], options: ResolveOptions) -> list[str]:
    """Return the platforms to solve for; none where everything was resolved before.

    :raises NotFound: where the environment to extend lacks one.
    :raises UsageError: for what is no platform.
    """
    base, known, updates = start.base, start.lock, options.update is not None
    there = sorted(base.lock.platforms) if base else []
    before = sorted(known.platforms) if known and updates else there
    chosen = platforms or start.requirements.platforms or before or [host_platform()]
    wanted = sorted({platform_name(platform) for platform in chosen})
    absent = [platform for platform in wanted if platform not in there] if base else []
    if base and absent:
        raise NotFound(
            f"{base.name} has no environment for {absent[0]}, only for {', '.join(there)}",
            advice=f"resolve it for {absent[0]} too, then extend it",
        )
    if known is None:
        return wanted
    missing = wanted if updates else [platform for platform in wanted if platform not in known.platforms]
    if missing and start.requirements.same_versions:
        return sorted({*missing, *known.platforms})  # they have to agree with those that come
    return missing


def _solve(
    start: _Start, platforms: Sequence[str], options: ResolveOptions, store: Store
) -> dict[str, PlatformSolution]:
    """Solve for each platform, near what is extended or updated.

    :raises NoSolution: where nothing satisfies the requirements.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    from conjoin.config.places import cache_dir
    from conjoin.solve.options import SolveOptions, silent
    from conjoin.solve.request import solve_request
    from conjoin.store.builds import Builds

    pins = {platform: start.base.pins(platform, store) for platform in platforms} if start.base else {}
    former = previous_of(options.update, start.lock, platforms, pins) if options.update and start.lock else {}
    try:
        solving = SolveOptions(
            cache_dir=cache_dir(),
            offline=options.offline,
            progress=options.progress or silent,
            kept_builds=Builds(store),
        )
        return solve_request(start.requirements, platforms, solving, pins=pins, former=former)
    except Unreachable as error:
        if options.offline and error.advice is None:
            raise Unreachable(error.what, where=error.where, advice="drop --offline") from error
        raise


def _lock(start: _Start, solutions: Mapping[str, PlatformSolution]) -> Lock:
    """Return the lock of what was solved, with the platforms that were resolved before."""
    from conjoin.resolving.to_lock import locked_platform, make_lock_of

    given = start.base.lock.platforms if start.base else {}
    solved = {
        platform: locked_platform(solution, given.get(platform)) for platform, solution in solutions.items()
    }
    if start.base is not None:
        start.base.check_kept(solved)
    return make_lock_of(start.requirements, {**(start.lock.platforms if start.lock else {}), **solved})


def _keep(lock: Lock, solutions: Mapping[str, PlatformSolution], store: Store) -> None:
    """Put the lock and the wheels that were built for it into the store.

    Bytes before the lock that names them: nobody else has a wheel that was built here. Announced, so that
    whoever collects garbage meanwhile leaves them alone.
    """
    from conjoin.solve.search.resolvo import solver_versions
    from conjoin.store.builds import note_builds

    with store.local.announce(lock):
        for solution in solutions.values():
            _keep_built(solution, store)
        solved = [lock.platforms[platform] for platform in solutions]
        note_builds(store.local.backend, (each for part in solved for each in part.packages))
        store.save(lock, versions={"conjoin": __version__, **solver_versions()})


def _keep_found(taken: Taken | None, store: Store) -> None:
    """Keep a lock that a shared store had on this host: the next time nobody needs to be asked for it."""
    if taken is not None and store.shared is not None and taken.place == store.place:
        store.local.locks.put(taken.lock)


def _keep_built(solution: PlatformSolution, store: Store) -> None:
    """Keep wheels that were built here: no origin has them, so they wait for the disk."""
    kept = []
    for wheel in solution.wheels:
        if wheel.source is not None and wheel.source.path is not None:
            kept.append((wheel.sha256, wheel.wheel.filename))
            with wheel.source.path.open("rb") as stream:
                store.packages.put(*kept[-1], iter(lambda: stream.read(1 << 20), b""))
    if kept:
        store.packages.fsync(kept)


def _changes(known: Lock | None, lock: Lock) -> tuple[Change, ...]:
    """Return what moved, of the platforms that were resolved before."""
    if known is None:
        return ()
    from conjoin.lock.changes import changes

    return changes(known.platforms, lock.platforms)


def _of_this_machine(lock: Lock) -> tuple[str, ...]:
    """Say of each editable package that others cannot have it."""
    names = {
        package.name for part in lock.platforms.values() for package in part.packages if package.editable
    }
    return tuple(
        f"{name} is editable: this environment works on this machine alone, and cannot be pushed"
        for name in sorted(names)
    )
