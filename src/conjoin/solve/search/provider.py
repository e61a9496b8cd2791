"""The PyPI side of a solve: projects as pools of candidates, and what is known of them so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from packaging.version import Version

from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.net.urls import without_secrets
from conjoin.solve.candidates.compatibility import WheelJudge
from conjoin.solve.candidates.direct import Direct
from conjoin.solve.candidates.encoding import make_record, solver_name
from conjoin.solve.candidates.metadata import Dependency, Knowledge, ProjectSource
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.policy import Admission
from conjoin.solve.candidates.project_candidates import Bridge, Candidate, ProjectPool, direct_pool, make_pool
from conjoin.solve.candidates.pythons import Mask, PythonPool, is_valid_version
from conjoin.solve.preferences.pins import PinnedSource, Pins, pinned_pool, still_open
from conjoin.solve.preferences.update import Steering, unyanked
from conjoin.spec.names import CondaName, ExtraName, PypiName
from conjoin.spec.requirements import PypiRequirement, Strategy

if TYPE_CHECKING:
    from rattler import RepoDataRecord

    from conjoin.build.built_wheels import BuiltWheel

__all__ = ["PypiWorld", "Wishes"]

_WIDTH = 16
"""Versions that the solver is shown first for each requirement, of those it allows."""
_WIDER = 160
"""How many it is shown next, where they do not suffice; then everything."""
_EVERYTHING = 1 << 30
_FAILURES = 3
"""Builds of one project that may fail before its other releases are left aside: each may take minutes."""


class Wishes(msgspec.Struct, frozen=True):
    """What of a request bears on single projects.

    :ivar favoured: conda packages that the conda side wants anyway: their bridges beat wheels.
    :ivar direct: what the user named by URL or path, which replaces its project's pool.
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
    direct: dict[PypiName, Direct] = msgspec.field(default_factory=dict)
    overrides: Sequence[PypiRequirement] = ()
    unwanted: frozenset[PypiName] = frozenset()
    bounds: Sequence[PypiRequirement] = ()
    strategy: Strategy = "highest"
    pins: Pins | None = None
    kept: frozenset[str] = frozenset()
    may_build: bool = True
    from_pypi: frozenset[PypiName] | None = None


