"""Solving near a former solution: what was named goes as high as it can, nothing else moves unless it must.

The solver prefers what was chosen before, but greedily: it may move more than it has to, or leave what was
named behind. So its first answer is made better, a solve at a time. Each named package in turn is asked to go
higher until it cannot, and then each other one that moved is asked to stay where it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from conjoin.index.pypi.project import YANKED, Project, Releases
from conjoin.solve.preferences.pins import Pins, record_of
from conjoin.solve.solution import ChosenConda, ChosenWheel, PlatformSolution
from conjoin.spec.names import PypiName

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Previous", "UpdateSteering", "unyanked", "update_minimally"]

_MOST_TRIES = 60
"""Solves that one update may take; beyond it, what the solver preferred has to do."""

Key = tuple[str, str]
"""Kind and name of a package: ``("conda", "numpy")``, ``("pypi", "requests")``."""
_PYTHON: Key = ("conda", "python")


class Place(msgspec.Struct, frozen=True):
    """Where a package stands: its version, and of a conda package its build."""

    version: str
    build: str = ""


class Previous(msgspec.Struct, frozen=True):
    """What was decided before, and which of it may move.

    :ivar names: packages to be moved, as they were typed.
    :ivar fixed: packages that are pinned anyway, of which nothing is to be said here.
    """

    solution: PlatformSolution
    names: frozenset[str]
    fixed: frozenset[Key] = frozenset()

    @classmethod
    def of(cls, solution: PlatformSolution, names: Iterable[str], pins: Pins | None) -> Previous:
        """Return a former solution beside the pins of the environment that it extends."""
        return cls(solution, frozenset(names), frozenset(_places(pins.solution)) if pins else frozenset())

    def staying_sources(self) -> dict[PypiName, str]:
        """Return what the wheels that should stay were built from, by project."""
        projects = {str(canonicalize_name(name)) for name in self.names}
        return {
            wheel.name: wheel.source.url
            for wheel in self.solution.wheels
            if wheel.source is not None and str(wheel.name) not in projects
        }

    def named(self, solution: PlatformSolution) -> list[Key]:
        """Return the packages of a solution that were named, by conda's name or PyPI's, sorted."""
        projects = {canonicalize_name(name) for name in self.names}
        conda = [
            ("conda", str(package.name))
            for package in solution.conda
            if str(package.name) in self.names or projects & set(map(str, package.provides))
        ]
        wheels = [("pypi", str(wheel.name)) for wheel in solution.wheels if str(wheel.name) in projects]
        return sorted(key for key in (*conda, *wheels) if key not in self.fixed)


class UpdateSteering(msgspec.Struct, frozen=True):
    """What a solve near a former one is asked for, beyond the request.

    :ivar held: where packages must stand if they are part of the solution.
    :ivar above: versions that packages must be above.
    """

    former: Previous
    held: Mapping[Key, Place] = msgspec.field(default_factory=dict)
    above: Mapping[Key, str] = msgspec.field(default_factory=dict)

    @property
    def is_first(self) -> bool:
        """Whether nothing is asked for but to stay where that can be."""
        return not self.held and not self.above

    def preferred(self, pythons: Iterable[RepoDataRecord] = ()) -> list[RepoDataRecord]:
        """Return the conda packages that should stay.

        :param pythons: this host's, of which one may be among them.
        """
        staying = _others(self.former)
        packages = self.former.solution.conda
        records = [record_of(each) for each in packages if ("conda", str(each.name)) in staying]
        place = staying.get(_PYTHON)
        return records + [each for each in pythons if place == Place(str(each.version), str(each.build))]

    def staying(self) -> tuple[dict[PypiName, ChosenWheel], dict[PypiName, ChosenConda]]:
        """Return the wheels that should stay, and the conda packages that provide a project, by project."""
        others = _others(self.former)
        solution = self.former.solution
        wheels = {wheel.name: wheel for wheel in solution.wheels if ("pypi", str(wheel.name)) in others}
        owners = {
            project: package
            for package in solution.conda
            if ("conda", str(package.name)) in others
            for project in package.provides
        }
        return wheels, owners

    def conda_bounds(self) -> list[str]:
        """Return what must hold of conda packages, as MatchSpecs."""
        held = [
            f"{name} =={place.version} {place.build}"
            for (kind, name), place in sorted(self.held.items())
            if kind == "conda"
        ]
        above = [f"{name} >{text}" for (kind, name), text in sorted(self.above.items()) if kind == "conda"]
        return [*held, *above]

    def pypi_held(self) -> list[tuple[PypiName, str]]:
        """Return the versions that wheels must have."""
        return [
            (PypiName(name), place.version)
            for (kind, name), place in sorted(self.held.items())
            if kind == "pypi"
        ]

    def pypi_above(self) -> list[tuple[PypiName, str]]:
        """Return the versions that projects must be above, whoever provides them."""
        projects = dict(_provided(self.former.solution))
        return [
            (projects.get(key, PypiName(key[1])), text)
            for key, text in sorted(self.above.items())
            if key[0] == "pypi" or key in projects
        ]


Attempt = Callable[[UpdateSteering], Awaitable[PlatformSolution | None]]
"""Solves as it is steered; None where there is no solution."""


async def update_minimally(
    former: Previous, first: PlatformSolution, attempt: Attempt, *, upwards: bool
) -> PlatformSolution:
    """Return a solution in which what was named moved, and nothing else that need not have.

    :param first: what the solver answered when asked to prefer what was there.
    :param upwards: whether higher versions are better (``--strategy highest``).
    """
    tries = _MOST_TRIES
    best = first
    reached: dict[Key, Place] = {}
    for key in former.named(first):
        while upwards and tries and (place := _places(best).get(key)):
            tries -= 1
            higher = await attempt(UpdateSteering(former, reached, {key: place.version}))
            if higher is None or key not in _places(higher):
                break
            best = higher
        if key in _places(best):
            reached[key] = _places(best)[key]
    before = {key: place for key, place in _others(former).items() if key not in reached}
    moved = _moved(before, best)
    if len(moved) > 1 and tries:
        tries -= 1
        best = await attempt(UpdateSteering(former, {**reached, **before})) or best
    for key in _moved(before, best):
        stays = {each: place for each, place in before.items() if _places(best).get(each) == place}
        if not tries:
            break
        if key not in stays:
            tries -= 1
            best = await attempt(UpdateSteering(former, {**reached, **stays, key: before[key]})) or best
    return best


def _others(former: Previous) -> dict[Key, Place]:
    named = {*former.named(former.solution), *former.fixed}
    return {key: place for key, place in _places(former.solution).items() if key not in named}


def _moved(before: Mapping[Key, Place], solution: PlatformSolution) -> Sequence[Key]:
    now = _places(solution)
    return sorted(key for key, place in before.items() if now.get(key) != place)


def _places(solution: PlatformSolution) -> dict[Key, Place]:
    conda = {
        ("conda", str(each.name)): Place(each.document["version"], each.document["build"])
        for each in solution.conda
    }
    if solution.python is not None:
        conda[_PYTHON] = Place(solution.python.version, f"host_{solution.python.abi}")
    return {**conda, **{("pypi", str(each.name)): Place(str(each.wheel.version)) for each in solution.wheels}}


def _provided(solution: PlatformSolution) -> Iterable[tuple[Key, PypiName]]:
    for package in solution.conda:
        for project in package.provides:
            yield ("conda", str(package.name)), project


def unyanked(project: Project, kept: frozenset[str]) -> Project:
    """Return a project of which no kept file is yanked: locked is typed with ``==`` (PEP 592)."""
    releases = project.releases
    if not kept or not any(
        kind & YANKED and any(file.filename in kept for file in releases.files(place))
        for place, kind in enumerate(releases.kinds)
    ):
        return project
    return replace(
        project,
        releases=Releases.of(
            replace(file, yanked=None) if file.filename in kept else file for file in releases.every_file()
        ),
    )
