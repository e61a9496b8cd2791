"""One request, for one platform: the main path of a solve."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace as replaced
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.errors import NoSolution, UsageError
from conjoin.index.conda import ChannelUnreachable, CondaChannels
from conjoin.solve.candidates.applicable import applicable, unwanted
from conjoin.solve.candidates.compatibility import Compatibility
from conjoin.solve.candidates.direct import direct_files
from conjoin.solve.candidates.encoding import Answer
from conjoin.solve.candidates.foreign_builds import ForeignBuilds
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.pythons import PythonBuild, PythonPool, is_valid_version
from conjoin.solve.chosen import assemble
from conjoin.solve.host_python import HostPythonSource
from conjoin.solve.options import Progress, silent
from conjoin.solve.platforms.shared import PlatformAnswer, Shared
from conjoin.solve.preferences.bounds import Bounds
from conjoin.solve.preferences.pins import Pins, record_of
from conjoin.solve.preferences.update import Previous, UpdateSteering, update_minimally
from conjoin.solve.search.conda_side import CondaSolver, Unsatisfiable
from conjoin.solve.search.joint import solve_jointly
from conjoin.solve.search.projects import Manifest
from conjoin.solve.search.provider import PypiProvider
from conjoin.solve.search.refine import refined
from conjoin.solve.solution import ChosenPython, PlatformSolution
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.platform import host_platform, virtual_packages, wheel_platform_tags
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

    from conjoin.solve.report.hints import Surroundings

__all__ = ["PlatformRequest"]


class PlatformRequest(msgspec.Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """One request, for one platform.

    :ivar shared: what platforms that are solved side by side have in common.
    :ivar pins: the packages of an environment that is being extended.
    :ivar previous: what was decided before, of which only what is named should move.
    :ivar bounds: where versions have to lie, None where other platforms have no say in it.
    :ivar may_build: whether source distributions are tried where wheels have no solution.
    :ivar host: the only interpreters there are; None for what the requirements say.
    :ivar is_quiet: whether nobody is told what is being done.
    """

    requirements: Requirements
    platform: str
    shared: Shared
    pins: Pins | None = None
    previous: Previous | None = None
    bounds: Bounds | None = None
    may_build: bool = True
    host: HostPythonSource | None = None
    is_quiet: bool = False

    @cached_property
    def virtual_packages(self) -> dict[str, str]:
        """What the target has: as asked for, else what a usual machine of its kind has."""
        chosen = virtual_packages(self.platform, self.requirements.virtual_packages)
        return (
            dict(sorted({**chosen, **self.pins.solution.virtual_packages}.items())) if self.pins else chosen
        )

    async def solve(self) -> PlatformAnswer:
        """Return the decision.

        :raises NoSolution: where nothing satisfies the request.
        :raises Unreachable: where an index or a channel cannot be reached.
        :raises UsageError: for what is not supported.
        """
        started, requests = time.monotonic(), self.shared.indexes.requests
        if self.pins is not None:
            from conjoin.solve.report.pins import refuse_contradictions

            refuse_contradictions(self.requirements, self.pins, self.platform)
        try:
            answer = await self.decide()
        except Unsatisfiable as error:
            raise await self._explained(error) from error
        statistics = replace(
            answer.solution.statistics,
            seconds=time.monotonic() - started,
            requests=self.shared.indexes.requests - requests,
        )
        return replace(answer, solution=replaced(answer.solution, statistics=statistics))

    async def _explained(self, error: Unsatisfiable) -> NoSolution:
        """Return why there is no solution, with what can be found out of what is absent."""
        from conjoin.solve.report.format import explain
        from conjoin.solve.report.hints import with_hints

        told = await with_hints(await explain(error), self._surroundings())
        if self.pins is None:
            return told
        from conjoin.solve.report.pins import in_words_of_pins

        return in_words_of_pins(told, self.pins)

    async def solve_within(self, bounds: Bounds, *, may_build: bool) -> PlatformAnswer:
        """Return the decision with versions where they have to lie.

        :param may_build: whether source distributions are tried where wheels have no solution.
        :raises NoSolution: without reasons, where there is none.
        :raises Unreachable: where an index or a channel cannot be reached.
        """
        previous = self.previous.solution.conda if self.previous else ()
        pinned = self.pins.solution.conda if self.pins else ()
        there = replace(bounds, former=(*previous, *pinned))
        try:
            return await replace(self, bounds=there, may_build=may_build, is_quiet=True).decide()
        except Unsatisfiable as error:
            raise NoSolution("nothing lies within these bounds") from error

    def on_this_host(self, requirements: Requirements, python: ChosenPython) -> PlatformRequest:
        """Return another request, on PyPI alone, for an interpreter of this host."""
        platform, shared = host_platform(), self.shared
        return PlatformRequest(
            requirements=requirements,
            platform=platform,
            shared=Shared(requirements, shared.options, shared.indexes, shared.mapping),
            host=HostPythonSource(platform, [python]),
            is_quiet=True,
        )

    async def decide(self) -> PlatformAnswer:
        """Return the decision; where there is none, nobody is asked for the reasons.

        :raises Unsatisfiable: where nothing satisfies the request.
        :raises NoSolution: where a limit is reached, or there is no Python.
        :raises Unreachable: where an index or a channel cannot be reached.
        :raises UsageError: for what is not supported.
        """
        if self.host is not None:
            return await self._solve_with(None, self.host)
        if self.requirements.python_source == "host":
            return await self._solve_on_host()
        try:
            return await self._solve_with(self._channels(), None)
        except ChannelUnreachable as error:
            if not self._may_use_host():
                raise
            self._progress(f"{error.what}: using this host's Python")
            return await self._solve_on_host()

    @property
    def _progress(self) -> Progress:
        return silent if self.is_quiet else self.shared.options.progress

    def _surroundings(self) -> Surroundings:
        from conjoin.solve.report.hints import Surroundings

        asked, options = self.requirements, self.shared.options

        def index_at(url: str) -> BuildingIndexes:
            return BuildingIndexes(
                [url],
                cache_dir=options.cache_dir,
                offline=options.offline,
                credentials=asked.credentials,
            )

        return Surroundings(
            requirements=asked,
            platform=self.platform,
            virtual_packages=self.virtual_packages,
            channels=self._channels() if asked.python_source == "channel" else None,
            indexes=self.shared.indexes,
            index_at=index_at,
            mapping=self.shared.mapping,
        )

    def _may_use_host(self) -> bool:
        """Tell whether this host's Python may stand in for one from a channel (docs/solving.md)."""
        asked = self.requirements
        return (
            self.pins is None
            and not asked.channels_given
            and not asked.conda
            and bool(asked.pypi or asked.python)
            and self.platform == host_platform()
        )

    def _channels(self) -> CondaChannels:
        return self.shared.channels_of(self.platform)

    async def _solve_on_host(self) -> PlatformAnswer:
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
        cache_dir = self.shared.options.cache_dir
        return await self._solve_with(None, HostPythonSource.of_this_host(self.platform, cache_dir))

    async def _solve_with(
        self, channels: CondaChannels | None, host: HostPythonSource | None
    ) -> PlatformAnswer:
        """Solve; near what was decided before, where something was."""
        previous = self.previous
        if previous is None:
            return await self._solve_once(channels, host, may_build=self.may_build)
        first = await self._solve_once(channels, host, UpdateSteering(previous), may_build=self.may_build)
        may_build = any(wheel.source for wheel in first.solution.wheels)
        answers = [first]

        async def attempt(steering: UpdateSteering) -> PlatformSolution | None:
            try:
                answers.append(await self._solve_once(channels, host, steering, may_build=may_build))
            except (NoSolution, Unsatisfiable):
                return None
            return answers[-1].solution

        self._progress(f"{self.platform}: moving as little as need be")
        upwards = self.requirements.strategy == "highest"
        best = await update_minimally(previous, first.solution, attempt, upwards=upwards)
        return next(answer for answer in answers if answer.solution is best)

    async def _solve_once(
        self,
        channels: CondaChannels | None,
        host: HostPythonSource | None,
        steering: UpdateSteering | None = None,
        *,
        may_build: bool = True,
    ) -> PlatformAnswer:
        ownership = Ownership(channels, self.shared.mapping)
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
        say = self._progress if steering is None or steering.is_first else silent
        say(f"{self.platform}: solving the conda side")
        staying = steering.preferred(host.records() if host else ()) if steering else []
        alone = host.newest(self.requirements) if host and self._is_unbound and not steering else None
        conda_first = [alone] if alone else await self._conda_first(solver, staying)
        answer, provider = Answer(tuple(conda_first), (), 1), None
        if self.requirements.pypi or (self.pins is not None and self.pins.wheels):
            pythons = await self._pythons(solver, channels, host)
            say(f"{self.platform}: solving conda and PyPI together")
            there = {record.name.normalized for record in staying}
            preferred = [*(each for each in conda_first if each.name.normalized not in there), *staying]
            answer, provider = await self._jointly(solver, pythons, ownership, preferred, may_build=may_build)
        solution = await assemble(
            answer,
            provider,
            ownership,
            self.shared.indexes,
            platform=self.platform,
            virtual_packages=self.virtual_packages,
            host=host,
            pins=self.pins,
            former=self.previous.solution if self.previous else None,
        )
        return PlatformAnswer(solution, channels, ownership, provider.projects.loaded() if provider else {})

    async def _jointly(
        self,
        solver: CondaSolver,
        pythons: PythonPool,
        ownership: Ownership,
        conda_first: Sequence[RepoDataRecord],
        *,
        may_build: bool,
    ) -> tuple[Answer, PypiProvider]:
        """Solve with wheels and what can only be had by building; where that is not enough, with all sources.

        Building runs code and takes minutes: a release that somebody else built is always preferred. A
        requirement that no wheel and no conda package can meet is met by a source distribution at once,
        else whatever has it would fall to a release of long ago.
        """
        if not pythons.builds:
            raise NoSolution("no channel has a Python that fits", advice="check --python and the channels")
        asked = applicable(self.requirements, pythons)
        await ownership.note(CondaName(record.name.normalized) for record in conda_first)
        provider = self._provider(asked, pythons, ownership, conda_first, sources=False, may_build=may_build)
        part = await self._asked_in_vain(asked, provider) or asked
        try:
            answer = await solve_jointly(part, provider, solver, conda_first)
            return await refined(answer, asked, provider, solver, conda_first), provider
        except Unsatisfiable:
            from conjoin.solve.report.files import could_be_built

            if not may_build or not could_be_built(asked, provider):
                raise
        self._progress(f"{self.platform}: wheels alone have no solution; trying source distributions")
        provider = self._provider(asked, pythons, ownership, conda_first, sources=True)
        answer = await solve_jointly(asked, provider, solver, conda_first)
        return await refined(answer, asked, provider, solver, conda_first), provider

    async def _asked_in_vain(self, asked: Requirements, provider: PypiProvider) -> Requirements | None:
        """Return the part of a request that has no solution for the builds it would take; None for none."""
        builds = self.shared.source_for(self.platform)
        if not isinstance(builds, ForeignBuilds):
            return None
        from conjoin.solve.report.files import asked_in_vain

        return await asked_in_vain(asked, provider, builds)

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

    def _provider(
        self,
        asked: Requirements,
        pythons: PythonPool,
        ownership: Ownership,
        conda_first: Sequence[RepoDataRecord],
        *,
        sources: bool,
        may_build: bool = True,
    ) -> PypiProvider:
        compatibility = Compatibility(pythons, wheel_platform_tags(self.platform, self.virtual_packages))
        replaced = {item.name for item in asked.overrides}
        manifest = Manifest(
            favoured=frozenset(CondaName(record.name.normalized) for record in conda_first),
            direct=direct_files(
                (item for item in asked.pypi if not self._is_given(item.name)),
                self.platform,
                self.previous.staying_sources() if self.previous else {},
            ),
            overrides=asked.overrides,
            unwanted=unwanted(self.requirements.overrides),
            bounds=[*(item for item in asked.pypi if item.name not in replaced), *asked.constraints],
            strategy=asked.strategy,
            pins=self.pins,
            kept=frozenset(wheel.wheel.filename for wheel in self.previous.solution.wheels)
            if self.previous
            else frozenset(),
            may_build=may_build,
            from_pypi=frozenset(item.name for item in asked.pypi) if asked.prefer_conda else None,
        )
        return PypiProvider(
            self.shared.source_for(self.platform),
            ownership,
            compatibility,
            self.shared.policy(asked, sources=sources),
            manifest,
            expected=pythons.among(conda_first),
            make_record=self.shared.make_record,
        )
