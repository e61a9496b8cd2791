"""From a request to a decision for each platform: the main path of solving, top to bottom."""

from __future__ import annotations

import asyncio
import atexit
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.cyclic_gc import few_collections
from conjoin.index.mapping import Mapping as NameMapping
from conjoin.solve.one_platform import PlatformRequest
from conjoin.solve.options import SolveOptions
from conjoin.solve.platforms.shared import Shared, side_by_side
from conjoin.solve.preferences.pins import Pins
from conjoin.solve.preferences.update import Previous
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from conjoin.build.requires import BuildTool, SolveBuild
    from conjoin.index.interpreters import HostPython
    from conjoin.solve.build_requirements import BuildRequirements

__all__ = ["solve_request"]

_EXIT_PAUSE = 0.05
"""Seconds. py-rattler's workers may crash the interpreter if it ends right after their last answer."""


def solve_request(
    requirements: Requirements,
    platforms: Sequence[str],
    options: SolveOptions,
    *,
    pins: Mapping[str, Pins] | None = None,
    former: Mapping[str, Previous] | None = None,
) -> dict[str, PlatformSolution]:
    """Decide which packages satisfy the requirements, for each platform.

    :param options: how: the cache, whether the network may be used, who is told what is being done.
    :param pins: for each platform, the packages of an environment that is being extended.
    :param former: for each platform, what was decided before, of which only what is named should move.
    :raises NoSolution: where nothing satisfies them.
    :raises Unreachable: where an index or a channel cannot be reached.
    :raises UsageError: for what is not supported.
    """
    work = _solve_all(requirements, platforms, options, pins or {}, former or {})
    with few_collections():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(work)
        # In a notebook a loop is running already: one of our own, in a thread of its own.
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(asyncio.run, work).result()


async def _solve_all(
    requirements: Requirements,
    platforms: Sequence[str],
    options: SolveOptions,
    pins: Mapping[str, Pins],
    previous: Mapping[str, Previous],
) -> dict[str, PlatformSolution]:
    indexes = BuildingIndexes(
        requirements.indexes,
        requirements.find_links,
        cache_dir=options.cache_dir,
        offline=options.offline,
        credentials=requirements.credentials,
        kept_builds=options.kept_builds,
        exclude_newer=requirements.exclude_newer,
    )
    shared = Shared(requirements, options, indexes, NameMapping.load(requirements.mapping_file or None))
    try:
        requests = [
            PlatformRequest(
                requirements=requirements,
                platform=platform,
                shared=shared,
                pins=pins.get(platform),
                previous=previous.get(platform),
            )
            for platform in platforms
        ]
        indexes.decide_builds_by(_decide_builds_as(requests[0]), options.progress)
        answers = await side_by_side({request.platform: request.solve for request in requests})
        if requirements.same_versions:
            from conjoin.solve.platforms.same_versions import solve_same_versions

            return await solve_same_versions(requests, answers, requirements, options.progress)
        return {platform: answer.solution for platform, answer in answers.items()}
    finally:
        await indexes.aclose()
        atexit.unregister(_rest)
        atexit.register(_rest, time.monotonic() + _EXIT_PAUSE)


def _decide_builds_as(request: PlatformRequest) -> SolveBuild:
    """Return what decides on build requirements, imported once there are any."""
    decider: BuildRequirements | None = None

    async def decide(requires: Sequence[str], interpreter: HostPython) -> Sequence[BuildTool]:
        from conjoin.solve.build_requirements import BuildRequirements

        nonlocal decider
        decider = decider or BuildRequirements(request)
        return await decider.decide(requires, interpreter)

    return decide


def _rest(until: float) -> None:
    """Wait at the interpreter's end, should it come so soon."""
    time.sleep(max(0.0, until - time.monotonic()))
