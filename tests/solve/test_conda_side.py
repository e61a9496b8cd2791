"""What conda users write and what channels hold: priorities, builds, variants, virtual packages, Pythons."""

from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import NoSolution
from conjoin.solve.report.format import Explanation
from solving import PLATFORM, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def builds(world: World, *conda: str, **options: object) -> dict[str, str]:
    """Solve, and return the build of each conda package."""
    solution = world.solve(conda, **options).solution  # type: ignore[arg-type]
    return {str(package.name): package.document["build"] for package in solution.conda}


# -- channels -----------------------------------------------------------------------------------------------


@pytest.fixture
def two(world: World) -> World:
    """``lib`` 1.0 in the first channel and 2.0 in the second, where ``app`` needs the higher one."""
    world.conda("lib", "1.0")
    world.conda("lib", "2.0", channel="second")
    world.conda("app", "1.0", ["lib >=2"], channel="second")
    return world


def channels(world: World) -> list[str]:
    return [world.channel_url, world.channel("second").as_uri()]


@pytest.mark.parametrize(
    ("priority", "alone", "beside"),
    [("strict", "1.0", ""), ("flexible", "1.0", "2.0"), ("disabled", "2.0", "2.0")],
)
def test_channel_priority(two: World, priority: str, alone: str, beside: str) -> None:
    options = {"channels": channels(two), "channel_priority": priority}
    assert two.solve(["lib"], **options).conda == {"lib": alone}
    if beside:
        assert two.solve(["lib", "app"], **options).conda["lib"] == beside
    else:
        with pytest.raises(NoSolution, match="strict channel priority"):
            two.solve(["lib", "app"], **options)


def test_a_channel_of_one_package_is_held_to(two: World) -> None:
    first, second = channels(two)
    assert two.solve([f"{second}::lib"], channels=[first]).conda == {"lib": "2.0"}
    assert two.solve([f"lib[channel='{second}']"], channels=[first]).conda == {"lib": "2.0"}
    with pytest.raises(Explanation, match="which has none that fits") as caught:
        two.solve([f"{first}::lib >=2"], channels=[first, second])
    assert "without naming the channel" in (caught.value.advice or "")


def test_a_subdir_of_one_package_is_held_to(world: World) -> None:
    world.conda("lib", "2.0", build="compiled")
    world.conda("lib", "2.0", build="pure", subdir="noarch")
    for text in (f"{world.channel_url}/noarch::lib", "lib[subdir=noarch]"):
        assert builds(world, text) == {"lib": "pure"}
    assert builds(world, f"lib[subdir={PLATFORM}]") == {"lib": "compiled"}


# -- builds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch", ("2.6", "cpu_py312_1")),
        ("torch=*=cuda*", ("2.5", "cuda126_py312_0")),
        ("torch * *cuda*", ("2.5", "cuda126_py312_0")),
        ("torch=2.5=cpu_py312_0", ("2.5", "cpu_py312_0")),
        ("torch ==2.5 cpu*", ("2.5", "cpu_py312_0")),
        ("torch[version='2.5.*',build='cuda*']", ("2.5", "cuda126_py312_0")),
        ("torch 2.5|2.6 cuda*", ("2.5", "cuda126_py312_0")),
    ],
)
def test_builds_by_name_and_pattern(world: World, text: str, expected: tuple[str, str]) -> None:
    world.conda("torch", "2.5", build="cpu_py312_0")
    world.conda("torch", "2.5", build="cuda126_py312_0", build_number=200)
    world.conda("torch", "2.6", build="cpu_py312_1")
    [package] = world.solve([text]).solution.conda
    assert (package.document["version"], package.document["build"]) == expected


def test_a_build_that_tracks_features_is_taken_only_where_it_must_be(world: World) -> None:
    world.conda("blas", "2.1", build="openblas")
    world.conda("blas", "2.1", build="mkl", build_number=9, track_features="blas_mkl")
    world.conda("numpy", "1.0", ["blas"], build="openblas")
    world.conda("numpy", "1.0", ["blas * mkl"], build="mkl", build_number=9, track_features=["blas_mkl"])
    assert builds(world, "numpy") == {"blas": "openblas", "numpy": "openblas"}
    assert builds(world, "numpy", "blas * mkl") == {"blas": "mkl", "numpy": "openblas"}
    assert builds(world, "numpy * mkl") == {"blas": "mkl", "numpy": "mkl"}


def test_what_was_removed_from_a_channel_is_not_there(world: World) -> None:
    import json

    world.conda("lib", "1.0")
    world.conda("lib", "2.0")
    world.write()
    path = world.root / "channel" / PLATFORM / "repodata.json"
    document = json.loads(path.read_text())
    document["removed"] = ["lib-2.0-0.conda"]
    path.write_text(json.dumps(document))
    world.write = lambda: None  # type: ignore[method-assign]
    assert world.solve(["lib"]).conda == {"lib": "1.0"}


