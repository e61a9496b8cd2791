"""Where something has to be built, the answer is uv's for the same index; where not, the documents say so."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from uv import find_uv_bin

from loopback import LoopbackServer
from sdists import make_building_sdist
from solving import World

_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)$", re.MULTILINE)

Made = Callable[[World, Callable[..., None]], list[str]]


def _a_dependency_without_a_wheel(world: World, sdist: Callable[..., None]) -> list[str]:
    """As hydra-core, omegaconf and antlr4-python3-runtime are: an old hydra can be had from wheels alone."""
    world.wheel("hydra", "0.11")
    for number in range(3):
        world.wheel("hydra", f"1.{number}", ["antlr==4.9.*", f"conf>={number}"])
        world.wheel("conf", f"{number}.5", ["antlr==4.9.*"] if number else [])
    world.wheel("antlr", "4.13")
    sdist("antlr", "4.9.3")
    sdist("antlr", "4.9.2")
    sdist("antlr", "4.7")
    return ["hydra"]


def _a_project_without_any_wheel(world: World, sdist: Callable[..., None]) -> list[str]:
    """As dbt-core's experimental parser is."""
    for number in range(3):
        world.wheel("core", f"1.1{number}", ["parser>=2"] if number == 2 else [])
    sdist("parser", "2.0")
    sdist("parser", "2.1", ["helper"])
    world.wheel("helper", "1.0")
    return ["core"]


def _sources_of_sources(world: World, sdist: Callable[..., None]) -> list[str]:
    sdist("one", "1.0", ["two[more]"])
    sdist("two", "1.0", ["three<2; extra == 'more'"], headers=["Provides-Extra: more"])
    sdist("three", "1.5")
    world.wheel("three", "2.0")
    return ["one"]


def _wheels_for_another_platform(world: World, sdist: Callable[..., None]) -> list[str]:
    world.wheel("app", "2.0", tags="cp312-cp312-win_amd64")
    sdist("app", "2.0")
    return ["app"]


def _two_who_need_it(world: World, sdist: Callable[..., None]) -> list[str]:
    world.wheel("left", "1.0", ["base<2"])
    world.wheel("right", "1.0", ["base!=1.9"])
    world.wheel("base", "2.0")
    for version in ("1.7", "1.8", "1.9"):
        sdist("base", version)
    return ["left", "right"]


def _the_newest_source_does_not_fit(world: World, sdist: Callable[..., None]) -> list[str]:
    sdist("app", "2.0", ["nobody-has-this"])
    sdist("app", "1.0")
    return ["app"]


MADE = [
    _a_dependency_without_a_wheel,
    _a_project_without_any_wheel,
    _sources_of_sources,
    _wheels_for_another_platform,
    _two_who_need_it,
    _the_newest_source_does_not_fit,
]


def _theirs(world: World, asked: list[str]) -> dict[str, str]:
    listed = world.root / "requirements.in"
    listed.write_text("\n".join(asked))
    with LoopbackServer(world.root / "index") as server:
        done = subprocess.run(
            [
                *(find_uv_bin(), "pip", "compile", str(listed), "--quiet", "--no-config", "--no-annotate"),
                *("--no-header", "--default-index", server.url, "--cache-dir", str(world.root / "uv")),
                *("--python", sys.executable, "--python-version", "3.12.1", "--no-python-downloads"),
                *("--python-platform", "x86_64-manylinux_2_28"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return dict(_PINNED.findall(done.stdout))


@pytest.fixture
def sdist(world: World) -> Callable[..., None]:
    world.python("3.12.1")

    def add(name: str, version: str, requires: list[str] | None = None, **options: list[str]) -> None:
        folder = world.root / "sdists"
        world.add(make_building_sdist(folder, name, version, requires or [], static=True, **options))  # type: ignore[arg-type]

    return add


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__.strip("_"))
def test_the_answer_is_uvs(made: Made, world: World, sdist: Callable[..., None]) -> None:
    asked = made(world, sdist)
    assert world.solve(pypi=asked).wheels == _theirs(world, asked)


def test_a_wheel_goes_before_a_newer_source_and_uv_has_it_otherwise(
    world: World, sdist: Callable[..., None]
) -> None:
    world.wheel("app", "1.0")
    sdist("app", "2.0")
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}
    assert _theirs(world, ["app"]) == {"app": "2.0"}
    assert world.solve(pypi=["app>=2"]).wheels == _theirs(world, ["app>=2"]) == {"app": "2.0"}


def test_a_way_around_a_conflict_is_a_wheel_where_there_is_one(
    world: World, sdist: Callable[..., None]
) -> None:
    """What each of two asks for has a wheel, both together have none: an older release of one is taken."""
    world.wheel("left", "2.0", ["base>=1,<3"])
    world.wheel("left", "1.0")
    world.wheel("right", "1.0", ["base!=1.0"])
    world.wheel("base", "1.0")
    world.wheel("base", "3.0")
    sdist("base", "2.0")
    assert world.solve(pypi=["left", "right"]).wheels == {"left": "1.0", "right": "1.0", "base": "3.0"}
    assert _theirs(world, ["left", "right"]) == {"left": "2.0", "right": "1.0", "base": "2.0"}
