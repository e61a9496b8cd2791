"""Random small worlds with extras, markers and bridges: a solution is found exactly when a search finds one.

What an extra of a conda package needs is what the wheel of the same version says; where there is none,
the package cannot provide the extra.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import conjoin.solve.request
from brute_force import NAMES, PYTHONS, Release, any_choice
from conjoin.errors import NoSolution
from fuzzing import examples
from solving import World, always_search

VERSIONS = (1, 2)

Chosen = dict[str, int]


@dataclass(frozen=True)
class Need:
    """One requirement: a range of a project, perhaps its extra, for one Python or any, always or by extra."""

    name: str
    low: int
    high: int
    extra: bool = False
    python: str = ""
    optional: bool = False

    def text(self) -> str:
        conditions = [f"python_version == '{self.python[:4]}'"] if self.python else []
        conditions += ["extra == 'x'"] if self.optional else []
        marker = f" ; {' and '.join(conditions)}" if conditions else ""
        return f"{self.name}{'[x]' if self.extra else ''}>={self.low},<={self.high}{marker}"


@dataclass(frozen=True)
class SmallWorld:
    conda: dict[Release, tuple[Need, ...]]
    wheels: dict[Release, tuple[Need, ...]]
    ask_conda: tuple[Need, ...]
    ask_pypi: tuple[Need, ...]


def _needs(*, conda: bool = False, optional: bool = True) -> st.SearchStrategy[Need]:
    never = st.just(False)
    return st.builds(
        Need,
        st.sampled_from(NAMES),
        st.sampled_from(VERSIONS),
        st.sampled_from(VERSIONS),
        never if conda else st.booleans(),
        st.just("") if conda else st.sampled_from(["", "", *PYTHONS]),
        st.booleans() if optional and not conda else never,
    ).filter(lambda need: need.low <= need.high)


_releases = st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS))
worlds = st.builds(
    SmallWorld,
    conda=st.dictionaries(_releases, st.lists(_needs(conda=True), max_size=1).map(tuple), max_size=4),
    wheels=st.dictionaries(_releases, st.lists(_needs(), max_size=3).map(tuple), min_size=1, max_size=6),
    ask_conda=st.lists(_needs(conda=True), max_size=1).map(tuple),
    ask_pypi=st.lists(_needs(optional=False), min_size=1, max_size=2).map(tuple),
)


def _valid(world: SmallWorld, python: str, conda: Chosen, wheels: Chosen) -> bool:
    if conda.keys() & wheels.keys():
        return False
    provided = {**conda, **wheels}

    def met(need: Need, among: Chosen) -> bool:
        return need.low <= among.get(need.name, 0) <= need.high

    if not all(met(need, conda) for need in world.ask_conda):
        return False
    if not all(met(need, conda) for release in conda.items() for need in world.conda[release]):
        return False
    # Who has the extra is what the requirements that apply ask for, those of extras included.
    extras: set[str] = set()
    while True:
        applying = [need for need in world.ask_pypi if need.python in ("", python)]
        for name, version in provided.items():
            if name in conda and name not in extras:
                continue
            if name in conda and (name, version) not in world.wheels:
                return False  # nobody knows what its extra needs
            applying += [
                need
                for need in world.wheels[(name, version)]
                if need.python in ("", python)
                and (need.optional if name in conda else (not need.optional or name in extras))
            ]
        if not all(met(need, provided) for need in applying):
            return False
        grown = extras | {need.name for need in applying if need.extra}
        if grown == extras:
            return True
        extras = grown


def _built(world: SmallWorld, root: Path) -> World:
    built = World(root)
    built.python(*PYTHONS)
    for (name, version), needs in world.conda.items():
        depends = ["python", *(f"{need.name} >={need.low},<={need.high}" for need in needs)]
        built.conda(name, str(version), depends)
    for (name, version), needs in world.wheels.items():
        built.wheel(name, str(version), [need.text() for need in needs], metadata={"Provides-Extra": "x"})
    return built


@pytest.mark.slow
@settings(
    max_examples=examples(120),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(small=worlds, searching=st.booleans())
def test_extras_and_markers_have_a_solution_exactly_when_one_exists(
    small: SmallWorld, searching: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
        if searching:
            always_search(patch)
        world = _built(small, Path(folder))
        conda = ["python", *(f"{need.name} >={need.low},<={need.high}" for need in small.ask_conda)]
        try:
            solved = world.solve(conda, [need.text() for need in small.ask_pypi])
        except NoSolution:
            assert not any_choice(small.conda, small.wheels, partial(_valid, small))
            return
        chosen = {name: int(version) for name, version in solved.conda.items() if name in NAMES}
        wheels = {name: int(version) for name, version in solved.wheels.items()}
        assert _valid(small, solved.python, chosen, wheels)
