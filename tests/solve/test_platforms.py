"""Several platforms in one request: side by side, each page and each file of metadata read once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import conjoin.index.conda
import conjoin.solve.platforms.shared
from conjoin.errors import NoSolution
from conjoin.solve.candidates.encoding import make_record
from conjoin.solve.options import SolveOptions
from conjoin.solve.platforms.shared import side_by_side
from conjoin.solve.request import solve_request
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.build import build_requirements
from conjoin.spec.names import CondaName
from loopback import LoopbackServer
from solving import FIVE, TAGS, World, always_search


@pytest.fixture
def wide(world: World) -> World:
    """A world for five platforms; ``native`` has a wheel for each, 2.0 none for Windows."""
    for platform in FIVE:
        world.python("3.12.1", subdir=platform)
        world.conda("zlib", "1.3", subdir=platform)
        world.wheel("native", "1.0", ["pure"], tags=f"cp312-cp312-{TAGS[platform]}")
        if platform != "win-64":
            world.wheel("native", "2.0", ["pure"], tags=f"cp312-cp312-{TAGS[platform]}")
    world.wheel("pure", "1.0", ["winonly; sys_platform == 'win32'"])
    world.wheel("winonly", "1.0")
    return world


def test_each_platform_gets_its_own_files(wide: World) -> None:
    solved = wide.solve_all(["zlib"], ["native"], platforms=FIVE)
    assert list(solved) == list(FIVE)
    for platform, solution in solved.items():
        files = {str(wheel.name): wheel.wheel.filename for wheel in solution.wheels}
        assert TAGS[platform] in files["native"]
        assert ("winonly" in files) == (platform == "win-64")
        assert {package.document["subdir"] for package in solution.conda} == {platform}


def test_the_answer_is_that_of_each_platform_alone(wide: World) -> None:
    together = wide.solve_all(["zlib"], ["native"], platforms=FIVE)
    for platform in FIVE:
        assert wide.solve_all(["zlib"], ["native"], platforms=[platform])[platform] == together[platform]


def test_what_platforms_share_is_read_once(wide: World) -> None:
    """Performance, without a clock: five platforms ask the index no more often than one of them has to."""
    wide.write()
    asked: dict[str, Any] = {"conda": ["zlib"], "pypi": ["pure"], "channels": [wide.channel_url]}
    with LoopbackServer(wide.root / "index") as server:
        requirements = build_requirements(index_url=f"{server.url}/", **asked)
        solve_request(requirements, FIVE, SolveOptions(cache_dir=wide.root / "fresh"))
        paths = [str(request.path) for request in server.requests]
    assert len(paths) == len(set(paths))
    assert sum("/pure/" in path for path in paths) == 1


def test_what_is_the_same_for_all_platforms_is_made_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Performance, without a clock: five platforms make no more records and packages than one of them."""
    made: list[str] = []
    always_search(monkeypatch)

    def noted(name: str, *arguments: Any, **more: Any) -> Any:
        made.append(name)
        return make_record(name, *arguments, **more)

    def package(name: CondaName, records: Any) -> Any:
        made.append(name)
        return read_package(name, records)

    read_package = conjoin.index.conda._package
    monkeypatch.setattr(conjoin.solve.platforms.shared, "make_record", noted)
    monkeypatch.setattr(conjoin.index.conda, "_package", package)
    for platform in FIVE:
        world.python("3.12.1", subdir=platform)
    world.conda("pure", "1.0", ["python"], subdir="noarch", noarch="python")
    for version in ("1.0", "2.0", "3.0"):
        world.wheel("pure", version, ["other>=1"])
        world.wheel("other", version)
    counts = []
    for platforms in (FIVE[:1], FIVE):
        made.clear()
        world.solve_all([], ["pure"], platforms=platforms)
        counts.append([name for name in made if name != "python"])
    assert sorted(counts[0]) == sorted(counts[1])
    assert {"pypi--pure", "pypi--other", "pure"} <= set(counts[0])


def test_an_error_names_the_first_platform_that_has_it(wide: World) -> None:
    with pytest.raises(NoSolution) as caught:
        wide.solve_all([], ["native>=2"], platforms=["linux-64", "win-64", "osx-64"])
    assert caught.value.where == "win-64"
    assert "native" in caught.value.what
    with pytest.raises(NoSolution) as alone:
        wide.solve_all([], ["native>=2"], platforms=["win-64"])
    assert alone.value.where is None


def test_platforms_are_solved_at_the_same_time() -> None:
    """Each waits for the other to have begun: one after the other would never end."""
    begun = {platform: asyncio.Event() for platform in ("linux-64", "osx-64")}

    async def solve(platform: str, other: str) -> PlatformSolution:
        begun[platform].set()
        await asyncio.wait_for(begun[other].wait(), 30)
        return PlatformSolution(platform, {})

    async def both() -> dict[str, PlatformSolution]:
        return await side_by_side(
            {"osx-64": lambda: solve("osx-64", "linux-64"), "linux-64": lambda: solve("linux-64", "osx-64")}
        )

    assert list(asyncio.run(both())) == ["osx-64", "linux-64"]


def test_the_first_platform_s_error_counts_however_late() -> None:
    async def slow() -> PlatformSolution:
        await asyncio.sleep(0.05)
        raise NoSolution("slow")

    async def quick() -> PlatformSolution:
        raise NoSolution("quick")

    async def both() -> dict[str, PlatformSolution]:
        return await side_by_side({"osx-64": slow, "linux-64": quick})

    with pytest.raises(NoSolution, match="osx-64: slow"):
        asyncio.run(both())
