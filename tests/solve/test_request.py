"""Where Python comes from: a channel, or, for PyPI alone and said so, this host."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from conjoin.errors import NoSolution, Unreachable, UsageError
from conjoin.index.interpreters import find_interpreters
from conjoin.solve.options import SolveOptions
from conjoin.solve.request import solve_request
from conjoin.spec.build import build_requirements
from conjoin.spec.platform import host_platform
from conjoin.spec.requirements import Requirements
from solving import World

HERE = ".".join(map(str, sys.version_info[:2]))


def _unreachable_default(world: World, **options: object) -> Requirements:
    """Return requirements whose default channel cannot be reached."""
    world.wheel("app", "1.0")
    world.write()
    requirements = build_requirements(index_url=world.index_url, **options)
    assert not requirements.channels_given
    return replace(requirements, channels=("http://127.0.0.1:9/conda-forge",))


def test_without_any_channel_pypi_packages_get_this_hosts_python(world: World) -> None:
    requirements = _unreachable_default(world, pypi=["app"], python=HERE)
    told: list[str] = []
    solution = solve_request(
        requirements, [host_platform()], SolveOptions(cache_dir=world.root / "cache", progress=told.append)
    )[host_platform()]
    assert solution.python is not None
    assert solution.python.version.startswith(HERE)
    assert solution.conda == ()
    assert [wheel.name for wheel in solution.wheels] == ["app"]
    assert any("using this host's Python" in line for line in told)


def test_a_request_for_conda_packages_never_falls_back_to_the_host(world: World) -> None:
    requirements = _unreachable_default(world, pypi=["app"], conda=["tool"])
    with pytest.raises(Unreachable):
        solve_request(requirements, [host_platform()], SolveOptions(cache_dir=world.root / "cache"))


def test_another_platform_never_falls_back_to_the_host(world: World) -> None:
    requirements = _unreachable_default(world, pypi=["app"])
    other = "osx-arm64" if host_platform() != "osx-arm64" else "linux-64"
    with pytest.raises(Unreachable):
        solve_request(requirements, [other], SolveOptions(cache_dir=world.root / "cache"))


def test_a_channel_the_user_named_never_falls_back_to_the_host(world: World) -> None:
    world.wheel("app", "1.0")
    world.write()
    requirements = build_requirements(
        pypi=["app"], channels=["http://127.0.0.1:9/mine"], index_url=world.index_url
    )
    with pytest.raises(Unreachable):
        solve_request(requirements, [host_platform()], SolveOptions(cache_dir=world.root / "cache"))


def test_the_hosts_python_can_be_asked_for(world: World) -> None:
    solved = world.solve_all(pypi=[], python=HERE, python_source="host", platforms=[host_platform()])[
        host_platform()
    ]
    assert solved.python is not None
    known = {str(found.version) for found in find_interpreters(world.root / "cache")}
    assert solved.python.version in known


def test_the_hosts_python_serves_neither_conda_packages_nor_other_platforms(world: World) -> None:
    with pytest.raises(UsageError, match="conda packages need a Python from a channel"):
        world.solve(["tool"], python_source="host", platform=host_platform())
    other = "osx-arm64" if host_platform() != "osx-arm64" else "linux-64"
    with pytest.raises(UsageError, match=f"cannot serve {other}"):
        world.solve(pypi=["app"], python_source="host", platform=other)


def test_a_python_that_this_host_lacks_has_no_solution(world: World) -> None:
    with pytest.raises(NoSolution):
        world.solve(pypi=[], python="3.7", python_source="host", platform=host_platform())


def test_what_builds_and_what_fetches_is_imported_when_it_is_used() -> None:
    heavy = ["httpx", "rattler", "tarfile", "zipfile", "conjoin.build.builder", "conjoin.build.sources.git"]
    code = f"import sys, conjoin.solve.request; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
