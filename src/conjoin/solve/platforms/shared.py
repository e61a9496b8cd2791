"""Several platforms at once: one request, solved for each of them side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TypeVar

import msgspec

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.errors import ConjoinError
from conjoin.index.conda import CondaChannels
from conjoin.index.mapping import Mapping as NameMapping
from conjoin.solve.candidates.encoding import make_record
from conjoin.solve.candidates.foreign_builds import ForeignBuilds
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.policy import CandidatePolicy
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.options import SolveOptions
from conjoin.solve.preferences.bounds import Bounds, Key, Rank, versions_there
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.names import PypiName
from conjoin.spec.platform import host_platform
from conjoin.spec.requirements import Requirements

__all__ = ["PlatformAnswer", "Shared", "side_by_side"]

_T = TypeVar("_T")


class Shared:
    """What platforms have in common: made for the first that needs it, and used by all.

    :ivar make_record: makes records of the PyPI side; most are the same for several platforms.
    """

    def __init__(
        self,
        requirements: Requirements,
        options: SolveOptions,
        indexes: BuildingIndexes,
        mapping: NameMapping,
    ) -> None:
        self.options = options
        self.indexes = indexes
        self.mapping = mapping
        self.make_record = cache(make_record)
        self._requirements = requirements
        self._channels: CondaChannels | None = None
        self._policies: dict[tuple[Requirements, bool], CandidatePolicy] = {}
        self._foreign: ForeignBuilds | None = None

    def channels_of(self, platform: str) -> CondaChannels:
        """Return the request's channels as one platform sees them: repodata for all is read once."""
        if self._channels is None:
            requirements = self._requirements
            named = [item.channel for item in requirements.conda if item.channel]
            self._channels = CondaChannels(
                list(dict.fromkeys([*requirements.channels, *sorted(named)])),
                platform,
                cache_dir=self.options.cache_dir / "repodata",
                offline=self.options.offline,
                credentials=requirements.credentials,
                aliases=dict(requirements.channel_aliases),
            )
        return self._channels.seen_from(platform)

    def source_for(self, platform: str) -> BuildingIndexes | ForeignBuilds:
        """Return where a platform's projects come from: what one learns of builds, the others know."""
        if platform == host_platform():
            return self.indexes
        if self._foreign is None:
            self._foreign = ForeignBuilds(self.indexes, self._requirements)
        return self._foreign

    def policy(self, asked: Requirements, *, sources: bool) -> CandidatePolicy:
        """Return the rules on files, which divide a page once for all platforms they apply to alike.

        :param asked: the request as it applies to a platform.
        :param sources: whether source distributions take part.
        """
        key = (asked, sources)
        if key not in self._policies:
            self._policies[key] = CandidatePolicy(asked, sources=sources)
        return self._policies[key]


class PlatformAnswer(msgspec.Struct, frozen=True, eq=False):
    """What was decided for one platform, and what it was chosen from.

    :ivar channels: None where no channel takes part.
    :ivar projects: the PyPI projects that were in play.
    """

    solution: PlatformSolution
    channels: CondaChannels | None
    ownership: Ownership
    projects: Mapping[PypiName, ProjectCandidates]

    async def versions(self, key: Key, bounds: Bounds) -> set[Rank]:
        """Return the versions of a package that there are for the platform, chosen or not.

        :raises Unreachable: where a channel cannot be reached.
        """
        return await versions_there(key, bounds.owners, self.channels, self.ownership, self.projects)

    @property
    def left_sources_aside(self) -> bool:
        """Whether there are source distributions that were not tried."""
        return any(project.has_unbuilt for project in self.projects.values())


async def side_by_side(
    solves: Mapping[str, Callable[[], Awaitable[_T]]],
) -> dict[str, _T]:
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


async def _of(platform: str, task: asyncio.Future[_T], named: bool) -> _T:
    try:
        return await task
    except ConjoinError as error:
        if named:
            error.add_place(platform)
        raise
