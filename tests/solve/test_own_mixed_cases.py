"""Mixed requests of our own making, each of another kind, with the answer and why it is the answer.

``shared/data/mixed-cases.json`` holds what people reported; these are small worlds in which one rule decides.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import NoSolution
from solving import World
from worlds import make_wheel

PYTHONS = ("3.10.1", "3.11.1", "3.12.1", "3.13.1")


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.python(*PYTHONS)
    return made


def test_python_alone_is_asked_for(world: World) -> None:
    """Nothing needs it, and no version is named: it is asked for all the same."""
    world.conda("git", "2.0")
    assert world.solve(["python", "git"]).conda == {"python": "3.13.1", "git": "2.0"}
    assert world.solve(["git"]).conda == {"git": "2.0"}


def test_python_must_fall_for_a_wheel_beside_a_conda_package(world: World) -> None:
    """conda alone would take 3.13; the only wheel is for 3.11, and conda has a build for that too."""
    for minor in (11, 12, 13):
        world.conda("numpy", "2.1.0", [f"python >=3.{minor},<3.{minor + 1}"], build=f"py3{minor}")
    world.wheel("fast", "1.0", ["numpy>=2"], tags="cp311-cp311-manylinux_2_17_x86_64")
    solved = world.solve(["python", "numpy"], ["fast"])
    assert solved.python == "3.11.1"
    assert solved.conda["numpy"] == "2.1.0"
    assert solved.wheels == {"fast": "1.0"}


def test_a_conda_package_whose_only_fitting_build_needs_an_older_python(world: World) -> None:
    """The wheel needs numpy<2, and conda built numpy 1.26 for 3.10 alone: Python falls with it."""
    world.conda("numpy", "1.26.4", ["python >=3.10,<3.11"])
    world.conda("numpy", "2.1.0", ["python >=3.13,<3.14"])
    world.wheel("model", "1.0", ["numpy<2"])
    solved = world.solve(["python", "numpy"], ["model"])
    assert solved.python == "3.10.1"
    assert solved.conda["numpy"] == "1.26.4"


def test_three_conda_packages_must_move_together(world: World) -> None:
    """arrow, pyarrow and the storage library are one release train; a wheel wants the train before."""
    for version in ("15.0", "14.0"):
        world.conda("libarrow", version)
        world.conda("libstore", version, [f"libarrow {version}"])
        world.conda("pyarrow", version, ["python", f"libarrow {version}", f"libstore {version}"])
    world.wheel("table", "1.0", ["pyarrow<15"])
    solved = world.solve(["python", "pyarrow", "libarrow"], ["table"])
    assert {solved.conda[name] for name in ("pyarrow", "libarrow", "libstore")} == {"14.0"}


def test_a_bridge_through_an_extra_makes_conda_move(world: World) -> None:
    """conda provides the project; what its extra needs is known from its wheel, and bounds another."""
    world.conda("frame", "2.0", ["python"])
    world.conda("frame", "1.0", ["python"])
    world.conda("engine", "9.0", ["python"])
    world.conda("engine", "5.0", ["python"])
    world.wheel("frame", "2.0", extras={"fast": ["engine<6"]})
    world.wheel("frame", "1.0", extras={"fast": ["engine<4"]})
    solved = world.solve(["python", "frame", "engine"], ["frame[fast]"])
    assert solved.conda["frame"] == "2.0"
    assert solved.conda["engine"] == "5.0"
    assert solved.wheels == {}


def test_what_a_conda_package_vendors_is_no_obstacle_and_no_owner(world: World) -> None:
    """flit-core holds a copy of tomli: purls that are not its main distribution neither bridge nor evict."""
    world.conda(
        "flit-core",
        "3.9.0",
        ["python"],
        subdir="noarch",
        noarch="python",
        purls=["pkg:pypi/flit-core", "pkg:pypi/tomli"],
    )
    world.wheel("tomli", "2.0.1")
    world.wheel("app", "1.0", ["tomli>=2", "flit-core>=3"])
    solved = world.solve(["python", "flit-core"], ["app"])
    assert solved.wheels == {"app": "1.0", "tomli": "2.0.1"}
    assert solved.conda["flit-core"] == "3.9.0"


def test_constrains_of_a_conda_package_force_its_neighbour_down(world: World) -> None:
    """``constrains`` asks for nothing: it counts once a wheel's bridge brings the other package in."""
    world.conda("base", "1.0", ["python"], constrains=["helper <2"])
    world.conda("helper", "1.5", ["python"])
    world.conda("helper", "2.5", ["python"])
    world.wheel("app", "1.0", ["helper"])
    assert "helper" not in world.solve(["python", "base"]).conda
    solved = world.solve(["python", "base", "helper"], ["app"])
    assert solved.conda["helper"] == "1.5"
    with pytest.raises(NoSolution):
        world.solve(["python", "base", "helper"], ["app", "helper>=2"])


