"""What other tools do with a mixed request: solve conda, pin the result, and let PyPI live with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conjoin.demo.request import PYPI, conda_packages, requirements
from conjoin.errors import NoSolution
from conjoin.resolving import Resolution, ResolveOptions, resolve_request
from conjoin.spec.platform import host_platform
from conjoin.spec.requirements import Requirements
from conjoin.store.store import Store

__all__ = ["CondaFirst", "solve_conda_first"]


@dataclass(frozen=True, slots=True)
class CondaFirst:
    """How it ended.

    :ivar chosen: conda package to version, as solved without a look at PyPI.
    :ivar failure: why no PyPI package can live with that, None if some can.
    """

    chosen: dict[str, str]
    failure: NoSolution | None


def solve_conda_first(channel: Path, store: Store, *, offline: bool = False) -> CondaFirst:
    """Solve conda alone, then PyPI with everything of conda pinned; nothing is kept."""
    alone = _solve(requirements(channel, conda_packages()), store, offline)
    packages = alone.lock.platforms[host_platform()].packages
    chosen = {package.name: package.version for package in packages}
    pinned = [f"{package.name} =={package.version} {package.build}" for package in packages]
    try:
        _solve(requirements(channel, pinned, PYPI), store, offline)
    except NoSolution as failure:
        return CondaFirst(chosen, failure)
    return CondaFirst(chosen, None)


def _solve(asked: Requirements, store: Store, offline: bool) -> Resolution:
    return resolve_request(
        asked, options=ResolveOptions(force=True, dry_run=True, offline=offline), store=store
    )
