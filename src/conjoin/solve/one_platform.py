"""One request, for one platform: the main path of a solve."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.errors import NoSolution, UsageError
from conjoin.index.conda import ChannelUnreachable, CondaChannels
from conjoin.index.mapping import Mapping as NameMapping
from conjoin.solve.candidates.applicable import applicable, unwanted
from conjoin.solve.candidates.compatibility import WheelJudge
from conjoin.solve.candidates.direct import direct_files
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.pythons import PythonBuild, PythonPool, is_valid_version
from conjoin.solve.chosen import assemble
from conjoin.solve.host_python import HostPythonSource
from conjoin.solve.platforms.bounds import Bounds, Key, Rank, versions_there
from conjoin.solve.platforms.shared import Shared
from conjoin.solve.preferences.pins import Pins, record_of
from conjoin.solve.preferences.update import Former, Steering, move_little
from conjoin.solve.search.conda_side import CondaSolver, Unsatisfiable
from conjoin.solve.search.joint import Answer, solve_jointly
from conjoin.solve.search.provider import PypiWorld, Wishes
from conjoin.solve.search.refine import reconsidered
from conjoin.solve.solution import ChosenPython, PlatformSolution
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.platform import host_platform, virtual_packages, wheel_platform_tags
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

    from conjoin.solve.report.hints import Surroundings

__all__ = ["PlatformRequest", "Progress"]

Progress = Callable[[str], None]
"""Told what is being done, one short line each time."""


def _silent(_: str) -> None:
    pass


class _Seen(msgspec.Struct):
    """What the last solve for a platform was made of."""

    ownership: Ownership | None = None
    world: PypiWorld | None = None


class PlatformRequest(msgspec.Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """One request, for one platform.

    :ivar bounds: where versions have to lie, None where other platforms have no say in it.
    :ivar may_build: whether source distributions are tried where wheels have no solution.
    """

    requirements: Requirements
    platform: str
    indexes: BuildingIndexes
    mapping: NameMapping
    cache_dir: Path
    offline: bool
    progress: Progress
    pins: Pins | None = None
    former: Former | None = None
    shared: Shared = msgspec.field(default_factory=Shared)
    bounds: Bounds | None = None
    may_build: bool = True
    _seen: _Seen = msgspec.field(default_factory=_Seen)

    @cached_property
    def virtual_packages(self) -> dict[str, str]:
        """What the target has: as asked for, else what a usual machine of its kind has."""
        chosen = virtual_packages(self.platform, self.requirements.virtual_packages)
        return (
            dict(sorted({**chosen, **self.pins.solution.virtual_packages}.items())) if self.pins else chosen
        )

    async def solve(self) -> PlatformSolution:
        """Return the decision.

        :raises NoSolution: where nothing satisfies the request.
        :raises Unreachable: where an index or a channel cannot be reached.
        :raises UsageError: for what is not supported.
        """
        started, requests = time.monotonic(), self.indexes.requests
        if self.pins is not None:
            from conjoin.solve.report.pins import refuse_contradictions

            refuse_contradictions(self.requirements, self.pins, self.platform)
        try:
            solution = await self._solve()
        except Unsatisfiable as error:
            raise await self._explained(error) from error
        solution.statistics.seconds = time.monotonic() - started
        solution.statistics.requests = self.indexes.requests - requests
        return solution

    async def _explained(self, error: Unsatisfiable) -> NoSolution:
        """Return why there is no solution, with what can be found out of what is absent."""
        from conjoin.solve.report.format import explain
        from conjoin.solve.report.hints import with_hints

        told = await with_hints(await explain(error), self._surroundings())
        if self.pins is None:
            return told
        from conjoin.solve.report.pins import in_words_of_pins

        return in_words_of_pins(told, self.pins)

    async def solve_within(self, bounds: Bounds, *, may_build: bool) -> PlatformSolution:
        """Return the decision with versions where they have to lie.

        :param may_build: whether source distributions are tried where wheels have no solution.
        :raises NoSolution: without reasons, where there is none.
        :raises Unreachable: where an index or a channel cannot be reached.
        """
        former = self.former.solution.conda if self.former else ()
        pinned = self.pins.solution.conda if self.pins else ()
        there = replace(bounds, former=(*former, *pinned))
        try:
            return await replace(self, bounds=there, may_build=may_build, progress=_silent)._solve()
        except Unsatisfiable as error:
            raise NoSolution("nothing lies within these bounds") from error

    async def on_this_host(self, requirements: Requirements, python: ChosenPython) -> PlatformSolution:
        """Return the decision of another request, on PyPI alone, for an interpreter of this host.

        :raises NoSolution: where nothing satisfies it.
        :raises Unreachable: where an index cannot be reached.
        """
        request = PlatformRequest(
            requirements=requirements,
            platform=host_platform(),
            indexes=self.indexes,
            mapping=self.mapping,
            cache_dir=self.cache_dir,
            offline=self.offline,
            progress=_silent,
        )
        try:
            return await request._solve_with(None, HostPythonSource(request.platform, [python]))
        except Unsatisfiable as error:
            from conjoin.solve.report.format import explain

            raise await explain(error) from error

    async def versions(self, key: Key, bounds: Bounds) -> set[Rank]:
        """Return the versions of a package that there are for the platform, once it was solved for."""
        channels = self._channels() if self.requirements.python_source == "channel" else None
        ownership = self._seen.ownership or Ownership(channels, self.mapping)
        return await versions_there(key, bounds.owners, channels, ownership, self._seen.world)

    def could_build(self) -> bool:
        """Tell whether the last solve left source distributions aside."""
        world = self._seen.world
        return world is not None and any(pool.has_unbuilt for pool in world.loaded().values())

    def _surroundings(self) -> Surroundings:
        from conjoin.solve.report.hints import Surroundings

        asked = self.requirements

        def index_at(url: str) -> BuildingIndexes:
            return BuildingIndexes(
                [url], cache_dir=self.cache_dir, offline=self.offline, credentials=asked.credentials
            )

        return Surroundings(
            requirements=asked,
            platform=self.platform,
            virtual_packages=self.virtual_packages,
            channels=self._channels() if asked.python_source == "channel" else None,
            indexes=self.indexes,
            index_at=index_at,
            mapping=self.mapping,
        )

    async def _solve(self) -> PlatformSolution:
        if self.requirements.python_source == "host":
            return await self._solve_on_host()
        try:
            return await self._solve_with(self._channels(), None)
        except ChannelUnreachable as error:
            if not self._may_use_host():
                raise
            self.progress(f"{error.what}: using this host's Python")
            return await self._solve_on_host()

    def _may_use_host(self) -> bool:
        """Tell whether this host's Python may stand in for one from a channel (design, section 5)."""
        asked = self.requirements
        return (
            self.pins is None
            and not asked.channels_given
            and not asked.conda
            and bool(asked.pypi or asked.python)
            and self.platform == host_platform()
        )

    def _channels(self) -> CondaChannels:
        return self.shared.channels_of(self.requirements, self.platform, self.cache_dir, offline=self.offline)

    async def _solve_on_host(self) -> PlatformSolution:
        given = self.pins.solution.python if self.pins else None
        if given is None and self.platform != host_platform():
            raise UsageError(
                f"this host's Python cannot serve {self.platform}",
                advice="take Python from a channel, or drop --platform",
            )
        if self.requirements.conda:
            raise UsageError(
                "conda packages need a Python from a channel",
                advice="drop --python-source host, or ask for PyPI packages alone",
            )
        if given is not None:
            return await self._solve_with(None, HostPythonSource(self.platform, [given]))
        return await self._solve_with(None, HostPythonSource.of_this_host(self.platform, self.cache_dir))

    async def _solve_with(
        self, channels: CondaChannels | None, host: HostPythonSource | None
    ) -> PlatformSolution:
        """Solve; near what was decided before, where something was."""
        if self.former is None:
            return await self._solve_once(channels, host, may_build=self.may_build)
        first = await self._solve_once(channels, host, Steering(self.former), may_build=self.may_build)
        may_build = any(wheel.source for wheel in first.wheels)

        async def attempt(steering: Steering) -> PlatformSolution | None:
            try:
                return await self._solve_once(channels, host, steering, may_build=may_build)
            except (NoSolution, Unsatisfiable):
                return None

        self.progress(f"{self.platform}: moving as little as need be")
        upwards = self.requirements.strategy == "highest"
        return await move_little(self.former, first, attempt, upwards=upwards)

    async def _solve_once(
        self,
        channels: CondaChannels | None,
        host: HostPythonSource | None,
        steering: Steering | None = None,
        *,
        may_build: bool = True,
    ) -> PlatformSolution:
        ownership = Ownership(channels, self.mapping)
        solver = CondaSolver(
            self.requirements,
            channels,
            self.platform,
            self.virtual_packages,
            python_source=host,
            pins=self.pins,
            steering=steering,
            bounds=self.bounds,
            conda_bounds=await self.bounds.conda_specs(channels, ownership) if self.bounds else (),
        )
        say = self.progress if steering is None or steering.is_first else _silent
        say(f"{self.platform}: solving the conda side")
        staying = steering.preferred(host.records() if host else ()) if steering else []
        alone = host.newest(self.requirements) if host and self._is_unbound and not steering else None
        conda_first = [alone] if alone else await self._conda_first(solver, staying)
        answer, world = Answer(tuple(conda_first), (), 1), None
        if self.requirements.pypi or (self.pins is not None and self.pins.wheels):
            pythons = await self._pythons(solver, channels, host)
            say(f"{self.platform}: solving conda and PyPI together")
            there = {record.name.normalized for record in staying}
            preferred = [*(each for each in conda_first if each.name.normalized not in there), *staying]
            answer, world = await self._jointly(solver, pythons, ownership, preferred, may_build=may_build)
        self._seen.ownership, self._seen.world = ownership, world
        return await assemble(
            answer,
            world,
            ownership,
            self.indexes,
            platform=self.platform,
            virtual_packages=self.virtual_packages,
            host=host,
            pins=self.pins,
            former=self.former.solution if self.former else None,
        )

    async def _jointly(
        self,
        solver: CondaSolver,
        pythons: PythonPool,
        ownership: Ownership,
        conda_first: Sequence[RepoDataRecord],
        *,
        may_build: bool,
    ) -> tuple[Answer, PypiWorld]:
        """Solve with wheels and what can only be had by building; where that is not enough, with all sources.

        Building runs code and takes minutes: a release that somebody else built is always preferred. A
        requirement that no wheel and no conda package can meet is met by a source distribution at once,
        else whatever has it would fall to a release of long ago.
        """
        if not pythons.builds:
            raise NoSolution("no channel has a Python that fits", advice="check --python and the channels")
        asked = applicable(self.requirements, pythons)
        await ownership.note(CondaName(record.name.normalized) for record in conda_first)
        world = self._world(asked, pythons, ownership, conda_first, sources=False, may_build=may_build)
        in_vain = await self.shared.asked_in_vain(self.platform, asked, world)
        try:
            answer = await solve_jointly(in_vain or asked, world, solver, conda_first)
            return await reconsidered(answer, asked, world, solver, conda_first), world
        except Unsatisfiable:
            from conjoin.solve.report.files import could_be_built

            if not may_build or not could_be_built(asked, world):
                raise
        self.progress(f"{self.platform}: wheels alone have no solution; trying source distributions")
        world = self._world(asked, pythons, ownership, conda_first, sources=True)
        answer = await solve_jointly(asked, world, solver, conda_first)
        return await reconsidered(answer, asked, world, solver, conda_first), world

    def _is_given(self, name: PypiName) -> bool:
        return self.pins is not None and self.pins.version_of(name) is not None

    @property
    def _is_unbound(self) -> bool:
        """Whether nothing but the request itself says which Python it may be."""
        return self.pins is None and self.bounds is None and not self.requirements.conda

    async def _conda_first(
        self, solver: CondaSolver, staying: Sequence[RepoDataRecord]
    ) -> list[RepoDataRecord]:
        """Solve the conda side alone: if that has no solution, nothing has."""
        if not solver.conda_specs():
            return []
        return await solver.solve(preferred=staying)

    async def _pythons(
        self, solver: CondaSolver, channels: CondaChannels | None, host: HostPythonSource | None
    ) -> PythonPool:
        admitted = host.admitted(self.requirements) if host and self._is_unbound else None
        if host is not None:
            records = host.records() if admitted is None else admitted
        elif self.pins is not None and self.pins.has_python:
            records = [record_of(self.pins.conda[CondaName("python")])]
        elif channels is not None:
            records = (await channels.records([CondaName("python")]))[CondaName("python")]
        else:
            records = []
        builds = []
        for record in solver.admitted_pythons(records) if admitted is None else admitted:
            version = str(record.version)
            if is_valid_version(version):
                builds.append(PythonBuild.from_record(version, str(record.build)))
            else:
                solver.exclude_python(version)  # no marker could be evaluated for it
        return PythonPool(builds, self.platform)

    def _world(
        self,
        asked: Requirements,
        pythons: PythonPool,
        ownership: Ownership,
        conda_first: Sequence[RepoDataRecord],
        *,
        sources: bool,
        may_build: bool = True,
    ) -> PypiWorld:
        judge = WheelJudge(pythons, wheel_platform_tags(self.platform, self.virtual_packages))
        replaced = {item.name for item in asked.overrides}
        wishes = Wishes(
            favoured=frozenset(CondaName(record.name.normalized) for record in conda_first),
            direct=direct_files(
                (item for item in asked.pypi if not self._is_given(item.name)),
                self.platform,
                self.former.staying_sources() if self.former else {},
            ),
            overrides=asked.overrides,
            unwanted=unwanted(self.requirements.overrides),
            bounds=[*(item for item in asked.pypi if item.name not in replaced), *asked.constraints],
            strategy=asked.strategy,
            pins=self.pins,
            kept=frozenset(wheel.wheel.filename for wheel in self.former.solution.wheels)
            if self.former
            else frozenset(),
            may_build=may_build,
            from_pypi=frozenset(item.name for item in asked.pypi) if asked.prefer_conda else None,
        )
        admission = self.shared.admission(asked, sources=sources)
        source = self.shared.source_for(self.platform, self.indexes, self.requirements)
        return PypiWorld(source, ownership, judge, admission, wishes, self.shared.make_record)