def test_a_url_takes_the_project_away_from_conda(world: World) -> None:
    """A file named by the user replaces the pool: conda's package of the project cannot stand beside it."""
    world.conda("lib", "1.0", ["python"])
    world.conda("user-of-lib", "1.0", ["python", "lib"])
    mine = make_wheel(world.root / "mine", "lib", "1.0+mine").as_uri()
    world.wheel("app", "1.0", ["lib>=1"])
    solved = world.solve(["python"], ["app", f"lib @ {mine}"])
    assert solved.wheels == {"app": "1.0", "lib": "1.0+mine"}
    assert "lib" not in solved.conda
    with pytest.raises(NoSolution):
        world.solve(["python", "user-of-lib"], ["app", f"lib @ {mine}"])


def test_a_prerelease_of_conda_counts_only_where_the_user_asks_for_one(world: World) -> None:
    """conda has a release candidate of the next version; a wheel's requirement alone must not pull it in."""
    world.conda("lib", "2.0rc1", ["python"])
    world.conda("lib", "1.0", ["python"])
    world.wheel("app", "2.0", ["lib>=2.0rc1"])
    world.wheel("app", "1.0", ["lib"])
    solved = world.solve(["python", "lib <2a0"], ["app"])
    assert solved.wheels == {"app": "1.0"}
    assert solved.conda["lib"] == "1.0"
    asked = world.solve(["python"], ["app", "lib>=2.0rc1"])
    assert asked.conda["lib"] == "2.0rc1"
    assert asked.wheels == {"app": "2.0"}


def test_track_features_weigh_a_variant_down_but_a_wheel_can_still_demand_its_version(world: World) -> None:
    """Among builds of one version, the one without features wins; a version that only has it is taken."""
    world.conda("blas", "1.0", build="plain")
    world.conda("blas", "1.0", build="mkl", build_number=5, track_features="mkl")
    world.conda("solver", "1.0", ["python", "blas 1.0"])
    world.conda("solver", "2.0", ["python", "blas 1.0 mkl"])
    world.wheel("app", "1.0", ["solver"])
    world.wheel("strict", "1.0", ["solver>=2"])

    def build(*pypi: str) -> str:
        solved = world.solve(["python", "solver <2" if pypi == ("app",) else "solver"], list(pypi))
        return str(next(p.document["build"] for p in solved.solution.conda if p.name == "blas"))

    assert build("app") == "plain"
    assert build("strict") == "mkl"


