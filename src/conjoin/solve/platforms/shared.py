"""Several platforms at once: one request, solved for each of them side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.errors import ConjoinError
from conjoin.index.conda import CondaChannels
from conjoin.solve.candidates.encoding import make_record
from conjoin.solve.candidates.foreign_builds import ForeignBuilds
from conjoin.solve.candidates.policy import Admission
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.platform import host_platform
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from conjoin.solve.search.provider import PypiWorld

__all__ = ["Shared", "side_by_side"]


class Shared:
    """What platforms have in common: made for the first that needs it, and used by all.

    :ivar make_record: makes records of the PyPI side; most are the same for several platforms.
    """

    def __init__(self) -> None:
        self._channels: CondaChannels | None = None
        self._admissions: dict[tuple[Requirements, bool], Admission] = {}
        self._foreign: ForeignBuilds | None = None
        self.make_record = cache(make_record)

    def channels_of(
        self, requirements: Requirements, platform: str, cache_dir: Path, *, offline: bool
    ) -> CondaChannels:
        """Return a request's channels as one platform sees them: repodata for all platforms is read once."""
        if self._channels is None:
            named = [item.channel for item in requirements.conda if item.channel]
            self._channels = CondaChannels(
                list(dict.fromkeys([*requirements.channels, *sorted(named)])),
                platform,
                cache_dir=cache_dir / "repodata",
                offline=offline,
                credentials=requirements.credentials,
                aliases=dict(requirements.channel_aliases),
            )
        return self._channels.seen_from(platform)

    def source_for(
        self, platform: str, indexes: BuildingIndexes, requirements: Requirements
    ) -> BuildingIndexes | ForeignBuilds:
        """Return where a platform's projects come from: what one learns of builds, the others know."""
        if platform == host_platform():
            return indexes
        if self._foreign is None:
            self._foreign = ForeignBuilds(indexes, requirements)
        return self._foreign

    async def asked_in_vain(
        self, platform: str, asked: Requirements, world: PypiWorld
    ) -> Requirements | None:
        """Return the part of a request that has no solution for the builds it would take, None for no such.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        if platform == host_platform() or self._foreign is None:
            return None
        from conjoin.solve.report.files import asked_in_vain

        return await asked_in_vain(asked, world, self._foreign)

    def admission(self, asked: Requirements, *, sources: bool) -> Admission:
        """Return the rules on files, which sort a page once for all platforms they apply to alike.

        :param asked: the request as it applies to a platform.
        :param sources: whether source distributions take part.
        """
        key = (asked, sources)
        if key not in self._admissions:
            self._admissions[key] = Admission(asked, sources=sources)
        return self._admissions[key]


async def side_by_side(
    solves: Mapping[str, Callable[[], Awaitable[PlatformSolution]]],
) -> dict[str, PlatformSolution]:
    """Solve for several platforms at once: index pages and metadata are read once, whoever asks.

    :param solves: what solves, by platform.
    :raises ConjoinError: that of the first platform that failed, in the order of ``solves``, with the
        platform's name where there are several: which one answers first must not decide what is said.
    """
    tasks = {platform: asyncio.ensure_future(solve()) for platform, solve in solves.items()}
    try:
        # In their order: once one has failed, those behind it have nothing to say any more.
        return {platform: await _of(platform, task, len(tasks) > 1) for platform, task in tasks.items()}
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _of(platform: str, task: asyncio.Task[PlatformSolution], named: bool) -> PlatformSolution:
    try:
        return await task
    except ConjoinError as error:
        if named and not error.where:
            error.where = platform
        raise
