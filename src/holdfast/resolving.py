"""Resolving, from the request to the lock in the store: decided once, then reused."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from holdfast.errors import Unreachable
from holdfast.spec.canonical import req_id
from holdfast.spec.platform import host_platform, platform_name
from holdfast.spec.requirements import Requirements

if TYPE_CHECKING:
    from holdfast.lock.model import Lock
    from holdfast.solve.solution import PlatformSolution
    from holdfast.store.store import Store

__all__ = ["Resolution", "resolve_request"]

_VERSIONS_OF = ("holdfast", "py-rattler", "packaging")
"""What the pointer to a lock tells about how it was made."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A lock, and how it came to be.

    :ivar newly_resolved: whether anything had to be solved.
    :ivar seconds: what it took.
    :ivar rounds: of the joint solve, the most of any platform; 0 where nothing was solved.
    :ivar warnings: one sentence each.
    """

    lock: Lock
    newly_resolved: bool
    seconds: float
    rounds: int = 0
    warnings: tuple[str, ...] = ()


def resolve_request(
    requirements: Requirements,
    platforms: Sequence[str] = (),
    *,
    store: Store | None = None,
    force: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Resolution:
    """Return the environment that satisfies the requirements, solving only what was not solved before.

    :param platforms: targets; default: those the requirements name, else this host's.
    :param store: where locks are kept; default: the local one.
    :param force: solve again, although a lock exists.
    :param dry_run: keep nothing.
    :param offline: use caches alone.
    :param progress: told what is being done.
    :raises NoSolution: where nothing satisfies them.
    :raises Unreachable: where an index or a channel cannot be reached.
    :raises UsageError: for what is not supported.
    """
    started = time.monotonic()
    wanted = _targets(requirements, platforms)
    if store is None:
        from holdfast.store.store import Store

        store = Store()
    known = None if force else store.default_lock(req_id(requirements))
    if known is not None and set(wanted) <= set(known.platforms):
        return Resolution(known, False, time.monotonic() - started)
    missing = [platform for platform in wanted if known is None or platform not in known.platforms]
    solutions = _solve(requirements, missing, offline, progress)
    from holdfast.lock.from_solution import locked_platform, make_lock_of

    solved = {platform: locked_platform(solution) for platform, solution in solutions.items()}
    lock = make_lock_of(requirements, {**(known.platforms if known else {}), **solved})
    if not dry_run:
        # Bytes before the lock that names them: nobody else has a wheel that was built here.
        for solution in solutions.values():
            _keep_built(solution, store)
        store.save(lock, versions=_versions())
    warnings = dict.fromkeys(warning for solution in solutions.values() for warning in solution.warnings)
    rounds = max(solution.statistics.rounds for solution in solutions.values())
    return Resolution(lock, True, time.monotonic() - started, rounds, tuple(warnings))


def _targets(requirements: Requirements, platforms: Sequence[str]) -> list[str]:
    chosen = platforms or requirements.platforms or [host_platform()]
    return sorted({platform_name(platform) for platform in chosen})


def _solve(
    requirements: Requirements,
    platforms: Sequence[str],
    offline: bool,
    progress: Callable[[str], None] | None,
) -> dict[str, PlatformSolution]:
    from holdfast.solve.request import solve_request
    from holdfast.store.paths import cache_dir

    try:
        return solve_request(
            requirements, platforms, cache_dir=cache_dir(), offline=offline, progress=progress
        )
    except Unreachable as error:
        if offline and error.advice is None:
            raise Unreachable(error.what, where=error.where, advice="drop --offline") from error
        raise


def _keep_built(solution: PlatformSolution, store: Store) -> None:
    for wheel in solution.wheels:
        if wheel.source is not None:
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