@pytest.mark.parametrize(
    ("platform", "tag", "expected"),
    [
        ("win-64", "cp312-cp312-win_amd64", {"app": "2.0", "onwin": "1.0"}),
        ("osx-arm64", "cp312-cp312-macosx_11_0_arm64", {"app": "2.0", "onmac": "1.0"}),
        ("osx-64", "cp312-cp312-macosx_10_9_x86_64", {"app": "2.0", "onmac": "1.0"}),
        ("linux-aarch64", "cp312-cp312-manylinux_2_28_aarch64", {"app": "2.0"}),
    ],
)
def test_other_platforms_get_their_own_wheels_builds_and_markers(
    world: World, platform: str, tag: str, expected: dict[str, str]
) -> None:
    """Everything is read for the target: conda's subdir, the wheel's tag, the markers, on whatever host."""
    world.python("3.12.1", subdir=platform)
    world.conda("numpy", "1.26.4", ["python"], subdir=platform)
    needs = ["numpy<2", "onwin; os_name == 'nt'", "onmac; sys_platform == 'darwin'"]
    world.wheel("app", "2.0", needs, tags=tag)
    world.wheel("app", "3.0", needs, tags="cp312-cp312-manylinux_2_28_ppc64le")
    world.wheel("onwin", "1.0")
    world.wheel("onmac", "1.0")
    solved = world.solve(["python", "numpy"], ["app"], platform=platform)
    assert solved.wheels == expected
    assert solved.conda == {"python": "3.12.1", "numpy": "1.26.4"}


def test_the_whole_chain_falls_over_both_sides_and_python(world: World) -> None:
    """wheel -> conda -> conda's dependency -> Python: four decisions have to be undone together."""
    world.conda("core", "2.0", ["python >=3.12"])
    world.conda("core", "1.0", ["python >=3.10,<3.12"])
    world.conda("tool", "2.0", ["core 2.*", "python"])
    world.conda("tool", "1.0", ["core 1.*", "python"])
    world.conda("gui", "1.0", ["tool"])
    world.wheel("plugin", "1.0", ["tool<2"])
    solved = world.solve(["python", "gui"], ["plugin"])
    assert solved.python == "3.11.1"
    assert {name: solved.conda[name] for name in ("core", "tool", "gui")} == {
        "core": "1.0",
        "tool": "1.0",
        "gui": "1.0",
    }


def test_a_wheel_and_conda_agree_on_a_virtual_package(world: World) -> None:
    """conda's build asks for __cuda, the wheel for conda's version: without a GPU the older build serves."""
    world.conda("torchlike", "2.0", ["python", "__cuda >=12"], build="cuda")
    world.conda("torchlike", "1.0", ["python"], build="cpu")
    world.wheel("app", "1.0", ["torchlike"])
    assert world.solve(["python", "torchlike"], ["app"]).conda["torchlike"] == "1.0"
    on_gpu = world.solve(["python", "torchlike"], ["app"], virtual_packages=["__cuda=12.4"])
    assert on_gpu.conda["torchlike"] == "2.0"
    with pytest.raises(NoSolution):
        world.solve(["python", "torchlike"], ["app", "torchlike>=2"])


def test_an_override_frees_a_wheel_from_what_conda_cannot_give(world: World) -> None:
    """The wheel's bound is wrong, and the user says so: conda's version serves it then."""
    world.conda("numpy", "2.1.0", ["python"])
    world.wheel("old", "1.0", ["numpy<2"])
    with pytest.raises(NoSolution):
        world.solve(["python", "numpy"], ["old"])
    solved = world.solve(["python", "numpy"], ["old"], overrides=["numpy>=2"])
    assert solved.conda["numpy"] == "2.1.0"
    assert solved.wheels == {"old": "1.0"}


def test_two_conda_packages_split_one_project_and_the_one_in_use_provides_it(world: World) -> None:
    """matplotlib depends on matplotlib-base, which holds the distribution: no wheel beside them."""
    world.conda("plot-base", "3.8", ["python"], purls=["pkg:pypi/plot"])
    world.conda("plot", "3.8", ["plot-base 3.8", "python"], purls=["pkg:pypi/plot"])
    world.wheel("plot", "3.9")
    world.wheel("app", "1.0", ["plot>=3"])
    solved = world.solve(["python", "plot"], ["app"])
    assert solved.wheels == {"app": "1.0"}
    assert solved.conda["plot-base"] == "3.8"
