"""PyPI projects as records of the conda solver, made when the solver asks for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from packaging.version import InvalidVersion, Version

from conjoin.index.pypi.project import CoreMetadata, Sdist, Wheel
from conjoin.solve.candidates.encoding import (
    CONDITIONAL_ROOT,
    Meaning,
    Variant,
    as_dependency,
    evicting,
    is_solver_name,
    make_record,
    read_name,
    solver_name,
    token_project,
    variants,
    wheel_token,
)
from conjoin.solve.candidates.metadata import Dependency, Known
from conjoin.solve.candidates.project_candidates import Bridge, Candidate, ProjectCandidates
from conjoin.solve.candidates.release_family import Lockstep, common_lockstep
from conjoin.solve.preferences.update import UpdateSteering
from conjoin.solve.search.provider import PypiProvider
from conjoin.solve.solution import ChosenConda, ChosenWheel
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import PypiRequirement

if TYPE_CHECKING:
    from rattler import PackageName, RepoDataRecord, Subdir

__all__ = ["PypiRecords"]

_NOTHING = CoreMetadata(name=PypiName("request"), version=Version("0"))
# Build numbers decide between a wheel and a bridge of the same version (design 5, preference 3).
_FAVOURED_BRIDGE, _WHEEL, _BRIDGE = 2, 1, 0
_GRAIN = 8
"""Releases that share an expectation; exact ones cost a second for boto3's 2,200 against botocore's 2,500."""


_Refused: TypeAlias = "tuple[Wheel | Sdist, str]"
"""A file that cannot be chosen, and why."""


class _Subject(msgspec.Struct, frozen=True):
    """What records are being made for: a project, or one of its extras.

    :ivar yields: whether a wheel is taken only where no conda package serves.
    """

    name: str
    pool: ProjectCandidates
    extra: str
    expected: frozenset[Lockstep]
    yields: bool


class PypiRecords:
    """A py-rattler ``RepoDataSource`` over a :class:`PypiProvider`.

    :ivar expecting: whether unread releases are expected to depend as their family does (see
        :mod:`conjoin.solve.candidates.release_family`), or nothing is taken for granted.
    """

    def __init__(self, provider: PypiProvider) -> None:
        self._provider = provider
        self.expecting = True
        self._records: dict[str, list[RepoDataRecord]] = {}
        self._built: dict[tuple[str, str], tuple[object, list[RepoDataRecord]]] = {}
        self._lockstep: dict[PypiName, frozenset[Lockstep]] = {}
        self._meanings: dict[tuple[str, str, str], Meaning] = {}
        self._settled: set[tuple[str, str]] = set()
        self._seen: dict[PypiName, object] = {}
        """What of each project the solver was shown the dependencies of, when they were last looked at."""

    def forget(self) -> None:
        """Drop every record: pools were dropped, so the ordinals in kept records may be wrong."""
        self._settled.clear()
        self._seen.clear()
        self._records.clear()
        self._built.clear()
        self._meanings.clear()

    def refresh(self, *, expecting: bool) -> None:
        """Drop what is out of date; to be called before each round."""
        changed = self._provider.window.take_changed()
        if expecting != self.expecting:
            self.expecting = expecting
            self._records.clear()
        for name in [name for name in self._records if read_name(name)[0] in changed]:
            del self._records[name]
        for project in changed:
            self._lockstep.pop(project, None)

    async def settle(self) -> None:
        """Show the solver what the dependencies of all that is known allow, before it asks."""
        grew = True
        while grew:
            grew = False
            for pool in list(self._provider.projects.loaded().values()):
                extras = ("", *self._provider.specs.extras_of(pool.name))
                state = (self._provider.window.age(pool.name), extras, self.expecting)
                if self._seen.get(pool.name) == state:
                    continue
                self._seen[pool.name] = state
                for candidate in list(pool.candidates):
                    known = self._provider.metadata.known(candidate.file)
                    if known is None:
                        if expected := self._expectations(pool):
                            await self._expected_specs(expected, candidate)
                        continue
                    for extra in extras:
                        if (candidate.file.url, extra) not in self._settled:
                            grew |= await self._settle(candidate.file.url, known, extra)

    async def _settle(self, url: str, known: Known, extra: str) -> bool:
        self._settled.add((url, extra))
        needed = [each for each in known.dependencies if self._may_apply(each, extra)]
        await self._provider.specs.all_specs(needed)
        return bool(needed)

    async def favoured(self, steering: UpdateSteering, python: RepoDataRecord | None) -> list[RepoDataRecord]:
        """Return the records of what should stay as it was, of the projects in play.

        :param python: the one that is expected: of a wheel's records, the one for it.
        """
        wheels, owners = steering.staying()
        found: list[RepoDataRecord] = []
        for name, pool in sorted(self._provider.projects.loaded().items()):
            wheel, owner = wheels.get(name), owners.get(name)
            version = wheel.wheel.version if wheel else _pep440(owner)
            if version is None or version not in pool.ordinals:
                continue
            self._provider.window.show(pool, f"==={version}", 1)
            for extra in ("", *self._provider.specs.extras_of(name)):
                for record in await self._records_of(solver_name(name, extra)):
                    meaning = self.meaning(record)
                    if meaning and _is_it(meaning.chosen, wheel, owner) and _serves(record, python):
                        found.append(record)
                        break
        return found

    def meaning(self, record: RepoDataRecord) -> Meaning | None:
        """Return what a record of a solution stands for, None where it is a conda package."""
        key = (str(record.name.normalized), str(record.version), str(record.build))
        return self._meanings.get(key)

    async def conditional_root(
        self, requirements: Sequence[PypiRequirement], constraints: Sequence[PypiRequirement]
    ) -> list[str]:
        """Return specs for requirements and constraints that apply to some Pythons only.

        The solver has no conditional specs, so they hang on a package of their own, with one record for
        each set of Pythons that the same ones apply to.
        """
        if not requirements and not constraints:
            return []
        if CONDITIONAL_ROOT not in self._records:
            wanted = [as_dependency(item) for item in requirements]
            bounds = [as_dependency(item) for item in constraints]
            known = Known(_NOTHING, (*wanted, *bounds))
            parts = variants(self._provider.pythons.all, known, "", self._provider.pythons)
            self._records[CONDITIONAL_ROOT] = [
                make_record(
                    CONDITIONAL_ROOT,
                    1,
                    f"r{number}",
                    depends=[
                        *part.python_specs,
                        *await self._provider.specs.all_specs(
                            each for each in part.dependencies if each in wanted
                        ),
                    ],
                    constrains=[
                        await self._provider.specs.spec(each.name, "", each.specifier)
                        for each in part.dependencies
                        if each in bounds
                    ],
                )
                for number, part in enumerate(parts)
            ]
        return [CONDITIONAL_ROOT]

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of one name; py-rattler asks for every name it meets."""
        text = str(name.normalized)
        if str(platform) != "noarch" or not is_solver_name(text):
            return []
        return await self._records_of(text)

    async def _records_of(self, text: str) -> list[RepoDataRecord]:
        if text not in self._records:
            self._records[text], refused = await self._make(text)
            for file, reason in refused:
                self._provider.metadata.refuse(file, reason)
        return self._records[text]

    def package_names(self, platform: Subdir) -> list[str]:
        """Return no names: PyPI has too many, and the solver does not need them."""
        return []

    async def _make(self, name: str) -> tuple[list[RepoDataRecord], list[_Refused]]:
        """Return the records of one name, and the files that cannot have any, with the reasons."""
        marked = token_project(name)
        if marked is not None:
            owners = (await self._provider.projects.get(marked)).owners
            return [make_record(name, 1, "w", constrains=[evicting(owner) for owner in owners])], []
        project, extra = read_name(name)
        pool = await self._provider.projects.get(project)
        await self._load_dependencies(pool)
        subject = _Subject(name, pool, extra or "", self._expectations(pool), self._yields(pool))
        excluded = self._provider.projects.excluded(pool)
        records: list[RepoDataRecord] = []
        refused: list[_Refused] = []
        for candidate in pool.candidates:
            if candidate.ordinal not in excluded and self._provider.metadata.unusable(candidate.file) is None:
                made, reason = await self._kept(subject, candidate)
                records.extend(made)
                if reason:
                    refused.append((candidate.file, reason))
        for bridge in pool.bridges:
            if bridge.ordinal not in excluded:
                records.extend(await self._of_bridge(subject, bridge))
        return records, refused

    def _yields(self, pool: ProjectCandidates) -> bool:
        from_pypi = self._provider.manifest.from_pypi
        if from_pypi is None or pool.name in from_pypi or not pool.bridges:
            return False
        # Sources are the last resort in any case, and there is only one.
        return not any(isinstance(candidate.file, Sdist) for candidate in pool.candidates)

    def _may_apply(self, dependency: Dependency, extra: str = "") -> bool:
        """Tell whether a dependency applies for any Python, with an extra being asked for."""
        return dependency.marker is None or bool(self._provider.pythons.marker(dependency.marker, extra))

    async def _load_dependencies(self, pool: ProjectCandidates) -> None:
        """Fetch the pools that known candidates speak of, all at once rather than one by one."""
        names = {
            dependency.name
            for candidate in pool.candidates
            if (known := self._provider.metadata.known(candidate.file))
            for dependency in known.dependencies
            if self._may_apply(dependency)
        }
        await self._provider.projects.get_all(names)

    def _expectations(self, pool: ProjectCandidates) -> frozenset[Lockstep]:
        if not self.expecting:
            return frozenset()
        if pool.name not in self._lockstep:
            read = (self._provider.metadata.known(candidate.file) for candidate in pool.candidates)
            self._lockstep[pool.name] = common_lockstep(known for known in read if known)
        return self._lockstep[pool.name]

    async def _kept(self, subject: _Subject, candidate: Candidate) -> tuple[list[RepoDataRecord], str]:
        """Return a candidate's records, made anew only where more is known than when they were made.

        :returns: also why it can have none; empty where it can, or was told before.
        """
        known = self._provider.metadata.known(candidate.file)
        is_settled = known is not None or subject.extra or subject.expected
        state: object = (candidate.mask, is_settled, subject.yields)
        key = (subject.name, candidate.file.url)
        if key not in self._built or self._built[key][0] != state:
            made, reason = await self._of_candidate(subject, candidate, known)
            self._built[key] = (state, made)
            return made, reason
        return self._built[key][1], ""

    async def _of_candidate(
        self, subject: _Subject, candidate: Candidate, known: Known | None
    ) -> tuple[list[RepoDataRecord], str]:
        """Return a candidate's records, and why it can have none."""
        pythons = self._provider.pythons
        records = []
        foreign = ""
        for number, base in enumerate(variants(self._provider.metadata.mask(candidate), known, "", pythons)):
            build = f"w{candidate.number}_{number}"
            url = next(
                (each for each in base.dependencies if self._provider.projects.is_foreign_url(each)), None
            )
            if url is not None:
                foreign = f"depends on a URL ({url.name} @ ...), which only the user may ask for"
            elif subject.extra:
                parts = variants(base.mask, known, subject.extra, pythons)
                records += await self._of_extra(subject, candidate, build, parts, _WHEEL)
            else:
                depends = [*base.python_specs, *await self._specs(base)]
                if subject.pool.owners:
                    depends.append(wheel_token(subject.pool.name))
                if known is None and subject.expected:
                    depends += await self._expected_specs(subject.expected, candidate)
                records.append(self._record(subject, candidate, build, _WHEEL, depends, base))
        return records, foreign if not records and not subject.extra else ""

    async def _of_bridge(self, subject: _Subject, bridge: Bridge) -> list[RepoDataRecord]:
        # By number: a build string may not hold all that a conda name may.
        build = f"conda_{subject.pool.owners.index(bridge.conda)}"
        favoured = bridge.conda in self._provider.manifest.favoured
        number = _FAVOURED_BRIDGE if favoured else _BRIDGE
        anywhere = Variant(self._provider.pythons.all, (), ())
        if not subject.extra:
            alternatives = "|".join(f"=={spelling}" for spelling in bridge.spellings)
            depends = [f"{bridge.conda} {alternatives}"]
            others = self._other_owners(subject.pool, bridge)
            return [self._record(subject, bridge, build, number, depends, anywhere, others)]
        if bridge.file is None or self._provider.metadata.unusable(bridge.file) is not None:
            return []
        known = self._provider.metadata.known(bridge.file)
        parts = variants(anywhere.mask, known, subject.extra, self._provider.pythons)
        return await self._of_extra(subject, bridge, build, parts, number)

    @staticmethod
    def _other_owners(pool: ProjectCandidates, bridge: Bridge) -> list[str]:
        """Let no other conda package provide the project in another version (matplotlib, matplotlib-base)."""
        same = {each.conda: each.spellings for each in pool.bridges if each.ordinal == bridge.ordinal}
        return [
            f"{owner} {'|'.join(f'=={text}' for text in same[owner])}" if owner in same else evicting(owner)
            for owner in pool.owners
            if owner != bridge.conda
        ]

    async def _of_extra(
        self,
        subject: _Subject,
        chosen: Candidate | Bridge,
        build: str,
        parts: Iterable[Variant],
        build_number: int,
    ) -> list[RepoDataRecord]:
        exact = f"{solver_name(subject.pool.name)} =={chosen.ordinal} {build}"
        records = []
        for number, part in enumerate(parts):
            if any(self._provider.projects.is_foreign_url(dependency) for dependency in part.dependencies):
                continue
            depends = [*part.python_specs, exact, *await self._specs(part)]
            records.append(self._record(subject, chosen, f"{build}_{number}", build_number, depends, part))
        return records

    async def _expected_specs(self, expected: frozenset[Lockstep], candidate: Candidate) -> list[str]:
        specs = []
        for lockstep in sorted(expected, key=lambda item: item.name):
            pool = await self._provider.projects.get(lockstep.name)
            low, high = lockstep.bounds(candidate.file.version)
            self._provider.window.show(pool, lockstep.specifier(candidate.file.version), 1)
            if lockstep.exact:
                expression = f"=={pool.ordinals.of(low)}" if low in pool.ordinals else "==0"
            else:
                expression = pool.ordinals.around(low, high, _GRAIN)
            specs.append(f"{solver_name(lockstep.name)} {expression}")
        return specs

    async def _specs(self, part: Variant) -> list[str]:
        return await self._provider.specs.all_specs(part.dependencies)

    def _record(
        self,
        subject: _Subject,
        chosen: Candidate | Bridge,
        build: str,
        build_number: int,
        depends: Sequence[str],
        part: Variant,
        constrains: Sequence[str] = (),
    ) -> RepoDataRecord:
        meaning = Meaning(chosen, subject.extra, part.dependencies)
        self._meanings[(subject.name, str(chosen.ordinal), build)] = meaning
        return self._provider.make_record(
            subject.name,
            chosen.ordinal,
            build,
            build_number,
            depends=tuple(depends),
            constrains=tuple(constrains),
            last_resort=isinstance(chosen, Candidate) and (isinstance(chosen.file, Sdist) or subject.yields),
        )


def _pep440(owner: ChosenConda | None) -> Version | None:
    try:
        return Version(owner.document["version"]) if owner else None
    except InvalidVersion:
        return None


def _is_it(chosen: Candidate | Bridge, wheel: ChosenWheel | None, owner: ChosenConda | None) -> bool:
    """Tell whether a candidate is the wheel that was chosen before, or a bridge to that conda package."""
    if isinstance(chosen, Bridge):
        return owner is not None and (
            chosen.conda == owner.name and owner.document["version"] in chosen.spellings
        )
    if wheel is None:
        return False
    return (
        chosen.file.url == wheel.source.url if wheel.source else chosen.file.filename == wheel.wheel.filename
    )


def _serves(record: RepoDataRecord, python: RepoDataRecord | None) -> bool:
    from rattler import MatchSpec

    specs = [text for text in record.depends if re.match(r"python(?![\w.-])", text)]
    return python is None or all(MatchSpec(text, strict=False).matches(python) for text in specs)
