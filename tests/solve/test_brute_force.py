"""Random small worlds over both ecosystems: a solution is found exactly when one exists, and is valid."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import holdfast.solve.request
import holdfast.solve.world
from holdfast.errors import NoSolution
from solving import World

NAMES = ("a", "b", "c")
VERSIONS = (1, 2, 3)
PYTHONS = ("3.11.1", "3.12.1")

Bound = tuple[str, int, int]  # name, lowest, highest
Release = tuple[str, int]


@dataclass(frozen=True)
class SmallWorld:
    """Dependencies of every release that exists, and a request."""

    conda: dict[Release, tuple[Bound, ...]]
    wheels: dict[Release, tuple[Bound, ...]]
    pythons_of: dict[Release, str]  # wheels that run on one Python alone
    ask_conda: tuple[Bound, ...]
    ask_pypi: tuple[Bound, ...]


bounds = st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS), st.sampled_from(VERSIONS)).filter(
    lambda bound: bound[1] <= bound[2]
)
releases = st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS))
dependencies = st.lists(bounds, max_size=2).map(tuple)
worlds = st.builds(
    SmallWorld,
    conda=st.dictionaries(releases, dependencies, max_size=6),
    wheels=st.dictionaries(releases, dependencies, max_size=7),
    pythons_of=st.dictionaries(releases, st.sampled_from(PYTHONS), max_size=3),
    ask_conda=st.lists(bounds, max_size=2).map(tuple),
    ask_pypi=st.lists(bounds, min_size=1, max_size=2).map(tuple),
)


def _meets(chosen: dict[str, int], bound: Bound) -> bool:
    name, low, high = bound
    return name in chosen and low <= chosen[name] <= high


def _valid(world: SmallWorld, python: str, conda: dict[str, int], wheels: dict[str, int]) -> bool:
    if conda.keys() & wheels.keys():
        return False
    provided = {**conda, **wheels}
    return (
        all(_meets(conda, bound) for bound in world.ask_conda)
        and all(_meets(provided, bound) for bound in world.ask_pypi)
        and all(_meets(conda, bound) for release in conda.items() for bound in world.conda[release])
        and all(_meets(provided, bound) for release in wheels.items() for bound in world.wheels[release])
        and all(world.pythons_of.get(release, python) == python for release in wheels.items())
    )


def _choices(existing: dict[Release, tuple[Bound, ...]]) -> list[dict[str, int]]:
    per_name = [[None, *(v for v in VERSIONS if (name, v) in existing)] for name in NAMES]
    return [
        {name: version for name, version in zip(NAMES, picks, strict=True) if version is not None}
        for picks in itertools.product(*per_name)
    ]


def _exists(world: SmallWorld) -> bool:
    return any(
        _valid(world, python, conda, wheels)
        for python in PYTHONS
        for conda in _choices(world.conda)
        for wheels in _choices(world.wheels)
    )


def _built(world: SmallWorld, root: Path) -> World:
    built = World(root)
    built.python(*PYTHONS)
    for (name, version), needs in world.conda.items():
        depends = ["python", *(f"{other} >={low},<={high}" for other, low, high in needs)]
        built.conda(name, str(version), depends)
    for (name, version), needs in world.wheels.items():
        python = world.pythons_of.get((name, version))
        tags = f"cp{python[0]}{python[2:4]}-none-any" if python else "py3-none-any"
        requires = [f"{other}>={low},<={high}" for other, low, high in needs]
        built.wheel(name, str(version), requires, tags=tags)
    return built


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(small=worlds, width=st.sampled_from([1, 16]))
def test_a_solution_is_found_exactly_when_one_exists(
    small: SmallWorld, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdfast.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on
    # However little of each project the solver is shown at first.
    monkeypatch.setattr(holdfast.solve.world, "_WIDTH", width)
    monkeypatch.setattr(holdfast.solve.world, "_WIDER", 2)
    with tempfile.TemporaryDirectory() as folder:
        world = _built(small, Path(folder))
        conda = ["python", *(f"{name} >={low},<={high}" for name, low, high in small.ask_conda)]
        pypi = [f"{name}>={low},<={high}" for name, low, high in small.ask_pypi]
        try:
            solved = world.solve(conda, pypi)
        except NoSolution:
            assert not _exists(small)
            return
        chosen = {name: int(version) for name, version in solved.conda.items() if name in NAMES}
        wheels = {name: int(version) for name, version in solved.wheels.items()}
        assert _valid(small, solved.python, chosen, wheels)
