"""The projects of a solve: the candidates of each, fetched when somebody first asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.net.urls import without_secrets
from conjoin.solve.candidates.compatibility import Compatibility
from conjoin.solve.candidates.direct import Direct
from conjoin.solve.candidates.metadata import Dependency, ProjectSource
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.policy import CandidatePolicy
from conjoin.solve.candidates.project_candidates import (
    ProjectCandidates,
    direct_candidates,
    make_candidates,
)
from conjoin.solve.preferences.pins import Pins, pinned_candidates
from conjoin.solve.preferences.update import unyanked
from conjoin.spec.names import CondaName, ExtraName, PypiName
from conjoin.spec.requirements import PypiRequirement, Strategy

__all__ = ["Manifest", "Projects"]


class Manifest(msgspec.Struct, frozen=True):
    """What of a request bears on single projects.

    :ivar favoured: conda packages that the conda side wants anyway: their bridges beat wheels.
    :ivar direct: what the user named by URL or path, which replaces its project's candidates.
    :ivar overrides: requirements that replace what dependencies say of a project.
    :ivar unwanted: projects that nothing may depend on.
    :ivar bounds: requirements and constraints that hold whatever is chosen.
    :ivar strategy: which versions are preferred.
    :ivar pins: the packages of the environment that is being extended, None where there is none.
    :ivar kept: names of files that were locked before, which may stay although they were yanked since.
    :ivar may_build: whether a requirement that nothing else can meet has source distributions built.
    :ivar from_pypi: projects whose wheels are as good as conda's packages, None for all: wheels of others are
        taken where no conda package serves.
    """

    favoured: frozenset[CondaName] = frozenset()
    direct: Mapping[PypiName, Direct] = msgspec.field(default_factory=dict)
    overrides: Sequence[PypiRequirement] = ()
    unwanted: frozenset[PypiName] = frozenset()
    bounds: Sequence[PypiRequirement] = ()
    strategy: Strategy = "highest"
    pins: Pins | None = None
    kept: frozenset[str] = frozenset()
    may_build: bool = True
    from_pypi: frozenset[PypiName] | None = None


class Projects:
    """The candidates of projects, and what the request itself says of each.

    :param minor: the Python that will probably be chosen, to read sources with that the user named.
    """

    def __init__(
        self,
        source: ProjectSource,
        ownership: Ownership,
        compatibility: Compatibility,
        policy: CandidatePolicy,
        manifest: Manifest,
        minor: tuple[int, int] | None = None,
    ) -> None:
        self._source = source
        self._ownership = ownership
        self._compatibility = compatibility
        self._policy = policy
        self._manifest = manifest
        self._pins = manifest.pins
        self._minor = minor
        self._direct = dict(manifest.direct)
        self._overrides: dict[PypiName, list[PypiRequirement]] = {}
        for requirement in manifest.overrides:
            self._overrides.setdefault(requirement.name, []).append(requirement)
        self._bounds: dict[PypiName, list[str]] = {}
        for requirement in manifest.bounds:
            if not requirement.marker and requirement.specifier:
                self._bounds.setdefault(requirement.name, []).append(requirement.specifier)
        self._tasks: dict[PypiName, asyncio.Task[ProjectCandidates]] = {}
        self._loaded: dict[PypiName, ProjectCandidates] = {}
        self._excluded: dict[PypiName, tuple[ProjectCandidates, frozenset[int]]] = {}

    async def get(self, name: PypiName) -> ProjectCandidates:
        """Return a project's candidates; side by side callers share one fetch.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        loaded = self._loaded.get(name)
        if loaded is not None:
            return loaded
        task = self._loading(name)
        project = await task
        if self._tasks.get(name) is task:  # not dropped meanwhile
            self._loaded[name] = project
        return project

    async def get_all(self, names: Iterable[PypiName]) -> list[ProjectCandidates]:
        """Return the candidates of several projects; those that are not there yet are fetched all at once.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        wanted = list(names)
        missing = {name for name in wanted if name not in self._loaded}
        if missing:
            await asyncio.gather(*(self._loading(name) for name in sorted(missing)))
        return [await self.get(name) for name in wanted]

    def at_hand(self, name: PypiName) -> ProjectCandidates | None:
        """Return a project's candidates where somebody asked for them already."""
        return self._loaded.get(name)

    def loaded(self) -> dict[PypiName, ProjectCandidates]:
        """Return all projects fetched so far."""
        return {
            name: task.result()
            for name, task in self._tasks.items()
            if task.done() and not task.cancelled() and task.exception() is None
        }

    def forget(self, names: Iterable[PypiName]) -> list[PypiName]:
        """Drop projects whose owners turned out to be others: their ordinals move.

        :returns: those that are left.
        """
        for name in names:
            self._tasks.pop(name, None)
            self._loaded.pop(name, None)
        return list(self._tasks)

    def _loading(self, name: PypiName) -> asyncio.Task[ProjectCandidates]:
        if name not in self._tasks:
            self._tasks[name] = asyncio.ensure_future(self._load(name))
        return self._tasks[name]

    async def _load(self, name: PypiName) -> ProjectCandidates:
        owners = await self._ownership.owners(name)
        if self._pins is not None:
            pythons = self._compatibility.pythons
            pinned = await pinned_candidates(self._pins, name, owners.names, pythons, self._source)
            if pinned is not None:
                return pinned
        if name in self._direct:
            direct = self._direct[name]
            file = await self._direct_file(name, direct)
            self._direct[name] = replace(direct, file=file)
            return direct_candidates(file, name, owners.names, self._compatibility)
        project = unyanked(await self._source.project(name), self._manifest.kept)
        versions = {version for spelled in owners.versions.values() for version in spelled}
        return make_candidates(
            name,
            self._policy.eligible(project, versions),
            owners.versions,
            self._compatibility,
            project.index,
            bridging=self._policy.may_bridge(name),
            may_build=self._manifest.may_build,
        )

    async def _direct_file(self, name: PypiName, direct: Direct) -> Wheel | Sdist:
        if isinstance(direct.file, Wheel):
            return direct.file
        return await self._source.named_source(direct.file, name, self._minor, direct.hashes)

    def direct(self, name: PypiName) -> Direct | None:
        """Return what the user named by URL or path, once it was read with its version; None for nothing."""
        return self._direct.get(name)

    def is_foreign_url(self, dependency: Dependency) -> bool:
        """Tell whether a dependency names a URL that is not the one the user named for that project."""
        if not dependency.url:
            return False
        url = without_secrets(dependency.url)
        pinned = self._pins.wheels.get(dependency.name) if self._pins else None
        if pinned is not None and pinned.wheel.url == url:
            return False
        direct = self._direct.get(dependency.name)
        return direct is None or without_secrets(direct.url) != url

    def demanded(self, dependency: Dependency | PypiRequirement) -> tuple[str, tuple[ExtraName, ...]]:
        """Return the specifier and the extras of a dependency, the user's overrides in their place."""
        specifier, extras = dependency.specifier, dependency.extras
        overrides = self._overrides.get(dependency.name)
        if overrides is not None:
            specifier = ",".join(override.specifier for override in overrides if override.specifier)
            extras = tuple(sorted({*extras, *(each for override in overrides for each in override.extras)}))
        return specifier, extras

    def excluded(self, project: ProjectCandidates) -> frozenset[int]:
        """Return the ordinals that the request itself rules out: the solver need not see them."""
        bounds = self._bounds.get(project.name)
        if not bounds:
            return frozenset()
        known, excluded = self._excluded.get(project.name, (None, frozenset[int]()))
        if known is not project:
            inside = set.intersection(*(set(project.ordinals.allowed(bound)) for bound in bounds))
            excluded = frozenset(project.ordinals.allowed("")) - inside
            self._excluded[project.name] = project, excluded
        return excluded

    async def is_in_vain(self, dependencies: Sequence[Dependency]) -> bool:
        """Tell whether one of these asks for versions that nobody has: a release goes up before its twin.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        projects = await self.get_all(each.name for each in dependencies)
        return any(
            self._has_none(project, self.demanded(each)[0])
            for each, project in zip(dependencies, projects, strict=True)
        )

    def _has_none(self, project: ProjectCandidates, specifier: str) -> bool:
        allowed, excluded = project.ordinals.allowed(specifier), self.excluded(project)
        return all(ordinal in excluded for ordinal in allowed) if excluded else not allowed
