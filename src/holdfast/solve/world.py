"""The PyPI side of a solve: pools, what is known of them, and the records they become."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.version import Version

from holdfast.index.project import CoreMetadata, Wheel
from holdfast.solve.admission import Admission
from holdfast.solve.encoding import (
    Meaning,
    evicting,
    is_solver_name,
    make_record,
    read_name,
    solver_name,
    token_project,
    variants,
    wheel_token,
)
from holdfast.solve.knowledge import Dependency, Known, Knowledge, ProjectSource
from holdfast.solve.lockstep import Lockstep, common_lockstep
from holdfast.solve.ownership import Ownership
from holdfast.solve.pool import Bridge, Candidate, ProjectPool, WheelJudge, direct_pool, make_pool
from holdfast.solve.pythons import Mask, PythonPool
from holdfast.spec.names import CondaName, PypiName
from holdfast.spec.requirements import PypiRequirement

if TYPE_CHECKING:
    from rattler import PackageName, RepoDataRecord, Subdir

__all__ = ["PypiWorld"]

_ROOT = "pypi--request--conditional"  # no project's name has two dashes in a row
_NOTHING = CoreMetadata(name=PypiName("request"), version=Version("0"))
# Build numbers decide between a wheel and a bridge of the same version (design 5, preference 3).
_FAVOURED_BRIDGE, _WHEEL, _BRIDGE = 2, 1, 0


class PypiWorld:
    """PyPI as a py-rattler ``RepoDataSource``.

    :param favoured: conda packages that the conda side wants anyway: their bridges beat wheels.
    :param direct: files the user named by URL or path, which replace their project's pool.
    :param overrides: requirements that replace what dependencies say of a project.
    """

    def __init__(
        self,
        source: ProjectSource,
        ownership: Ownership,
        pythons: PythonPool,
        judge: WheelJudge,
        admission: Admission,
        *,
        favoured: frozenset[CondaName] = frozenset(),
        direct: dict[PypiName, Wheel] | None = None,
        overrides: Sequence[PypiRequirement] = (),
    ) -> None:
        self.knowledge = Knowledge(source)
        self.pythons = pythons
        self.ownership = ownership
        self._source = source
        self.judge = judge
        self._admission = admission
        self._favoured = favoured
        self._direct = direct or {}
        self._overrides = {requirement.name: requirement for requirement in overrides}
        self._pools: dict[PypiName, asyncio.Task[ProjectPool]] = {}
        self.expecting = True
        self._records: dict[str, list[RepoDataRecord]] = {}
        self._built: dict[tuple[str, int], tuple[object, list[RepoDataRecord]]] = {}
        self._lockstep: dict[PypiName, frozenset[Lockstep]] = {}
        self._meanings: dict[tuple[str, str, str], Meaning] = {}
        self._spoken: dict[tuple[str, str], str] = {}

    # -- pools

    async def pool(self, name: PypiName) -> ProjectPool:
        """Return a project's pool; side by side callers share one fetch.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        if name not in self._pools:
            self._pools[name] = asyncio.ensure_future(self._load_pool(name))
        return await self._pools[name]

    async def _load_pool(self, name: PypiName) -> ProjectPool:
        owners = await self.ownership.owners(name)
        if name in self._direct:
            return direct_pool(self._direct[name], name, owners.names, self.judge)
        project = await self._source.project(name)
        versions = {version for spelled in owners.versions.values() for version in spelled}
        admitted = self._admission.admit(project, versions)
        return make_pool(name, admitted, owners.versions, owners.names, self.judge, project.index)

    def loaded(self) -> dict[PypiName, ProjectPool]:
        """Return all pools fetched so far."""
        return {name: task.result() for name, task in self._pools.items() if task.done()}

    def forget(self, projects: Iterable[PypiName]) -> None:
        """Drop pools whose owners turned out to be others, with every record that may speak of them."""
        for name in projects:
            self._pools.pop(name, None)
        self._records.clear()
        self._built.clear()
        self._meanings.clear()
        self._spoken.clear()

    # -- requirements

    async def spec(self, name: PypiName, extra: str, specifier: str) -> str:
        """Return a MatchSpec for a requirement on a project, or on one of its extras.

        :raises packaging.specifiers.InvalidSpecifier: where the specifier is none.
        """
        pool = await self.pool(name)
        subject = solver_name(name, extra)
        # A direct file is what the user asked for, whatever version range others would like to see... but
        # its version must still satisfy them.
        expression = pool.ordinals.expression(specifier)
        self._spoken[(subject, expression)] = specifier
        return f"{subject} {expression}".strip()

    async def specs(self, dependency: Dependency | PypiRequirement) -> list[str]:
        """Return the MatchSpecs for a dependency: the project, then each extra."""
        specifier = dependency.specifier
        override = self._overrides.get(dependency.name)
        if override is not None and isinstance(dependency, Dependency):
            specifier = override.specifier
        return [await self.spec(dependency.name, extra, specifier) for extra in ("", *dependency.extras)]

    def marker_mask(self, requirement: PypiRequirement) -> Mask:
        """Return the Pythons for which a requirement of the user applies."""
        if not requirement.marker:
            return self.pythons.all
        return self.pythons.marker(Marker(requirement.marker))

    async def conditional_root(self, requirements: Sequence[PypiRequirement]) -> list[str]:
        """Return specs for requirements that apply to some Pythons only.

        The solver has no conditional specs, so they hang on a package of their own, with one record for
        each set of Pythons that the same requirements apply to.
        """
        if not requirements:
            return []
        if _ROOT not in self._records:
            known = Known(_NOTHING, tuple(_as_dependency(item) for item in requirements))
            self._records[_ROOT] = [
                make_record(_ROOT, 1, f"r{number}", 0, [*part.python_specs, *await self._all_specs(part.dependencies)])
                for number, part in enumerate(variants(self.pythons.all, known, "", self.pythons))
            ]
        return [_ROOT]

    def spoken(self) -> dict[tuple[str, str], str]:
        """Return, for (solver name, ordinal expression), the specifier that people typed."""
        return dict(self._spoken)

    # -- the RepoDataSource protocol

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of one name; py-rattler asks for every name it meets."""
        text = str(name.normalized)
        if str(platform) != "noarch" or not is_solver_name(text):
            return []
        if text not in self._records:
            self._records[text] = await self._build_records(text)
        return self._records[text]

    def package_names(self, platform: Subdir) -> list[str]:  # noqa: ARG002 - the protocol's signature
        """Return no names: PyPI has too many, and the solver does not need them."""
        return []

    # -- records

    async def _build_records(self, name: str) -> list[RepoDataRecord]:
        marked = token_project(name)
        if marked is not None:
            owners = (await self.pool(marked)).owners
            return [make_record(name, 1, "w", 0, [], [evicting(owner) for owner in owners])]
        project, extra = read_name(name)
        pool = await self.pool(project)
        await self._load_dependencies(pool)
        expected = self._expectations(pool)
        records: list[RepoDataRecord] = []
        for candidate in pool.candidates:
            if self.knowledge.unusable(candidate.wheel) is None:
                records.extend(await self._kept_records(name, pool, candidate, extra or "", expected))
        for bridge in pool.bridges:
            records.extend(await self._bridge_records(name, pool, bridge, extra or ""))
        return records

    async def _kept_records(
        self,
        name: str,
        pool: ProjectPool,
        candidate: Candidate,
        extra: str,
        expected: frozenset[Lockstep],
    ) -> list[RepoDataRecord]:
        """Return a candidate's records, made anew only where more is known of it than when they were made."""
        known = self.knowledge.known(candidate.wheel)
        state: object = True if known else (expected if not extra else None)
        key = (name, candidate.number)
        if key not in self._built or self._built[key][0] != state:
            self._built[key] = (state, await self._candidate_records(name, pool, candidate, extra, expected))
        return self._built[key][1]

    def _expectations(self, pool: ProjectPool) -> frozenset[Lockstep]:
        if not self.expecting:
            return frozenset()
        if pool.name not in self._lockstep:
            read = (self.knowledge.known(candidate.wheel) for candidate in pool.candidates)
            self._lockstep[pool.name] = common_lockstep(known for known in read if known)
        return self._lockstep[pool.name]

    def expect(self, expecting: bool) -> None:
        """Let unread releases be expected to depend as their family does, or take nothing for granted."""
        if expecting != self.expecting:
            self.expecting = expecting
            self._records.clear()

    async def _load_dependencies(self, pool: ProjectPool) -> None:
        """Fetch the pools that known candidates speak of, all at once rather than one by one."""
        names = {
            dependency.name
            for candidate in pool.candidates
            if (known := self.knowledge.known(candidate.wheel))
            for dependency in known.dependencies
            if self._may_apply(dependency)
        }
        await asyncio.gather(*(self.pool(name) for name in names if name not in self._pools))

    def _may_apply(self, dependency: Dependency) -> bool:
        return dependency.marker is None or bool(self.pythons.marker(dependency.marker))

    def mask(self, candidate: Candidate) -> Mask:
        """Return the Pythons a candidate serves, as far as is known."""
        known = self.knowledge.known(candidate.wheel)
        if known is None:
            return candidate.mask
        limit = self.pythons.requires_python(known.metadata.requires_python)
        return candidate.mask & (limit or 0)

    async def _candidate_records(
        self,
        name: str,
        pool: ProjectPool,
        candidate: Candidate,
        extra: str,
        expected: frozenset[Lockstep],
    ) -> list[RepoDataRecord]:
        known = self.knowledge.known(candidate.wheel)
        if known is not None and not self._check_urls(candidate, known):
            return []
        token = [wheel_token(pool.name)] if pool.owners else []
        records = []
        for number, base in enumerate(variants(self.mask(candidate), known, "", self.pythons)):
            build = f"w{candidate.number}_{number}"
            if not extra:
                depends = [*base.python_specs, *token, *await self._all_specs(base.dependencies)]
                if known is None:
                    depends += await self._expected_specs(candidate, expected)
                records.append(
                    self._record(
                        name, candidate.ordinal, build, _WHEEL, depends, candidate, base.dependencies
                    )
                )
                continue
            exact = f"{solver_name(pool.name)} =={candidate.ordinal} {build}"
            for part, added in enumerate(variants(base.mask, known, extra, self.pythons)):
                depends = [*added.python_specs, exact, *await self._all_specs(added.dependencies)]
                records.append(
                    self._record(
                        name,
                        candidate.ordinal,
                        f"{build}_{part}",
                        _WHEEL,
                        depends,
                        candidate,
                        added.dependencies,
                    )
                )
        return records

    async def _expected_specs(self, candidate: Candidate, expected: frozenset[Lockstep]) -> list[str]:
        specs = []
        for lockstep in sorted(expected, key=lambda item: item.name):
            ordinals = (await self.pool(lockstep.name)).ordinals
            low, high = lockstep.bounds(candidate.wheel.version)
            if lockstep.exact:
                expression = f"=={ordinals.of(low)}" if low in ordinals else "==0"
            else:
                expression = ordinals.between(low, high)
            specs.append(f"{solver_name(lockstep.name)} {expression}")
        return specs

    def _check_urls(self, candidate: Candidate, known: Known) -> bool:
        """Refuse a candidate that depends on a URL, unless the user named the candidate itself by URL."""
        for dependency in known.dependencies:
            if dependency.url and self._may_apply(dependency) and dependency.name not in self._direct:
                self.knowledge.refuse(
                    candidate.wheel,
                    f"depends on a URL ({dependency.name} @ ...), which only the user may ask for",
                )
                return False
        return True

    async def _bridge_records(
        self, name: str, pool: ProjectPool, bridge: Bridge, extra: str
    ) -> list[RepoDataRecord]:
        # By number: a build string may not hold all that a conda name may.
        build = f"conda_{pool.owners.index(bridge.conda)}"
        number = _FAVOURED_BRIDGE if bridge.conda in self._favoured else _BRIDGE
        if not extra:
            alternatives = "|".join(f"=={spelling}" for spelling in bridge.spellings)
            depends = [f"{bridge.conda} {alternatives}"]
            return [self._record(name, bridge.ordinal, build, number, depends, bridge, ())]
        if bridge.wheel is None or self.knowledge.unusable(bridge.wheel) is not None:
            return []
        known = self.knowledge.known(bridge.wheel)
        exact = f"{solver_name(bridge.project)} =={bridge.ordinal} {build}"
        records = []
        for part, added in enumerate(variants(self.pythons.all, known, extra, self.pythons)):
            depends = [*added.python_specs, exact, *await self._all_specs(added.dependencies)]
            records.append(
                self._record(
                    name, bridge.ordinal, f"{build}_{part}", number, depends, bridge, added.dependencies
                )
            )
        return records

    async def _all_specs(self, dependencies: Iterable[Dependency]) -> list[str]:
        specs: list[str] = []
        for dependency in dependencies:
            specs.extend(await self.specs(dependency))
        return specs

    def _record(
        self,
        name: str,
        ordinal: int,
        build: str,
        build_number: int,
        depends: Sequence[str],
        chosen: Candidate | Bridge,
        dependencies: tuple[Dependency, ...],
    ) -> RepoDataRecord:
        extra = read_name(name)[1] or ""
        self._meanings[(name, str(ordinal), build)] = Meaning(chosen, extra, dependencies)
        return make_record(name, ordinal, build, build_number, depends)

    # -- reading a solution, learning from it

    def meaning(self, record: RepoDataRecord) -> Meaning | None:
        """Return what a record of a solution stands for, None where it is a conda package."""
        key = (str(record.name.normalized), str(record.version), str(record.build))
        return self._meanings.get(key)

    async def learn(self, wheels: Iterable[Wheel]) -> None:
        """Read wheels' metadata; the records of their projects are made anew when next asked for.
        """
        for wheel in await self.knowledge.learn(wheels):
            project = wheel_project(wheel)
            self._lockstep.pop(project, None)
            for name in [name for name in self._records if read_name(name)[0] == project]:
                del self._records[name]


def _as_dependency(requirement: PypiRequirement) -> Dependency:
    return Dependency(
        requirement.name,
        requirement.extras,
        requirement.specifier,
        Marker(requirement.marker) if requirement.marker else None,
        requirement.url,
        str(requirement),
    )


def wheel_project(wheel: Wheel) -> PypiName:
    """Return the project a wheel's file name says it is of."""
    from packaging.utils import canonicalize_name

    return PypiName(canonicalize_name(wheel.filename.split("-", 1)[0]))
