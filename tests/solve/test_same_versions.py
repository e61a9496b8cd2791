"""One version of each package on every platform that has it (``--same-versions``)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from packaging.version import Version
from syrupy.assertion import SnapshotAssertion

import conjoin.solve.platforms.same_versions
import conjoin.solve.request
from conjoin.errors import NoSolution
from conjoin.solve.solution import PlatformSolution
from solving import World

LINUX, MAC, WINDOWS = PLATFORMS = ("linux-64", "osx-arm64", "win-64")
TAGS = {LINUX: "manylinux_2_17_x86_64", MAC: "macosx_11_0_arm64", WINDOWS: "win_amd64"}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on


@pytest.fixture
def wide(world: World) -> World:
    for platform in PLATFORMS:
        world.python("3.12.1", subdir=platform)
    return world


def native(world: World, name: str, version: str, requires: list[str], *platforms: str) -> None:
    """Add a wheel for each platform."""
    for platform in platforms:
        world.wheel(name, version, requires, tags=f"cp312-cp312-{TAGS[platform]}")


def alike(
    world: World, conda: list[str], pypi: list[str], *platforms: str, **options: object
) -> Mapping[str, PlatformSolution]:
    return world.solve_all(conda, pypi, platforms=platforms or PLATFORMS, same_versions=True, **options)


def versions(solutions: Mapping[str, PlatformSolution], name: str) -> dict[str, str]:
    """Return the version of a package or project on each platform that has it, whoever provides it."""
    found = {}
    for platform, solution in solutions.items():
        conda = {str(each.name): each.document["version"] for each in solution.conda}
        wheels = {str(each.name): str(each.wheel.version) for each in solution.wheels}
        if name in conda or name in wheels:
            found[platform] = conda.get(name) or wheels[name]
    return found


def test_all_fall_to_the_highest_version_that_every_platform_has(wide: World) -> None:
    native(wide, "x", "1.0", [], *PLATFORMS)
    native(wide, "x", "2.0", [], LINUX, WINDOWS)
    native(wide, "x", "3.0", [], LINUX)
    assert set(versions(wide.solve_all([], ["x"], platforms=PLATFORMS), "x").values()) == {
        "1.0",
        "2.0",
        "3.0",
    }
    assert versions(alike(wide, [], ["x"]), "x") == dict.fromkeys(PLATFORMS, "1.0")
    assert versions(alike(wide, [], ["x"], LINUX, WINDOWS), "x") == {LINUX: "2.0", WINDOWS: "2.0"}
    assert versions(alike(wide, [], ["x"], LINUX), "x") == {LINUX: "3.0"}


def test_platforms_step_past_versions_that_only_one_of_them_has(wide: World) -> None:
    """Each has every other version: they meet at the first they share, not one step at a time."""
    for number in range(2, 40):
        native(wide, "x", f"{number}", [], (LINUX, WINDOWS)[number % 2])
    native(wide, "x", "1", [], LINUX, WINDOWS)
    assert versions(alike(wide, [], ["x"], LINUX, WINDOWS), "x") == {LINUX: "1", WINDOWS: "1"}


def test_what_follows_moves_along(wide: World) -> None:
    native(wide, "x", "1.0", ["y<2"], *PLATFORMS)
    native(wide, "x", "2.0", ["y>=2"], LINUX, MAC)
    wide.wheel("y", "1.0")
    wide.wheel("y", "2.0")
    found = alike(wide, [], ["x"])
    assert versions(found, "y") == dict.fromkeys(PLATFORMS, "1.0")


def test_conda_and_pypi_are_one_project(wide: World) -> None:
    """conda has it for Linux, PyPI for Windows."""
    for version in ("1.0", "1.1", "2.0"):
        wide.conda("x", version, ["python"], subdir=LINUX)
    native(wide, "x", "1.1.0", [], WINDOWS)
    native(wide, "x", "1.0", [], WINDOWS)
    found = alike(wide, [], ["x"], LINUX, WINDOWS)
    assert versions(found, "x") == {LINUX: "1.1", WINDOWS: "1.1.0"}
    assert [str(each.name) for each in found[LINUX].wheels] == []


def test_conda_packages_and_builds(wide: World) -> None:
    """Build strings may differ; a library that one platform alone has may have any version."""
    for platform, newest in ((LINUX, "1.3"), (MAC, "1.2"), (WINDOWS, "1.3")):
        for version in ("1.1", "1.2", "1.3"):
            if version <= newest:
                wide.conda("lib", version, build=f"h{platform[:3]}", subdir=platform)
    wide.conda("app", "1.0", ["lib", "extra"], subdir=LINUX)
    wide.conda("app", "1.0", ["lib"], subdir=MAC)
    wide.conda("app", "1.0", ["lib", "extra"], subdir=WINDOWS)
    wide.conda("extra", "7", subdir=LINUX)
    wide.conda("extra", "7.0", subdir=WINDOWS)
    found = alike(wide, ["app"], [])
    assert versions(found, "lib") == dict.fromkeys(PLATFORMS, "1.2")
    assert versions(found, "extra") == {LINUX: "7", WINDOWS: "7.0"}
    builds = {each.document["build"] for one in found.values() for each in one.conda if each.name == "lib"}
    assert builds == {"hlin", "hosx", "hwin"}


def test_python_is_held_equal(wide: World) -> None:
    wide.python("3.13.1", subdir=LINUX)
    wide.wheel("pure", "1.0")
    assert versions(alike(wide, [], ["pure"]), "python") == dict.fromkeys(PLATFORMS, "3.12.1")


def test_local_versions_are_builds(wide: World) -> None:
    native(wide, "torch", "2.1.0+cpu", [], LINUX, WINDOWS)
    native(wide, "torch", "2.1.0", [], MAC)
    native(wide, "torch", "2.2.0+cpu", [], LINUX)
    assert versions(alike(wide, [], ["torch"]), "torch") == {
        LINUX: "2.1.0+cpu",
        MAC: "2.1.0",
        WINDOWS: "2.1.0+cpu",
    }


def test_a_platform_that_needs_no_package_bounds_nothing(wide: World) -> None:
    """x 1 is all that Windows has, and nobody there needs it."""
    native(wide, "x", "1", [], *PLATFORMS)
    native(wide, "x", "2", [], LINUX, MAC)
    wide.wheel("app", "1", ["x; sys_platform != 'win32'"])
    assert versions(alike(wide, [], ["app"]), "x") == {LINUX: "2", MAC: "2"}


def test_a_lower_version_of_another_package_may_be_the_way_out(wide: World) -> None:
    """No version of x is there for both; app 1 does not need it on Windows."""
    native(wide, "x", "1", [], WINDOWS)
    native(wide, "x", "2", [], LINUX)
    wide.wheel("app", "2", ["x"])
    wide.wheel("app", "1", ["x; sys_platform != 'win32'"])
    found = alike(wide, [], ["app"], LINUX, WINDOWS)
    assert versions(found, "app") == {LINUX: "1", WINDOWS: "1"}
    assert versions(found, "x") == {LINUX: "2"}


def test_one_may_have_to_rise(wide: World) -> None:
    """Windows alone takes the newest a, which wants the old b; Linux has the new b only."""
    wide.wheel("app", "1", ["a", "b"])
    for platform in (LINUX, WINDOWS):
        native(wide, "b", "2", [], platform)
    native(wide, "b", "1", [], WINDOWS)
    native(wide, "a", "2", ["b<2"], WINDOWS)
    native(wide, "a", "1", [], LINUX, WINDOWS)
    found = alike(wide, [], ["app"], LINUX, WINDOWS)
    assert versions(found, "b") == {LINUX: "2", WINDOWS: "2"}
    assert versions(found, "a") == {LINUX: "1", WINDOWS: "1"}


def test_the_lowest_versions_meet_upwards(wide: World) -> None:
    native(wide, "x", "1", [], LINUX)
    native(wide, "x", "2", [], LINUX, WINDOWS)
    native(wide, "x", "3", [], LINUX, WINDOWS)
    found = alike(wide, [], ["x"], LINUX, WINDOWS, strategy="lowest")
    assert versions(found, "x") == {LINUX: "2", WINDOWS: "2"}


def test_the_order_of_platforms_means_nothing(wide: World) -> None:
    native(wide, "x", "1.0", ["y"], *PLATFORMS)
    native(wide, "x", "2.0", ["y"], LINUX, MAC)
    native(wide, "y", "1.0", [], *PLATFORMS)
    native(wide, "y", "2.0", [], WINDOWS)
    one, other = alike(wide, [], ["x"]), alike(wide, [], ["x"], *reversed(PLATFORMS))
    assert dict(one) == dict(other)
    assert list(other) == [*reversed(PLATFORMS)]


def test_what_agrees_already_is_not_solved_again(wide: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wide.wheel("pure", "1.0")
    monkeypatch.setattr(conjoin.solve.platforms.same_versions, "MOST_SOLVES", 0)
    found = alike(wide, [], ["pure"])
    assert dict(found) == dict(wide.solve_all([], ["pure"], platforms=PLATFORMS))


def test_no_version_for_both(wide: World, snapshot: SnapshotAssertion) -> None:
    native(wide, "x", "2.0", [], LINUX, MAC)
    native(wide, "x", "1.0", [], WINDOWS)
    with pytest.raises(NoSolution) as caught:
        alike(wide, [], ["x"])
    assert str(caught.value) == snapshot


def test_none_that_fits_the_rest(wide: World, snapshot: SnapshotAssertion) -> None:
    native(wide, "x", "1.0", [], *PLATFORMS)
    native(wide, "x", "2.0", [], LINUX, MAC)
    wide.wheel("app", "1", ["x>=2; sys_platform != 'win32'", "x; sys_platform == 'win32'"])
    with pytest.raises(NoSolution) as caught:
        alike(wide, [], ["app"])
    assert str(caught.value) == snapshot


def test_each_alone_but_not_together(wide: World, snapshot: SnapshotAssertion) -> None:
    """Either x or y can be 1 on Windows and 1 on Linux, but Linux has not both at once."""
    for platform in (LINUX, WINDOWS):
        for name in ("x", "y"):
            native(wide, name, "1", [], platform)
    native(wide, "x", "2", [], LINUX)
    native(wide, "y", "2", [], LINUX)
    native(wide, "app", "2", ["x==2", "y==1"], LINUX)
    native(wide, "app", "2", ["x==1", "y==1"], WINDOWS)
    native(wide, "app", "1", ["x==1", "y==2"], LINUX)
    native(wide, "app", "1", ["x==1", "y==1"], WINDOWS)
    with pytest.raises(NoSolution) as caught:
        alike(wide, [], ["app"], LINUX, WINDOWS)
    assert str(caught.value) == snapshot


def test_it_is_given_up_in_the_end(
    wide: World, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    native(wide, "x", "1.0", [], *PLATFORMS)
    native(wide, "x", "2.0", [], LINUX, MAC)
    monkeypatch.setattr(conjoin.solve.platforms.same_versions, "MOST_SOLVES", 1)
    with pytest.raises(NoSolution) as caught:
        alike(wide, [], ["x"])
    assert str(caught.value) == snapshot


def test_versions_are_compared_by_pep_440(wide: World) -> None:
    """conda's order of these is another one."""
    for version in ("1.0rc1", "1.0.post1", "0.9"):
        native(wide, "x", version, [], LINUX)
        if version != "1.0.post1":
            native(wide, "x", version, [], WINDOWS)
    found = alike(wide, [], ["x"], LINUX, WINDOWS, prereleases=True)
    assert set(map(Version, versions(found, "x").values())) == {Version("1.0rc1")}