# -- virtual packages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux-64", {"system": "unix", "libc": "glibc", "cpu": "x86_64"}),
        ("osx-arm64", {"system": "unix", "libc": "osx", "cpu": "m1"}),
        ("win-64", {"system": "win", "libc": "win", "cpu": "x86_64"}),
    ],
)
def test_virtual_packages_are_the_targets(
    world: World, platform: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.99")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    for system in ("unix", "win"):
        world.conda("system", "1.0", [f"__{system}"], build=system, subdir="noarch")
    for libc, need in (("glibc", "__glibc >=2.17"), ("osx", "__osx >=11"), ("win", "__win")):
        world.conda("libc", "1.0", [need], build=libc, subdir="noarch")
    world.conda("libc", "2.0", ["__glibc >=2.90"], build="future", subdir="noarch")
    for cpu in ("x86_64", "m1"):
        world.conda("cpu", "1.0", [f"__archspec 1.* {cpu}"], build=cpu, subdir="noarch")
    world.conda("gpu", "1.0", ["__cuda"], subdir="noarch")
    world._records["channel"].setdefault(platform, {})
    assert builds(world, "system", "libc", "cpu", platform=platform) == expected
    with pytest.raises(NoSolution, match="no __cuda is assumed"):
        world.solve(["gpu"], platform=platform)


@pytest.mark.parametrize(("cuda", "expected"), [("", "cpu"), ("11.8", "cpu"), ("12.4", "cuda")])
def test_a_gpu_build_is_taken_where_the_target_has_one(world: World, cuda: str, expected: str) -> None:
    world.conda("torch", "2.5", build="cpu")
    world.conda("torch", "2.5", ["__cuda >=12"], build="cuda", build_number=200)
    world.conda("jax", "1.0", ["torch"])
    assert builds(world, "jax", virtual_packages=[f"__cuda={cuda}"])["torch"] == expected


# -- Pythons ------------------------------------------------------------------------------------------------


@pytest.fixture
def pythons(world: World) -> World:
    """CPython 3.13 with and without the GIL, PyPy 3.10, as conda-forge builds them."""
    world.conda("python", "3.13.1", ["python_abi 3.13.* *_cp313"], build="ha_100_cp313", build_number=100)
    world.conda("python", "3.13.1", ["python_abi 3.13.* *_cp313t"], build="hb_0_cp313t")
    world.conda("python", "3.10.15", ["python_abi 3.10 *_pypy310_pp73"], build="hc_0_73_pypy")
    for version, abi, admitted in (
        ("3.13", "cp313", "python 3.13.* *_cp313"),
        ("3.13", "cp313t", "python 3.13.* *_cp313t"),
        ("3.10", "pypy310_pp73", "python 3.10.* *_73_pypy"),
    ):
        world.conda("python_abi", version, build=f"8_{abi}", constrains=[admitted], subdir="noarch")
    world.conda(
        "python-freethreading", "3.13.1", ["python_abi 3.13.* *_cp313t", "cpython 3.13.1"], subdir="noarch"
    )
    world.conda("cpython", "3.13.1", ["python 3.13.1"], subdir="noarch")
    world.conda("pypy", "7.3", ["python 3.10.* *_73_pypy"], subdir="noarch")
    for abi in ("cp313", "cp313t"):
        world.conda("fast", "1.0", ["python", f"python_abi 3.13.* *_{abi}"], build=f"py313_{abi}")
    world.wheel("free", "1.0", tags="cp313-cp313t-manylinux_2_17_x86_64")
    world.wheel("gil", "1.0", tags="cp313-cp313-manylinux_2_17_x86_64")
    world.wheel("pypy-only", "1.0", tags="pp310-pypy310_pp73-manylinux_2_17_x86_64")
    return world


def test_a_free_threaded_python_brings_builds_and_wheels_of_its_own(pythons: World) -> None:
    assert builds(pythons, "fast")["fast"] == "py313_cp313"
    free = builds(pythons, "fast", "python-freethreading", pypi=["free"])
    assert (free["fast"], free["python"]) == ("py313_cp313t", "hb_0_cp313t")
    with pytest.raises(NoSolution):
        pythons.solve(["python-freethreading"], ["gil"])


def test_pypy_takes_its_own_wheels(pythons: World) -> None:
    assert pythons.solve(["pypy"], ["pypy-only"]).wheels == {"pypy-only": "1.0"}
    assert builds(pythons, pypi=["pypy-only"])["python"] == "hc_0_73_pypy"
    with pytest.raises(NoSolution):
        pythons.solve(["pypy"], ["gil"])


def test_where_noarch_packages_go_stays_in_the_record(world: World) -> None:
    world.conda(
        "python", "3.13.1", build="ha_0_cp313t", python_site_packages_path="lib/python3.13t/site-packages"
    )
    world.conda("pure", "1.0", ["python >=3.8"], subdir="noarch", noarch="python")
    solved = {package.name: package.document for package in world.solve(["pure", "python"]).solution.conda}
    assert solved["python"]["python_site_packages_path"] == "lib/python3.13t/site-packages"
    assert solved["pure"]["noarch"] == "python"


# -- dates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1, 1000])
def test_a_date_bounds_records_whose_time_is_in_seconds_or_in_milliseconds(world: World, unit: int) -> None:
    world.conda("lib", "1.0", timestamp=1_600_000_000 * unit)
    world.conda("lib", "2.0", timestamp=1_700_000_000 * unit)
    assert world.solve(["lib"]).conda == {"lib": "2.0"}
    assert world.solve(["lib"], exclude_newer="2021-01-01").conda == {"lib": "1.0"}


def test_a_date_leaves_out_records_without_a_time(world: World) -> None:
    world.conda("lib", "1.0", timestamp=1_600_000_000_000)
    world.conda("lib", "2.0", timestamp=None)
    assert world.solve(["lib"], exclude_newer="2021-01-01").conda == {"lib": "1.0"}
