"""Random small worlds over both ecosystems, and a search of everything that could be a solution."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hypothesis import strategies as st

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


def meets(chosen: dict[str, int], bound: Bound) -> bool:
    name, low, high = bound
    return name in chosen and low <= chosen[name] <= high


def is_valid(world: SmallWorld, python: str, conda: dict[str, int], wheels: dict[str, int]) -> bool:
    if conda.keys() & wheels.keys():
        return False
    provided = {**conda, **wheels}
    return (
        all(meets(conda, bound) for bound in world.ask_conda)
        and all(meets(provided, bound) for bound in world.ask_pypi)
        and all(meets(conda, bound) for release in conda.items() for bound in world.conda[release])
        and all(meets(provided, bound) for release in wheels.items() for bound in world.wheels[release])
        and all(world.pythons_of.get(release, python) == python for release in wheels.items())
    )


def choices(existing: Iterable[Release]) -> list[dict[str, int]]:
    """Return every choice of at most one version of each name."""
    versions = {name: [version for other, version in existing if other == name] for name in NAMES}
    return [
        {name: version for name, version in zip(NAMES, picks, strict=True) if version is not None}
        for picks in itertools.product(*([None, *sorted(versions[name])] for name in NAMES))
    ]


def any_choice(
    conda: Collection[Release],
    wheels: Collection[Release],
    valid: Callable[[str, dict[str, int], dict[str, int]], bool],
) -> bool:
    """Tell whether ``valid`` holds for any Python with any choice on both sides."""
    return any(
        valid(python, ours, theirs)
        for python in PYTHONS
        for ours in choices(conda)
        for theirs in choices(wheels)
    )


def exists(world: SmallWorld) -> bool:
    return any_choice(world.conda, world.wheels, partial(is_valid, world))


def build_world(world: SmallWorld, root: Path) -> World:
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