class PypiWorld:
    """Pools, fetched when first asked for, and the knowledge of their candidates, which only grows.

    :ivar make_record: makes records, or returns what it made for another platform.
    :ivar built: wheels made of chosen source distributions, by the URL of the source.
    :ivar expected_minor: the Python that will probably be chosen, to build with.
    """

    def __init__(
        self,
        source: ProjectSource,
        ownership: Ownership,
        judge: WheelJudge,
        admission: Admission,
        wishes: Wishes | None = None,
        make_record: Callable[..., RepoDataRecord] = make_record,
    ) -> None:
        self.wishes = wishes or Wishes()
        self.make_record = make_record
        self.pins = self.wishes.pins
        if self.pins is not None:
            source = PinnedSource(source, self.pins)
        self.knowledge = Knowledge(source, self.wishes.unwanted)
        self.ownership = ownership
        self.judge = judge
        self.pythons: PythonPool = judge.pythons
        self._source = source
        self._admission = admission
        self._overrides: dict[PypiName, list[PypiRequirement]] = {}
        for requirement in self.wishes.overrides:
            self._overrides.setdefault(requirement.name, []).append(requirement)
        self._bounds: dict[PypiName, list[str]] = {}
        for requirement in self.wishes.bounds:
            if not requirement.marker and requirement.specifier:
                self._bounds.setdefault(requirement.name, []).append(requirement.specifier)
        self._pools: dict[PypiName, asyncio.Task[ProjectPool]] = {}
        self._loaded: dict[PypiName, ProjectPool] = {}
        self._changed: set[PypiName] = set()
        self._ages: dict[PypiName, int] = {}
        self._spoken: dict[tuple[str, str], str] = {}
        self._extras: dict[PypiName, set[str]] = {}
        self._specifiers: dict[PypiName, set[str]] = {}
        self._reopened: set[PypiName] = set()
        if self.pins is not None:
            for name, file in self.pins.files.items():
                self.knowledge.presume(file, self.pins.presumed(name))
        self._width = _WIDTH if self.wishes.strategy == "highest" else _EVERYTHING
        self.built: dict[str, BuiltWheel] = {}
        self.expected_minor: tuple[int, int] | None = None

    async def pool(self, name: PypiName) -> ProjectPool:
        """Return a project's pool; side by side callers share one fetch.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        loaded = self._loaded.get(name)
        if loaded is not None:
            return loaded
        task = self._loading(name)
        pool = await task
        if self._pools.get(name) is task:  # not dropped meanwhile
            self._loaded[name] = pool
        return pool

    async def pools(self, names: Iterable[PypiName]) -> list[ProjectPool]:
        """Return the pools of several projects; those that are not there yet are fetched all at once.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        wanted = list(names)
        missing = {name for name in wanted if name not in self._loaded}
        if missing:
            await asyncio.gather(*(self._loading(name) for name in sorted(missing)))
        return [await self.pool(name) for name in wanted]

    def _loading(self, name: PypiName) -> asyncio.Task[ProjectPool]:
        if name not in self._pools:
            self._pools[name] = asyncio.ensure_future(self._load_pool(name))
        return self._pools[name]

    async def _load_pool(self, name: PypiName) -> ProjectPool:
        owners = await self.ownership.owners(name)
        if self.pins is not None:
            pinned = await pinned_pool(self.pins, name, owners.names, self.pythons, self._source)
            if pinned is not None:
                return pinned
        if name in self.wishes.direct:
            file = await self._direct_file(name, self.wishes.direct[name])
            self.wishes.direct[name] = replace(self.wishes.direct[name], file=file)
            return direct_pool(file, name, owners.names, self.judge)
        project = unyanked(await self._source.project(name), self.wishes.kept)
        versions = {version for spelled in owners.versions.values() for version in spelled}
        return make_pool(
            name,
            self._admission.admit(project, versions),
            owners.versions,
            self.judge,
            project.index,
            bridging=self._admission.may_bridge(name),
            may_build=self.wishes.may_build,
        )

    async def _direct_file(self, name: PypiName, direct: Direct) -> Wheel | Sdist:
        if isinstance(direct.file, Wheel):
            return direct.file
        return await self._source.named_source(direct.file, name, self.expected_minor, direct.hashes)

    def excluded(self, pool: ProjectPool) -> frozenset[int]:
        """Return the ordinals that the request itself rules out: the solver need not see them."""
        bounds = self._bounds.get(pool.name)
        if not bounds:
            return frozenset()
        inside = set.intersection(*(set(pool.ordinals.allowed(bound)) for bound in bounds))
        return frozenset(pool.ordinals.allowed("")) - inside

    async def is_in_vain(self, dependencies: Sequence[Dependency]) -> bool:
        """Tell whether one of these asks for versions that nobody has: a release goes up before its twin.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        pools = await self.pools(each.name for each in dependencies)
        return any(
            not set(pool.ordinals.allowed(self.demanded(each)[0])) - self.excluded(pool)
            for each, pool in zip(dependencies, pools, strict=True)
        )

    def loaded(self) -> dict[PypiName, ProjectPool]:
        """Return all pools fetched so far."""
        return {
            name: task.result()
            for name, task in self._pools.items()
            if task.done() and not task.cancelled() and task.exception() is None
        }

    def show(self, pool: ProjectPool, specifier: str, count: int) -> None:
        """Show the solver the highest ``count`` versions that a specifier allows."""
        if pool.show(specifier, count):
            self._note_change([pool.name])

    def widen(self) -> bool:
        """Show the solver more of every project; return whether there was more to show."""
        if self._width >= _EVERYTHING:
            return False
        self._width = _WIDER if self._width < _WIDER else _EVERYTHING
        for name, pool in self.loaded().items():
            for specifier in self._specifiers.get(name, ()):
                self.show(pool, specifier, self._width)
        return True

    @property
    def has_changed(self) -> bool:
        """Whether more is known or shown than at the last call of :meth:`take_changed`."""
        return bool(self._changed)

    def forget(self, projects: Iterable[PypiName]) -> None:
        """Drop pools whose owners turned out to be others: their ordinals move."""
        for name in projects:
            self._pools.pop(name, None)
            self._loaded.pop(name, None)
        self._spoken.clear()
        self._note_change([*self._pools, *projects])

    async def learn(self, chosen: Iterable[Candidate | Bridge]) -> None:
        """Read the metadata of candidates (of bridges: of the wheel) that nobody has looked at.

        :raises Unreachable: where an index cannot be reached.
        """
        files = [(each.project, each.file) for each in chosen if each.file is not None]
        fresh = [(name, file) for name, file in files if self.knowledge.is_open(file)]
        self._note_change(await self.knowledge.learn(fresh, self.expected_minor))
        for name, file in fresh:
            self._leave_settled(name, file)
        demanded = [(name, file) for name, file in fresh if self._admission.hashes(name)]
        if demanded:
            await asyncio.gather(*(self._check_hash(name, file) for name, file in demanded))
        for name, file in fresh:
            self._drop_if_unusable(name, file)

    def _leave_settled(self, name: PypiName, file: Wheel | Sdist) -> None:
        """Forget of a pinned wheel's dependencies those that the pins satisfy already."""
        known = self.knowledge.known(file)
        if name in self._reopened and self.pins is not None and known is not None:
            self.knowledge.settle(file, still_open(known, self.pins.wheels[name].extras, self.pythons))

    def _drop_if_unusable(self, name: PypiName, file: Wheel | Sdist) -> None:
        pool = self._loaded.get(name)
        if pool is not None and self.knowledge.unusable(file) is not None:
            pool.drop(file)
            self._note_change([name])
            if isinstance(file, Sdist) and sum(isinstance(each, Sdist) for each in pool.dropped) == _FAILURES:
                for older in pool.give_up_building():
                    self.knowledge.refuse(older, f"was not tried, as {_FAILURES} others cannot be built")

    async def _check_hash(self, name: PypiName, file: Wheel | Sdist) -> None:
        """Refuse a file that has none of the hashes asked for, where its index announced none."""
        demanded = self._admission.hashes(name)
        if demanded and file.sha256 is None and self.knowledge.known(file) is not None:
            digest, _ = await self._source.hash_of(file)
            if f"sha256:{digest}" not in demanded:
                self.knowledge.refuse(file, "has none of the hashes asked for")

    async def build(self, candidate: Candidate, python: Mask) -> bool:
        """Build a chosen source distribution; where its wheel cannot serve the chosen Python, refuse it.

        :returns: whether it serves.
        """
        assert isinstance(candidate.file, Sdist)
        try:
            built = await self._source.build(candidate.file, candidate.project, self.expected_minor)
        except MetadataUnusable as error:
            reason = error.reason
        else:
            if self.judge.runs_on(built.tags) & python:
                self.built[candidate.file.url] = built
                return True
            reason = (
                f"gives {built.path.name} when built here, which cannot serve the target; a pure wheel would"
            )
        self.knowledge.refuse(candidate.file, reason)
        self._drop_if_unusable(candidate.project, candidate.file)
        return False

    def take_changed(self) -> set[PypiName]:
        """Return the projects of which more is known than at the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def age(self, name: PypiName) -> int:
        """Return how often something of a project was shown, learned or dropped so far."""
        return self._ages.get(name, 0)

    def _note_change(self, names: Iterable[PypiName]) -> None:
        for name in names:
            self._changed.add(name)
            self._ages[name] = self._ages.get(name, 0) + 1

    def mask(self, candidate: Candidate) -> Mask:
        """Return the Pythons a candidate serves, as far as is known."""
        known = self.knowledge.known(candidate.file)
        if known is None:
            return candidate.mask
        limit = self.pythons.requires_python(known.metadata.requires_python)
        return candidate.mask & (limit or 0)

    def may_apply(self, dependency: Dependency, extra: str = "") -> bool:
        """Tell whether a dependency applies for any Python, with an extra being asked for."""
        return dependency.marker is None or bool(self.pythons.marker(dependency.marker, extra))

    async def spec(self, name: PypiName, extra: str, specifier: str) -> str:
        """Return a MatchSpec for a requirement on a project, or on one of its extras."""
        pool = await self.pool(name)
        self._specifiers.setdefault(name, set()).add(specifier)
        self.show(pool, specifier, self._width)
        subject = solver_name(name, extra)
        expression = pool.ordinals.expression(specifier)
        self._spoken[(subject, expression)] = specifier
        return f"{subject} {expression}".strip()

    def demanded(self, dependency: Dependency | PypiRequirement) -> tuple[str, tuple[ExtraName, ...]]:
        """Return the specifier and the extras of a dependency, the user's overrides in their place."""
        specifier, extras = dependency.specifier, dependency.extras
        overrides = self._overrides.get(dependency.name)
        if overrides is not None:
            specifier = ",".join(override.specifier for override in overrides if override.specifier)
            extras = tuple(sorted({*extras, *(each for override in overrides for each in override.extras)}))
        return specifier, extras

    async def specs(self, dependency: Dependency | PypiRequirement) -> list[str]:
        """Return the MatchSpecs for a dependency: the project, then each extra."""
        specifier, extras = self.demanded(dependency)
        self._extras.setdefault(dependency.name, set()).update(extras)
        self._reopen_for(dependency.name, extras)
        return [await self.spec(dependency.name, extra, specifier) for extra in ("", *extras)]

    def _reopen_for(self, name: PypiName, extras: Iterable[str]) -> None:
        """Have a pinned wheel read once somebody asks for an extra that was not asked for before."""
        pinned = self.pins.wheels.get(name) if self.pins else None
        if pinned is None or name in self._reopened or set(extras) <= set(pinned.extras):
            return
        assert self.pins is not None
        self._reopened.add(name)
        self.knowledge.reopen(self.pins.files[name])
        self._note_change([name])

    def is_foreign_url(self, dependency: Dependency) -> bool:
        """Tell whether a dependency names a URL that is not the one the user named for that project."""
        if not dependency.url:
            return False
        url = without_secrets(dependency.url)
        pinned = self.pins.wheels.get(dependency.name) if self.pins else None
        if pinned is not None and pinned.wheel.url == url:
            return False
        direct = self.wishes.direct.get(dependency.name)
        return direct is None or without_secrets(direct.url) != url

    def extras_of(self, name: PypiName) -> list[str]:
        """Return the extras of a project that somebody asked for so far."""
        return sorted(self._extras.get(name, ()))

    async def all_specs(self, dependencies: Iterable[Dependency]) -> list[str]:
        """Return the MatchSpecs of several dependencies, in their order."""
        return [spec for dependency in dependencies for spec in await self.specs(dependency)]

    def steered(self, steering: Steering) -> list[str]:
        """Return where projects in play must stand, as MatchSpecs."""
        pools = self.loaded()
        held = [
            f"{solver_name(name)} {pools[name].ordinals.expression(f'==={version}')}"
            for name, version in steering.pypi_held()
            if name in pools
        ]
        above = [
            f"{solver_name(name)} {pools[name].ordinals.above(Version(version))}"
            for name, version in steering.pypi_above()
            if name in pools and is_valid_version(version)
        ]
        return [*held, *above]

    def spoken(self) -> dict[tuple[str, str], str]:
        """Return, for (solver name, ordinal expression), the specifier that people typed."""
        return dict(self._spoken)
