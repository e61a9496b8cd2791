"""Source distributions for several platforms at once: built once or not at all, and never for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from conjoin.errors import NoSolution
from conjoin.solve.options import SolveOptions
from conjoin.solve.platforms.shared import side_by_side
from conjoin.solve.request import solve_request
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.build import build_requirements
from conjoin.spec.platform import host_platform
from loopback import LoopbackServer
from sdists import Tools, builds, make_building_sdist
from solving import FIVE, TAGS, World

OTHERS = tuple(platform for platform in FIVE if platform != host_platform())
HERE = "cp312-cp312-linux_x86_64"
"""Of what is compiled here."""
CODE = ("src/core.c",)

pytestmark = pytest.mark.skipif(host_platform() != "linux-64", reason="what is foreign is written down")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sdists"


@pytest.fixture
def wide(world: World) -> World:
    """A world with a Python for five platforms."""
    for platform in FIVE:
        world.python("3.12.1", subdir=platform)
    return world


def _wheels(world: World, name: str, version: str, platforms: Sequence[str], *requires: str) -> None:
    for platform in platforms:
        world.wheel(name, version, requires, tags=f"cp312-cp312-{TAGS[platform]}")


def _native(folder: Path, name: str, version: str, **more: object) -> Path:
    """Return an sdist of what has to be compiled; a line is written for each time it is."""
    given = {"tags": HERE, "code": CODE, "static": True, **more}
    return make_building_sdist(folder, name, version, **given)  # type: ignore[arg-type]


def test_what_compiles_is_not_built_for_platforms_that_it_would_not_serve(wide: World, folder: Path) -> None:
    _wheels(wide, "native", "1.0", ["linux-64", "win-64"])
    wide.add(_native(folder, "native", "1.0"))
    with pytest.raises(NoSolution) as caught:
        wide.solve_all([], ["native"], platforms=FIVE)
    assert caught.value.where == "linux-aarch64"
    assert caught.value.what == (
        "native has no file that can be used: native-1.0.tar.gz would give a wheel for linux-64 alone when "
        "built here: it has to be compiled, and every wheel of 1.0 is for one platform; "
        "native-1.0-cp312-cp312-manylinux_2_17_x86_64.whl is for Linux x86_64; "
        "native-1.0-cp312-cp312-win_amd64.whl is for Windows (win_amd64)"
    )
    assert caught.value.advice == (
        "resolve on a machine of that platform, which can build native, or look whether conda has it; "
        "--no-binary native builds it here all the same"
    )
    assert builds(folder, "native") == 0
    assert list(wide.solve_all([], ["native"], platforms=["linux-64", "win-64"])) == ["linux-64", "win-64"]


def test_that_there_is_nothing_left_to_build_is_told_without_a_second_search(
    wide: World, folder: Path
) -> None:
    _wheels(wide, "native", "1.0", ["linux-64"])
    wide.add(_native(folder, "native", "1.0"))
    wide.wheel("pure", "1.0")
    wide.add(make_building_sdist(folder, "pure", "2.0"))
    wide.write()
    requirements = build_requirements(
        pypi=["native", "pure"], channels=[wide.channel_url], index_url=wide.index_url
    )
    told: list[str] = []
    with pytest.raises(NoSolution, match="native has no file"):
        solve_request(
            requirements, ["osx-64"], SolveOptions(cache_dir=wide.root / "cache", progress=told.append)
        )
    assert told == ["osx-64: solving the conda side", "osx-64: solving conda and PyPI together"]


def test_what_cannot_be_had_is_told_before_the_rest_is_looked_at(wide: World, folder: Path) -> None:
    """Performance, without a clock: of three levels of dependencies the first alone is asked for."""
    _wheels(wide, "native", "1.0", ["linux-64"])
    wide.add(_native(folder, "native", "1.0"))
    wide.wheel("first", "1.0", ["second"])
    wide.wheel("second", "1.0", ["third"])
    wide.wheel("third", "1.0")
    wide.write()
    asked = {"pypi": ["native", "first"], "channels": [wide.channel_url]}
    with LoopbackServer(wide.root / "index") as server:
        requirements = build_requirements(index_url=f"{server.url}/", **asked)  # type: ignore[arg-type]
        with pytest.raises(NoSolution, match="native has no file"):
            solve_request(requirements, ["osx-64"], SolveOptions(cache_dir=wide.root / "fresh"))
        paths = [request.path for request in server.requests]
    assert any("/first/" in path for path in paths)
    assert not any("/second/" in path or "/third/" in path for path in paths)


def test_a_dependent_falls_rather_than_having_something_compiled_in_vain(wide: World, folder: Path) -> None:
    _wheels(wide, "native", "2.0", ["linux-64"])
    _wheels(wide, "native", "1.0", FIVE)
    wide.add(_native(folder, "native", "2.0"))
    wide.wheel("user", "2.0", ["native>=2"])
    wide.wheel("user", "1.0", ["native>=1"])
    solved = wide.solve_all([], ["user"], platforms=FIVE)
    chosen = {name: {str(w.name): str(w.wheel.version) for w in each.wheels} for name, each in solved.items()}
    assert chosen["linux-64"] == {"user": "2.0", "native": "2.0"}
    assert all(chosen[platform] == {"user": "1.0", "native": "1.0"} for platform in OTHERS)
    assert builds(folder, "native") == 0


@pytest.mark.parametrize("code", [(), CODE], ids=["no code", "optional code"])
def test_a_pure_wheel_is_built_once_for_all(wide: World, folder: Path, code: Sequence[str]) -> None:
    wide.add(make_building_sdist(folder, "app", "1.0", code=code, tools=Tools(prepares=True)))
    solved = wide.solve_all([], ["app"], platforms=FIVE)
    assert {wheel.sha256 for each in solved.values() for wheel in each.wheels} == {
        solved["linux-64"].wheels[0].sha256
    }
    assert (builds(folder, "app"), builds(folder, "app", "prepared")) == (1, 1)


def test_without_code_to_compile_only_a_build_can_tell(wide: World, folder: Path) -> None:
    """It may hold a program for each system, or have been pure all along."""
    _wheels(wide, "app", "1.0", ["win-64"])
    wide.add(make_building_sdist(folder, "app", "1.0"))
    solved = wide.solve_all([], ["app"], platforms=FIVE)
    assert [bool(each.wheels[0].source) for each in solved.values()] == [True, True, True, True, False]
    assert builds(folder, "app") == 1


def test_a_pure_wheel_of_the_same_release_shows_that_the_code_is_optional(wide: World, folder: Path) -> None:
    _wheels(wide, "app", "1.0", ["linux-64"])
    wide.wheel("app", "1.0", tags="cp311-none-any")  # for another Python than there is
    wide.add(make_building_sdist(folder, "app", "1.0", code=CODE))
    assert wide.solve(pypi=["app"], platform="osx-64").wheels == {"app": "1.0"}
    assert builds(folder, "app") == 1


def test_what_one_platform_learned_of_a_build_the_others_know(wide: World, folder: Path) -> None:
    """Three releases on four platforms would be twelve builds; one tells all."""
    for number in range(1, 6):
        wide.add(_native(folder, "app", f"{number}.0"))
    with pytest.raises(NoSolution, match=r"app-5\.0-cp312-cp312-linux_x86_64\.whl when built here"):
        wide.solve_all([], ["app"], platforms=OTHERS)
    assert builds(folder, "app") == 1


@pytest.mark.parametrize("fails", [False, True], ids=["of no use", "failing"])
def test_no_build_is_repeated_for_another_platform(wide: World, folder: Path, fails: bool) -> None:
    for number in range(1, 6):
        wide.add(_native(folder, "app", f"{number}.0", code=(), fails=fails))
    with pytest.raises(NoSolution, match=r"app-5\.0"):
        wide.solve_all([], ["app"], platforms=OTHERS)
    assert builds(folder, "app") == 3


@pytest.mark.parametrize("near", [("1.0",), ("3.0",), ("1.0", "3.0")])
def test_the_wheels_of_neighbours_tell_what_a_release_without_any_gives(
    wide: World, folder: Path, near: Sequence[str]
) -> None:
    for version in near:
        _wheels(wide, "app", version, ["linux-64"])
    wide.add(_native(folder, "app", "2.0"))
    told = f"every wheel of {' and '.join(near)} is for one platform"
    with pytest.raises(NoSolution, match=told):
        wide.solve(pypi=["app==2"], platform="osx-64")
    assert builds(folder, "app") == 0


def test_a_neighbour_that_is_pure_leaves_it_open(wide: World, folder: Path) -> None:
    _wheels(wide, "app", "1.0", ["linux-64"])
    wide.add(make_building_sdist(folder, "app", "2.0", code=CODE, static=True))
    wide.wheel("app", "3.0")
    assert wide.solve(pypi=["app==2"], platform="osx-64").wheels == {"app": "2.0"}


def test_what_is_built_with_a_compiling_tool_is_not_built(wide: World, folder: Path) -> None:
    wide.add(_native(folder, "app", "1.0", code=["src/lib.rs"], tools=Tools(declared=["Maturin>=1,<2"])))
    with pytest.raises(NoSolution, match="it has to be compiled, and maturin builds it"):
        wide.solve(pypi=["app"], platform="osx-64")
    assert builds(folder, "app") == 0


def test_what_is_named_is_built_whatever_is_likely(wide: World, folder: Path) -> None:
    """Its C code is optional after all; the wheel that was built then serves without being named."""
    _wheels(wide, "app", "1.0", ["linux-64"])
    path = make_building_sdist(folder, "app", "1.0", code=CODE)
    wide.add(path)
    with pytest.raises(NoSolution, match="has to be compiled"):
        wide.solve(pypi=["app"], platform="osx-64")
    assert wide.solve(pypi=["app"], platform="osx-64", no_binary=["app"]).wheels == {"app": "1.0"}
    assert wide.solve(pypi=["app"], platform="osx-64").wheels == {"app": "1.0"}
    assert wide.solve(pypi=[f"app @ {path.as_uri()}"], platform="win-64").wheels == {"app": "1.0"}
    assert builds(folder, "app") == 1


def test_what_is_named_and_compiled_is_refused_once_it_is_built(wide: World, folder: Path) -> None:
    wide.add(_native(folder, "app", "1.0"))
    with pytest.raises(NoSolution, match=r"gives app-1\.0-cp312-cp312-linux_x86_64\.whl when built here"):
        wide.solve_all([], ["app"], platforms=OTHERS, no_binary=["app"])
    assert builds(folder, "app") == 1


def test_this_host_builds_what_has_to_be_compiled(wide: World, folder: Path) -> None:
    _wheels(wide, "app", "1.0", ["osx-64"])
    wide.add(_native(folder, "app", "1.0", tags="py3-none-linux_x86_64"))
    assert wide.solve(pypi=["app"]).wheels == {"app": "1.0"}
    assert builds(folder, "app") == 1


def test_a_platform_behind_one_that_failed_is_not_waited_for() -> None:
    stopped: list[str] = []

    async def fails() -> PlatformSolution:
        raise NoSolution("nothing fits")

    async def builds_for_hours() -> PlatformSolution:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("win-64")
        raise AssertionError

    with pytest.raises(NoSolution, match="osx-64: nothing fits"):
        asyncio.run(asyncio.wait_for(side_by_side({"osx-64": fails, "win-64": builds_for_hours}), 30))
    assert stopped == ["win-64"]
