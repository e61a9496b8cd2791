"""Source distributions in the joint solve: tried where wheels have no solution, built once, beside conda."""

from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import NoSolution
from conjoin.resolving import resolve_request
from conjoin.spec.build import build_requirements
from conjoin.spec.requirements import Requirements
from conjoin.store.store import Store
from sdists import builds, make_building_sdist
from solving import World


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sdists"


def _asks_for_app(world: World) -> Requirements:
    world.write()
    return build_requirements(
        pypi=["app"], channels=[world.channel_url], index_url=world.index_url, python="3.12"
    )


def test_a_project_without_wheels_is_built_beside_conda_packages(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.conda("numpy", "1.26.4", ["python"])
    world.conda("numpy", "2.1.0", ["python"])
    world.add(make_building_sdist(folder, "old-model", "1.0", ["numpy<2", "helper"]))
    world.wheel("helper", "1.0")
    solved = world.solve(["python", "numpy"], ["old-model"])
    assert solved.conda["numpy"] == "1.26.4"
    assert solved.wheels == {"old-model": "1.0", "helper": "1.0"}
    built = next(wheel for wheel in solved.solution.wheels if wheel.name == "old-model")
    assert built.wheel.filename == "old_model-1.0-py3-none-any.whl"
    assert built.source is not None
    assert built.source.url.endswith("/old_model-1.0.tar.gz")


def test_a_wheel_is_preferred_to_a_newer_source(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    world.add(make_building_sdist(folder, "app", "2.0"))
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}
    assert world.solve(pypi=["app>=2"]).wheels == {"app": "2.0"}
    assert world.solve(pypi=["app"], no_binary=["app"]).wheels == {"app": "2.0"}
    with pytest.raises(NoSolution):
        world.solve(pypi=["app>=2"], only_binary=["app"])


def _hydra(world: World, folder: Path) -> None:
    """Every release of ``hydra`` but the first needs ``antlr`` 4.9, which has no wheel; newer antlr has."""
    world.python("3.12.1")
    world.wheel("hydra", "0.11")
    for number in range(4):
        world.wheel("hydra", f"1.{number}", ["antlr==4.9.*"])
    world.wheel("antlr", "4.13")
    world.add(make_building_sdist(folder, "antlr", "4.9.3"))
    world.add(make_building_sdist(folder / "old", "antlr", "4.8"))


def test_nothing_falls_for_a_dependency_that_has_to_be_built(world: World, folder: Path) -> None:
    _hydra(world, folder)
    assert world.solve(pypi=["hydra"]).wheels == {"hydra": "1.3", "antlr": "4.9.3"}
    assert builds(folder, "antlr") == 1
    assert builds(folder / "old", "antlr") == 0
    assert world.solve(pypi=["hydra"], only_binary=["antlr"]).wheels == {"hydra": "0.11"}
    assert world.solve(pypi=["antlr"]).wheels == {"antlr": "4.13"}


def test_a_conda_package_spares_the_build(world: World, folder: Path) -> None:
    _hydra(world, folder)
    world.conda("antlr", "4.9.2", ["python"])
    solved = world.solve(pypi=["hydra"])
    assert solved.wheels == {"hydra": "1.3"}
    assert solved.conda["antlr"] == "4.9.2"
    assert builds(folder, "antlr") == 0


def test_what_only_a_release_that_is_not_chosen_needs_is_not_built(world: World, folder: Path) -> None:
    """``hydra`` 2 shows the source of ``antlr`` to the solver, and cannot be had for another reason."""
    _hydra(world, folder)
    world.wheel("hydra", "2.0", ["antlr==4.9.*", "nobody-has-this"])
    solved = world.solve(pypi=["hydra<1", "antlr"])
    assert solved.wheels == {"hydra": "0.11", "antlr": "4.13"}
    world.wheel("app", "2.0", ["antlr==4.9.*", "nobody-has-this"])
    world.wheel("app", "1.0", ["antlr"])
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0", "antlr": "4.13"}
    assert builds(folder, "antlr") == 0


def test_where_one_has_to_be_built_others_still_come_as_wheels(world: World, folder: Path) -> None:
    """Only the source of ``app`` fits: ``helper`` has a newer source as well, which nobody needs."""
    world.python("3.12.1")
    world.wheel("app", "2.0", ["helper>=2", "helper<2"])
    world.add(make_building_sdist(folder, "app", "1.0", ["helper"]))
    world.wheel("helper", "1.0")
    world.add(make_building_sdist(folder, "helper", "3.0"))
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0", "helper": "1.0"}
    assert builds(folder, "helper") == 0


def test_a_source_that_may_not_be_built_is_named(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.add(make_building_sdist(folder, "app", "2.0"))
    with pytest.raises(NoSolution, match="--only-binary excludes it"):
        world.solve(pypi=["app"], only_binary=[":all:"])
    assert builds(folder, "app") == 0


def test_a_source_is_built_once(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.add(make_building_sdist(folder, "app", "1.0"))
    first = world.solve(pypi=["app"]).solution.wheels
    assert world.solve(pypi=["app"]).solution.wheels == first
    assert builds(folder, "app") == 1


def test_a_binding_pkg_info_spares_the_build_of_what_is_not_chosen(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.add(make_building_sdist(folder, "app", "1.0", static=True))
    world.add(make_building_sdist(folder / "new", "app", "2.0", ["nowhere"], static=True))
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}
    assert builds(folder, "app") == 1
    assert builds(folder / "new", "app") == 0


def test_a_build_that_fails_is_passed_over_and_told(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.add(make_building_sdist(folder, "app", "2.0", fails=True))
    with pytest.raises(NoSolution, match=r"app-2\.0\.tar\.gz cannot be built: no compiler today"):
        world.solve(pypi=["app"])
    world.add(make_building_sdist(folder, "app", "1.0"))
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}


def test_after_three_failures_the_others_are_not_tried(world: World, folder: Path) -> None:
    world.python("3.12.1")
    for number in range(1, 6):
        world.add(make_building_sdist(folder, "app", f"{number}.0", fails=True))
    with pytest.raises(NoSolution, match=r"app-5\.0.* no compiler today; .*; and 2 files more"):
        world.solve(pypi=["app"])
    assert builds(folder, "app") == 3
    world.wheel("app", "0.9")
    assert world.solve(pypi=["app"]).wheels == {"app": "0.9"}


def test_a_wheel_built_here_that_is_not_pure_serves_no_other_platform(world: World, folder: Path) -> None:
    world.python("3.12.1", subdir="win-64")
    world.add(make_building_sdist(folder, "app", "1.0", tags="cp312-cp312-linux_x86_64"))
    with pytest.raises(NoSolution, match=r"gives app-1\.0-cp312-cp312-linux_x86_64\.whl when built here"):
        world.solve(["python"], ["app"], platform="win-64")


def test_a_pure_wheel_built_here_serves_every_platform(world: World, folder: Path) -> None:
    world.python("3.12.1", subdir="win-64")
    world.add(make_building_sdist(folder, "app", "1.0"))
    assert world.solve(["python"], ["app"], platform="win-64").wheels == {"app": "1.0"}


def test_the_store_keeps_a_built_wheel_and_the_lock_its_source(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.add(make_building_sdist(folder, "app", "1.0"))
    lock = resolve_request(_asks_for_app(world), ["linux-64"]).lock
    package = next(package for package in lock.platforms["linux-64"].packages if package.name == "app")
    assert package.url == ""
    assert package.source_url.endswith("/app-1.0.tar.gz")
    assert len(package.source_sha256) == 64
    assert Store().packages.has(package.sha256, package.file)


def test_two_users_build_the_same_bytes(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.python("3.12.1")
    world.add(make_building_sdist(folder, "app", "1.0"))
    requirements = _asks_for_app(world)
    made = []
    for user in ("ada", "grace"):
        monkeypatch.setenv("CONJOIN_CACHE", str(world.root / user / "cache"))
        monkeypatch.setenv("CONJOIN_STORE", str(world.root / user / "store"))
        made.append(resolve_request(requirements, ["linux-64"]).lock)
    assert builds(folder, "app") == 2
    assert made[0] == made[1]
