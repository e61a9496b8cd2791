"""Random small worlds: extending keeps every pin, and updating moves nothing that could have stayed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import conjoin.solve.request
from brute_force import (
    NAMES,
    PYTHONS,
    VERSIONS,
    Bound,
    SmallWorld,
    bounds,
    build_world,
    choices,
    dependencies,
    is_valid,
    releases,
    worlds,
)
from conjoin.errors import NoSolution
from conjoin.lock.extend import missing_pins
from conjoin.resolving.to_lock import locked_platform
from conjoin.solve.options import SolveOptions
from conjoin.solve.preferences.pins import Pins
from conjoin.solve.preferences.update import Previous
from conjoin.solve.request import solve_request
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.build import build_requirements
from fuzzing import examples
from solving import PLATFORM, World

Standing = tuple[str, dict[str, int], dict[str, int]]  # python, conda, wheels


def _solve(
    world: World,
    conda: Sequence[Bound],
    pypi: Sequence[Bound],
    pins: Pins | None = None,
    former: Previous | None = None,
) -> PlatformSolution:
    asked = build_requirements(
        conda=["python", *(f"{name} >={low},<={high}" for name, low, high in conda)],
        pypi=[f"{name}>={low},<={high}" for name, low, high in pypi],
        channels=[world.channel_url],
        index_url=world.index_url,
    )
    return solve_request(
        asked,
        [PLATFORM],
        SolveOptions(cache_dir=world.root / "cache"),
        pins={PLATFORM: pins} if pins else None,
        former={PLATFORM: former} if former else None,
    )[PLATFORM]


def _standing(solution: PlatformSolution) -> Standing:
    conda = {str(each.name): each.document["version"] for each in solution.conda}
    return (
        conda["python"],
        {name: int(text) for name, text in conda.items() if name in NAMES},
        {str(wheel.name): int(str(wheel.wheel.version)) for wheel in solution.wheels},
    )


def _everything(small: SmallWorld) -> list[Standing]:
    return [
        (python, conda, wheels)
        for python in PYTHONS
        for conda in choices(small.conda)
        for wheels in choices(small.wheels)
        if is_valid(small, python, conda, wheels)
    ]


def _contains(whole: Standing, part: Standing) -> bool:
    return whole[0] == part[0] and whole[1].items() >= part[1].items() and whole[2].items() >= part[2].items()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on


_settings = settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
more = st.lists(bounds, min_size=1, max_size=2).map(tuple)


@st.composite
def solvable(draw: st.DrawFn) -> SmallWorld:
    """A world, and a request in it that has a solution: most random ones have none."""
    existing = st.dictionaries(releases, dependencies, min_size=2, max_size=6)
    small = SmallWorld(draw(existing), draw(existing), {}, (), ())
    small.wheels["c", 1] = ()  # so there is something that can be asked for
    _, conda, wheels = draw(st.sampled_from([each for each in _everything(small) if each[1] or each[2]]))
    span = VERSIONS[0], VERSIONS[-1]
    ask_conda = tuple((name, *span) for name in conda if draw(st.booleans()))
    provided = sorted({**conda, **wheels})
    asked = {name for name in provided if draw(st.booleans())} or {provided[0]}
    ask_pypi = tuple((name, *span) for name in sorted(asked))
    return SmallWorld(small.conda, small.wheels, small.pythons_of, ask_conda, ask_pypi)


@pytest.mark.slow
@_settings
@given(small=solvable(), conda=st.lists(bounds, max_size=1).map(tuple), pypi=more)
def test_an_extension_is_found_exactly_when_the_pins_leave_one(
    small: SmallWorld, conda: tuple[Bound, ...], pypi: tuple[Bound, ...]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(small, Path(folder))
        world.write()
        base = _solve(world, small.ask_conda, small.ask_pypi)
        both = SmallWorld(
            small.conda, small.wheels, small.pythons_of, small.ask_conda + conda, small.ask_pypi + pypi
        )
        possible = [each for each in _everything(both) if _contains(each, _standing(base))]
        try:
            made = _solve(world, conda, pypi, pins=Pins(base, "the base"))
        except NoSolution:
            assert not possible
            return
        assert _standing(made) in possible
        before = locked_platform(base)
        assert not missing_pins(before, locked_platform(made, before))


@pytest.mark.slow
@_settings
@given(small=solvable(), newer=worlds, name=st.sampled_from(NAMES))
def test_an_update_moves_nothing_that_could_have_stayed(
    small: SmallWorld, newer: SmallWorld, name: str
) -> None:
    grown = SmallWorld(
        {**newer.conda, **small.conda},
        {**newer.wheels, **small.wheels},
        {**newer.pythons_of, **small.pythons_of},
        small.ask_conda,
        small.ask_pypi,
    )
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(small, Path(folder))
        world.write()
        before = _solve(world, small.ask_conda, small.ask_pypi)
        # A release keeps what it says: what is new comes beside it.
        pythons_of = {r: p for r, p in grown.pythons_of.items() if r not in small.wheels}
        grown = SmallWorld(
            grown.conda,
            grown.wheels,
            {**pythons_of, **small.pythons_of},
            small.ask_conda,
            small.ask_pypi,
        )
        world = build_world(grown, Path(folder) / "grown")
        world.write()
        made = _solve(world, small.ask_conda, small.ask_pypi, former=Previous(before, frozenset({name})))
        python, conda, wheels = now = _standing(made)
        assert is_valid(grown, python, conda, wheels)
        old = _standing(before)
        possible = _everything(grown)
        if name in {**conda, **wheels}:
            same_name = [each for each in possible if _named(each, name) == _named(now, name)]
            stayed = _others(now, old, name)
            for other, place in _all_others(old, name).items():
                if other not in stayed and other in _all_others(now, name):
                    # It moved: with all that stayed, it could not have stayed.
                    keep = {**stayed, other: place}
                    assert not [each for each in same_name if _keeps(each, keep, name)], (other, now)


def _named(standing: Standing, name: str) -> tuple[int | None, int | None]:
    return standing[1].get(name), standing[2].get(name)


def _all_others(standing: Standing, name: str) -> dict[str, object]:
    python, conda, wheels = standing
    return {
        "python": python,
        **{f"conda {each}": version for each, version in conda.items() if each != name},
        **{f"pypi {each}": version for each, version in wheels.items() if each != name},
    }


def _others(now: Standing, old: Standing, name: str) -> dict[str, object]:
    before = _all_others(old, name)
    return {each: place for each, place in _all_others(now, name).items() if before.get(each) == place}


def _keeps(standing: Standing, keep: dict[str, object], name: str) -> bool:
    return _all_others(standing, name).items() >= keep.items()
