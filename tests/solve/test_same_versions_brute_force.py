"""Random small worlds on several platforms: one version of each package is found exactly when there is."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import conjoin.solve.request
from brute_force import NAMES, PYTHONS, VERSIONS, SmallWorld, choices, is_valid
from conjoin.errors import NoSolution
from solving import Solved, World

TAGS = {
    "linux-64": "manylinux_2_17_x86_64",
    "osx-arm64": "macosx_11_0_arm64",
    "win-64": "win_amd64",
}
Versions = dict[str, str]


def valid_answers(world: SmallWorld) -> list[Versions]:
    """Return every valid answer of one platform, as versions by name, whoever provides it."""
    found = {
        tuple(sorted({**conda, **wheels, "python": python}.items()))
        for python in PYTHONS
        for conda in choices(world.conda)
        for wheels in choices(world.wheels)
        if is_valid(world, python, conda, wheels)
    }
    return [{name: str(version) for name, version in answer} for answer in found]


def agree(*answers: Versions) -> bool:
    names = {name for answer in answers for name in answer}
    return all(len({answer[name] for answer in answers if name in answer}) == 1 for name in names)


def can_agree(small: list[SmallWorld]) -> bool:
    together: list[Versions] = [{}]
    for world in small:
        alone = valid_answers(world)
        pairs = ({**one, **other} for one, other in itertools.product(together, alone) if agree(one, other))
        together = [dict(each) for each in {tuple(sorted(pair.items())) for pair in pairs}]
    return bool(together)


def build(small: list[SmallWorld], root: Path) -> World:
    built = World(root)
    for (platform, tag), world in zip(TAGS.items(), small, strict=False):
        built.python(*PYTHONS, subdir=platform)
        for (name, version), needs in world.conda.items():
            depends = ["python", *(f"{other} >={low},<={high}" for other, low, high in needs)]
            built.conda(name, str(version), depends, subdir=platform)
        for (name, version), needs in world.wheels.items():
            requires = [f"{other}>={low},<={high}" for other, low, high in needs]
            python = world.pythons_of.get((name, version))
            minors = [python] if python else PYTHONS
            pythons = ".".join(f"cp{each[0]}{each[2:4]}" for each in minors)
            built.wheel(name, str(version), requires, tags=f"{pythons}-none-{tag}")
    return built


# Many releases with few dependencies, so that most platforms have an answer, and most of these differ.
BOUNDS = [(name, low, high) for name in NAMES for low in VERSIONS for high in VERSIONS if low <= high]
releases = st.sampled_from([(name, version) for name in NAMES for version in VERSIONS])
sparse = st.lists(st.sampled_from(BOUNDS), max_size=1).map(tuple)
worlds = st.builds(
    SmallWorld,
    conda=st.dictionaries(releases, sparse, max_size=4),
    wheels=st.dictionaries(releases, sparse, min_size=4),
    pythons_of=st.dictionaries(releases, st.sampled_from(PYTHONS), max_size=2),
    ask_conda=st.just(()),
    ask_pypi=st.lists(st.sampled_from(BOUNDS), min_size=1, max_size=2).map(tuple),
)


@pytest.mark.slow
@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(small=st.lists(worlds, min_size=2, max_size=3))
def test_agreement_is_found_exactly_when_there_is_one(
    small: list[SmallWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on
    asked = small[0]
    small = [replace(each, ask_conda=asked.ask_conda, ask_pypi=asked.ask_pypi) for each in small]
    platforms = list(TAGS)[: len(small)]
    with tempfile.TemporaryDirectory() as folder:
        world = build(small, Path(folder))
        conda = ["python", *(f"{name} >={low},<={high}" for name, low, high in asked.ask_conda)]
        pypi = [f"{name}>={low},<={high}" for name, low, high in asked.ask_pypi]
        try:
            found = world.solve_all(conda, pypi, platforms=platforms, same_versions=True)
        except NoSolution:
            event(f"no agreement, {sum(bool(valid_answers(each)) for each in small)} of {len(small)} alone")
            assert not can_agree(small)
            return
        event("agreement")
    answers = []
    for platform, part in zip(platforms, small, strict=True):
        solved = Solved(found[platform])
        conda_part = {name: int(version) for name, version in solved.conda.items() if name in NAMES}
        wheels = {name: int(version) for name, version in solved.wheels.items()}
        assert is_valid(part, solved.python, conda_part, wheels)
        answers.append({**solved.conda, **solved.wheels})
    assert agree(*answers)
