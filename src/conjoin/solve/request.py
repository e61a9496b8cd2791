"""From a request to a decision for each platform: the main path of solving, top to bottom."""

from __future__ import annotations

import asyncio
import atexit
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.cyclic_gc import few_collections
from conjoin.index.mapping import Mapping as NameMapping
from conjoin.solve.one_platform import PlatformRequest, Progress
from conjoin.solve.platforms.shared import Shared, side_by_side
from conjoin.solve.preferences.pins import Pins
from conjoin.solve.preferences.update import Former
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from conjoin.build.built_wheels import KeptBuilds
    from conjoin.build.requires import BuildTool, SolveBuild
    from conjoin.index.interpreters import HostPython
    from conjoin.solve.build_requirements import BuildRequirements

__all__ = ["solve_request"]

_EXIT_PAUSE = 0.05
"""Seconds. py-rattler's workers may crash the interpreter if it ends right after their last answer."""


def solve_request(
    requirements: Requirements,
    platforms: Sequence[str],
    *,
    cache_dir: Path,
    offline: bool = False,
    progress: Progress | None = None,
    pins: Mapping[str, Pins] | None = None,
    former: Mapping[str, Former] | None = None,
    kept_builds: KeptBuilds | None = None,
) -> dict[str, PlatformSolution]:
    """Decide which packages satisfy the requirements, for each platform.

    :param cache_dir: folder for repodata, index pages and metadata.
    :param offline: use what the cache has and never the network.
    :param pins: for each platform, the packages of an environment that is being extended.
    :param former: for each platform, what was decided before, of which only what is named should move.
    :param kept_builds: where wheels that were built before may be found.
    :raises NoSolution: where nothing satisfies them.
    :raises Unreachable: where an index or a channel cannot be reached.
    :raises UsageError: for what is not supported.
    """
    work = _solve_all(
        requirements,
        platforms,
        cache_dir,
        offline,
        progress or _silent,
        pins or {},
        former or {},
        kept_builds,
    )
    with few_collections():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(work)
        # In a notebook a loop is running already: one of our own, in a thread of its own.
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(asyncio.run, work).result()


def _silent(_: str) -> None:
    pass


async def _solve_all(
    requirements: Requirements,
    platforms: Sequence[str],
    cache_dir: Path,
    offline: bool,
    progress: Progress,
    pins: Mapping[str, Pins],
    former: Mapping[str, Former],
    kept_builds: KeptBuilds | None,
) -> dict[str, PlatformSolution]:
    indexes = BuildingIndexes(
        requirements.indexes,
        requirements.find_links,
        cache_dir=cache_dir,
        offline=offline,
        credentials=requirements.credentials,
        kept_builds=kept_builds,
        exclude_newer=requirements.exclude_newer,
    )
    mapping = NameMapping.load(requirements.mapping_file or None)
    try:
        shared = Shared()
        requests = [
            PlatformRequest(
                requirements=requirements,
                platform=platform,
                indexes=indexes,
                mapping=mapping,
                cache_dir=cache_dir,
                offline=offline,
                progress=progress,
                pins=pins.get(platform),
                former=former.get(platform),
                shared=shared,
            )
            for platform in platforms
        ]
        indexes.decide_builds_by(_decide_builds_as(requests[0]), progress)
        answers = await side_by_side({request.platform: request.solve for request in requests})
        if requirements.same_versions:
            from conjoin.solve.platforms.same_versions import alike

            answers = await alike(requests, answers, requirements, progress)
        return answers
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
