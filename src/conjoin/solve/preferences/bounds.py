"""Where versions of packages have to lie, on both sides, while several platforms are held alike.

A package is known by what it provides: `numpy` of a channel and `numpy` of an index are one. Versions are
compared as ranks: by PEP 440 without their local part (`2.1.0+cpu` is 2.1.0, built another way, as a build
string says it on conda's side), and by conda's rules where nothing on PyPI is meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from packaging.version import InvalidVersion, Version

from conjoin.index.conda import CondaChannels
from conjoin.solve.candidates.encoding import evicting, solver_name
from conjoin.solve.candidates.ordinals import ranges_of
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.solution import ChosenConda, PlatformSolution
from conjoin.spec.names import CondaName, PypiName

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Bound", "Bounds", "Key", "Rank", "ranks_of", "versions_there"]

Key: TypeAlias = tuple[str, str]
"""``("pypi", project)``, whoever provides it, or ``("conda", name)`` of a package that provides none."""

Rank: TypeAlias = tuple[int, Any]
"""A version that can be compared with all others of its package: those that PEP 440 reads are higher."""

_COMPARISONS = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


class Bound(msgspec.Struct, frozen=True):
    """One side of a package's versions: where it is installed at all, it lies there.

    :ivar comparison: ``<``, ``<=``, ``>`` or ``>=``.
    """

    key: Key
    comparison: str
    rank: Rank

    def admits(self, rank: Rank) -> bool:
        """Tell whether a version lies there."""
        return bool(_COMPARISONS[self.comparison](rank, self.rank))


class Bounds(msgspec.Struct, frozen=True):
    """What holds of several packages.

    :ivar owners: conda packages that provide a project, as far as solutions have shown.
    :ivar former: conda packages that a solution may keep although no channel has them any more.
    """

    bounds: frozenset[Bound] = frozenset()
    owners: Mapping[PypiName, frozenset[CondaName]] = msgspec.field(default_factory=dict)
    former: Sequence[ChosenConda] = ()

    def admit(self, key: Key, rank: Rank) -> bool:
        """Tell whether a package may have a version."""
        return all(bound.admits(rank) for bound in self.bounds if bound.key == key)

    def broken_by(self, solution: PlatformSolution) -> bool:
        """Tell whether a solution has a version that lies elsewhere."""
        ranks = ranks_of(solution, self.owners)
        return any(bound.key in ranks and not bound.admits(ranks[bound.key]) for bound in self.bounds)

    def keys(self) -> list[Key]:
        """Return the packages of which anything is said, sorted."""
        return sorted({bound.key for bound in self.bounds})

    async def conda_specs(self, channels: CondaChannels | None, ownership: Ownership) -> list[str]:
        """Return what it means for conda packages of one platform, as MatchSpecs.

        Versions are named one by one: what lies where is decided here alone.
        """
        specs = []
        for key in self.keys():
            for name in await _conda_names(key, self.owners, ownership):
                spellings = await _spellings(name, channels, self.former)
                inside = [text for text in spellings if self.admit(key, _rank(key, text))]
                if not inside:
                    specs.append(evicting(name))
                elif len(inside) < len(spellings):
                    specs.append(f"{name} {'|'.join(f'=={text}' for text in inside)}")
        return specs

    def pypi_specs(self, projects: Mapping[PypiName, ProjectCandidates]) -> list[str]:
        """Return what it means for the PyPI projects in play so far, as MatchSpecs over ordinals."""
        specs = []
        for key in self.keys():
            pool = projects.get(PypiName(key[1])) if key[0] == "pypi" else None
            if pool is not None:
                every = pool.ordinals.allowed("")
                inside = [each for each in every if self.admit(key, _of_pypi(pool.ordinals.version(each)))]
                if len(inside) < len(every):
                    specs.append(f"{solver_name(pool.name)} {ranges_of(inside)}")
        return specs


def ranks_of(
    solution: PlatformSolution, owners: Mapping[PypiName, Iterable[CondaName]] | None = None
) -> dict[Key, Rank]:
    """Return the version of every package of a solution.

    :param owners: conda packages that provide a project, although perhaps not on this platform.
    """
    projects = {name: project for project, names in (owners or {}).items() for name in names}
    ranks: dict[Key, Rank] = {}
    for package in solution.conda:
        project = next(iter(package.provides), projects.get(package.name))
        key: Key = ("pypi", str(project)) if project else ("conda", str(package.name))
        ranks[key] = _rank(key, package.document["version"])
    if solution.python is not None:
        ranks[("conda", "python")] = _rank(("conda", "python"), solution.python.version)
    for wheel in solution.wheels:
        ranks[("pypi", str(wheel.name))] = _of_pypi(wheel.wheel.version)
    return ranks


async def versions_there(
    key: Key,
    owners: Mapping[PypiName, frozenset[CondaName]],
    channels: CondaChannels | None,
    ownership: Ownership,
    projects: Mapping[PypiName, ProjectCandidates],
) -> set[Rank]:
    """Return the versions of a package that there are for a platform, chosen or not."""
    found: set[Rank] = set()
    for name in await _conda_names(key, owners, ownership):
        found.update(_rank(key, text) for text in await _spellings(name, channels, ()))
    pool = projects.get(PypiName(key[1])) if key[0] == "pypi" else None
    if pool is not None:
        found.update(
            _of_pypi(pool.ordinals.version(each)) for each in pool.ordinals.allowed("") if pool.at(each)
        )
    return found


def _of_pypi(version: Version) -> Rank:
    return (1, Version(version.public)) if version.local else (1, version)


def _rank(key: Key, text: str) -> Rank:
    if key[0] == "pypi":
        try:
            return _of_pypi(Version(text))
        except InvalidVersion:
            pass
    from rattler import Version as CondaVersion

    return 0, CondaVersion(text)


async def _conda_names(
    key: Key, owners: Mapping[PypiName, frozenset[CondaName]], ownership: Ownership
) -> list[CondaName]:
    """Return the names under which channels may have a package."""
    if key[0] == "conda":
        return [CondaName(key[1])]
    project = PypiName(key[1])
    likely = (await ownership.owners(project)).names
    return sorted({*likely, *owners.get(project, ())})


async def _spellings(
    name: CondaName, channels: CondaChannels | None, former: Iterable[ChosenConda]
) -> list[str]:
    """Return the versions of a conda package, as its channels write them."""
    records: Sequence[RepoDataRecord] = (await channels.records([name]))[name] if channels else []
    kept = [each.document["version"] for each in former if each.name == name]
    return list(dict.fromkeys([*kept, *(str(record.version) for record in records)]))
