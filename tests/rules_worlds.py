"""Random small worlds in which all of PEP 440, 508 and 592 count at once, and a search of every choice.

Versions of every kind, yanked wheels, Requires-Python, extras and markers, constraints, overrides,
strategies, and conda packages that may provide the same projects. The search reads
specifiers and markers with ``packaging`` alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from conjoin.errors import NoSolution
from solving import Solved, World

__all__ = ["NAMES", "Chosen", "File", "Need", "RulesWorld", "built", "exists", "reached", "solved", "worlds"]

NAMES = ("a", "b", "c")
WHEELS = ("1.0", "1.0+cpu", "1.0.post1", "1.1a1", "1.1", "2.0.dev1", "1!0.5")
CONDA = ("1.0", "1.1a1", "1.1", "1.1.0", "2.0")  # 1.1 and 1.1.0 are one version (PEP 440)
PYTHONS = ("3.11.1", "3.12.1", "3.12.4")
SPECIFIERS = (
    *("", "", "==1.0", "===1.0", "==1.0+cpu", "==1.1a1", "==1.1.*", "!=1.*", ">=1.0", ">1.0", ">1.0.post0"),
    *("<1.1", "<=1.1", "<2", "~=1.0", "!=1.0", ">=1.1a1", "<2.0.dev5", ">=1!0", "===1.0+cpu", ">=1.0,!=1.1"),
)
MARKERS = (
    *("", "", "python_version < '3.12'", "python_full_version > '3.12.1'", "sys_platform == 'win32'"),
    *("python_version in '3.11, 3.13'", "python_full_version != '3.12.1' or sys_platform == 'win32'"),
)
REQUIRES_PYTHON = ("", "", ">=3.12", "<3.12", "!=3.12.1", "~=3.12.2")

Release = tuple[str, str]
Chosen = dict[str, str]


@dataclass(frozen=True)
class Need:
    """One requirement of a project.

    :ivar optional: whether it is one of the extra ``x`` of whoever says it.
    """

    name: str
    specifier: str = ""
    marker: str = ""
    extra: bool = False
    optional: bool = False

    def text(self) -> str:
        conditions = [f"({self.marker})"] if self.marker else []
        conditions += ["extra == 'x'"] if self.optional else []
        marker = f" ; {' and '.join(conditions)}" if conditions else ""
        return f"{self.name}{'[x]' if self.extra else ''}{self.specifier}{marker}"

    def applies(self, python: str) -> bool:
        return not self.marker or _holds(self.marker, python)

    def met_by(self, version: str) -> bool:
        return _contains(self.specifier, version)


@dataclass(frozen=True)
class File:
    """A wheel."""

    needs: tuple[Need, ...] = ()
    requires_python: str = ""
    yanked: bool = False


@dataclass(frozen=True)
class RulesWorld:
    wheels: dict[Release, File]
    conda: dict[Release, tuple[str, ...]]  # names of other conda packages
    asked: tuple[Need, ...]
    constraints: tuple[Need, ...] = ()
    conda_asked: tuple[str, ...] = ()
    prereleases: bool = False
    overrides: tuple[Need, ...] = ()

    @cached_property
    def typed(self) -> tuple[Need, ...]:
        """What the user typed and some Python makes count."""
        every = (*self.asked, *self.constraints, *self.overrides)
        return tuple(need for need in every if any(need.applies(python) for python in PYTHONS))

    @cached_property
    def admits_prereleases(self) -> dict[str, bool]:
        """Whether pre-releases take part: by ``--pre``, because one is named, or as nothing else exists."""
        return {
            name: self.prereleases
            or any(SpecifierSet(need.specifier).prereleases for need in self.typed if need.name == name)
            or all(
                Version(version).is_prerelease
                for version in (
                    *(v for (n, v), file in self.wheels.items() if n == name and not file.yanked),
                    *(v for n, v in self.conda if n == name),
                )
            )
            for name in NAMES
        }

    def takes_part(self, release: Release) -> bool:
        """Whether a wheel may be chosen at all."""
        name, version = release
        if Version(version).is_prerelease and not self.admits_prereleases[name]:
            return False
        return not self.wheels[release].yanked or any(
            part.operator in ("==", "===") and "*" not in part.version and part.contains(version, True)
            for need in self.typed
            if need.name == name
            for part in SpecifierSet(need.specifier)
        )

    def meant(self, need: Need) -> Need:
        """Return what a requirement becomes: overrides stand for its version, and add their extras."""
        mine = [override for override in self.overrides if override.name == need.name]
        if not mine:
            return need
        specifier = ",".join(override.specifier for override in mine if override.specifier)
        return replace(need, specifier=specifier, extra=need.extra or any(each.extra for each in mine))

    def bridges(self, release: Release) -> bool:
        """Whether a conda package may provide its project."""
        return self.admits_prereleases[release[0]] or not Version(release[1]).is_prerelease


@cache
def _contains(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)


@cache
def _holds(marker: str, python: str) -> bool:
    return Marker(marker).evaluate(
        {
            "python_version": ".".join(python.split(".")[:2]),
            "python_full_version": python,
            "sys_platform": "linux",
            "extra": "",
        }
    )


def _needs(*, optional: bool = True, extra: bool = True) -> st.SearchStrategy[Need]:
    return st.builds(
        Need,
        st.sampled_from(NAMES),
        st.sampled_from(SPECIFIERS),
        st.sampled_from(MARKERS),
        st.booleans() if extra else st.just(False),
        st.booleans() if optional else st.just(False),
    )


_files = st.builds(
    File,
    st.lists(_needs(), max_size=2).map(tuple),
    st.sampled_from(REQUIRES_PYTHON),
    st.sampled_from([False, False, False, True]),
)
worlds = st.builds(
    RulesWorld,
    wheels=st.dictionaries(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(WHEELS)), _files, min_size=2, max_size=9
    ),
    conda=st.dictionaries(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(CONDA)),
        st.lists(st.sampled_from(NAMES), max_size=1).map(tuple),
        max_size=3,
    ),
    asked=st.lists(_needs(optional=False), min_size=1, max_size=3).map(tuple),
    constraints=st.lists(_needs(optional=False, extra=False), max_size=1).map(tuple),
    conda_asked=st.lists(st.sampled_from(NAMES), max_size=1).map(tuple),
    prereleases=st.booleans(),
    overrides=st.lists(
        st.builds(Need, st.sampled_from(NAMES), st.sampled_from(SPECIFIERS), extra=st.booleans()), max_size=2
    ).map(tuple),
)


def _may_stand_together(world: RulesWorld, python: str, conda: Chosen, wheels: Chosen) -> bool:
    by_conda = {other for release in conda.items() for other in world.conda[release]}
    return (
        not conda.keys() & wheels.keys()
        and {*world.conda_asked, *by_conda} <= conda.keys()
        and all(
            world.takes_part(release) and _contains(world.wheels[release].requires_python, python)
            for release in wheels.items()
        )
    )


def reached(world: RulesWorld, python: str, conda: Chosen, wheels: Chosen) -> set[str] | None:
    """Return the projects that somebody asks for, or None where the choice breaks a rule."""
    if not _may_stand_together(world, python, conda, wheels):
        return None
    provided = {**conda, **wheels}
    seen = {*world.conda_asked}
    limits = [need for need in world.constraints if need.applies(python)]
    waiting = [world.meant(need) for need in world.asked if need.applies(python)]
    extras: set[str] = set()
    while True:
        needs = [need for need in waiting if need.name in provided]
        if len(needs) < len(waiting):
            return None
        grown = seen | {need.name for need in needs}
        grown |= {other for name in grown & conda.keys() for other in world.conda[name, conda[name]]}
        extras_grown = extras | {need.name for need in needs if need.extra}
        # A constraint bounds what the PyPI side asks for; what conda packages ask for is conda's matter.
        bounds = [*needs, *(limit for limit in limits if any(need.name == limit.name for need in needs))]
        if not all(need.met_by(provided[need.name]) for need in bounds):
            return None
        if not all(world.bridges((need.name, conda[need.name])) for need in needs if need.name in conda):
            return None
        waiting = [world.meant(need) for need in world.asked if need.applies(python)]
        for name in grown & provided.keys():
            described = _described(world, name, provided[name], name in wheels, name in extras_grown)
            if described is None:
                return None
            waiting += [world.meant(need) for need in described if need.applies(python)]
        if (grown, extras_grown) == (seen, extras):
            return seen
        seen, extras = grown, extras_grown


def _described(
    world: RulesWorld, name: str, version: str, is_wheel: bool, with_extra: bool
) -> list[Need] | None:
    """Return what a package asks for on the PyPI side, None where nobody knows."""
    if is_wheel:
        return [need for need in world.wheels[name, version].needs if with_extra or not need.optional]
    if not with_extra:
        return []
    for (other, each), file in world.wheels.items():
        if other == name and Version(each) == Version(version) and world.takes_part((other, each)):
            return [need for need in file.needs if need.optional]
    return None


def _choices(existing: dict[Release, object]) -> list[Chosen]:
    per_name = [[None, *(v for n, v in existing if n == name)] for name in NAMES]
    return [
        {name: version for name, version in zip(NAMES, picks, strict=True) if version is not None}
        for picks in itertools.product(*per_name)
    ]


def exists(world: RulesWorld) -> bool:
    wheels = {release: file for release, file in world.wheels.items() if world.takes_part(release)}
    return any(
        reached(world, python, conda, chosen) is not None
        for conda in _choices(dict(world.conda))
        for chosen in _choices(dict(wheels))
        if not conda.keys() & chosen.keys()
        for python in PYTHONS
    )


def built(world: RulesWorld, root: Path) -> World:
    made = World(root)
    made.python(*PYTHONS)
    for (name, version), others in world.conda.items():
        made.conda(name, version, ["python", *others])
    yanked = {}
    for (name, version), file in world.wheels.items():
        path = made.wheel(
            name,
            version,
            [need.text() for need in file.needs],
            requires_python=file.requires_python,
            metadata={"Provides-Extra": "x"},
        )
        if file.yanked:
            yanked[path.name] = "not good"
    made.page_options = {"yanked": yanked}
    return made


def solved(
    world: World, small: RulesWorld, strategy: str = "highest", *, prefer_conda: bool = False
) -> Solved | None:
    """Solve what is asked in a world that was built; None where nothing is found."""
    try:
        return world.solve(
            ["python", *small.conda_asked],
            [need.text() for need in small.asked],
            constraints=[need.text() for need in small.constraints],
            overrides=[need.text() for need in small.overrides],
            prereleases=small.prereleases,
            strategy=strategy,
            prefer_conda=prefer_conda,
        )
    except NoSolution:
        return None
