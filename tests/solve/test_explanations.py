"""Why there is no solution, as a person reads it: one kind of failure after another, in full words."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from conjoin.cli.output.failure import report_error
from conjoin.errors import ConjoinError
from conjoin.solve.options import SolveOptions
from conjoin.solve.preferences.pins import Pins
from conjoin.solve.request import solve_request
from conjoin.spec.build import build_requirements
from loopback import LoopbackServer
from sdists import make_building_sdist
from solving import PLATFORM, World
from worlds import make_index, make_sdist, make_wheel

Scenario = Callable[[World], object]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}.1"
"""A Python that sources can be built with."""

SCENARIOS: dict[str, Scenario] = {}


def kind(title: str) -> Callable[[Scenario], Scenario]:
    """Give a scenario the name of the failure it shows."""

    def keep(scenario: Scenario) -> Scenario:
        SCENARIOS[title] = scenario
        return scenario

    return keep


@kind("a conflict across the two sides")
def _(world: World) -> object:
    world.python("3.12.1")
    world.conda("numpy", "2.1.0", ["python"])
    world.wheel("numpy", "1.26.4")
    world.wheel("model", "1.0", ["numpy<2"])
    return world.solve(["numpy"], ["model"])


@kind("a conda package that cannot go with a PyPI package's chain")
def _(world: World) -> object:
    world.python("3.12.1")
    world.conda("numpy", "1.26.4", ["python"])
    world.conda("numpy", "2.1.0", ["python"])
    world.conda("viewer", "5.0", ["python", "numpy >=2"])
    world.wheel("layers", "2.0", ["numpy<2"])
    world.wheel("model", "1.0", ["layers>=2"])
    return world.solve(["viewer"], ["model"])


@kind("two conda requirements")
def _(world: World) -> object:
    for version in ("1.0", "2.0"):
        world.conda("lib", version)
    world.conda("left", "1.0", ["lib <2"])
    world.conda("right", "1.0", ["lib >=2"])
    return world.solve(["left", "right"], [])


@kind("two conda requirements on one package")
def _(world: World) -> object:
    for version in ("1.0", "2.0"):
        world.conda("lib", version)
    return world.solve(["lib <2", "lib >=2"], [])


@kind("a conda version older than all there are")
def _(world: World) -> object:
    for version in ("1.22.4", "1.26.4", "2.1.0"):
        world.conda("numpy", version)
    return world.solve(["numpy <1.20"], [])


@kind("a conda package of which every build is for another Python")
def _(world: World) -> object:
    world.python("3.9.2", "3.10.4", "3.12.1")
    for version, minor in (("1.22.4", 9), ("1.22.4", 10), ("1.23.5", 10)):
        needs = [f"python >=3.{minor},<3.{minor + 1}.0a0"]
        world.conda("numpy", version, needs, build=f"py3{minor}_0")
    world.conda("numpy", "2.1.0", ["python >=3.12,<3.13.0a0"], build="py312_0")
    world.conda("pandas", "2.2.0", ["python >=3.9", "numpy >=1.22"])
    return world.solve(["numpy <2", "pandas"], [], python="3.12")


@kind("a conda package that says its Python through python_abi")
def _(world: World) -> object:
    world.python("3.10.4", "3.12.1", "3.13.1")
    for minor in (10, 12, 13):
        admitted = f"python 3.{minor}.* *_cp3{minor}"
        world.conda("python_abi", f"3.{minor}", build=f"8_cp3{minor}", constrains=[admitted])
    for minor in (12, 13):
        needs = ["python", f"python_abi 3.{minor}.* *_cp3{minor}"]
        world.conda("numpy", "2.5.0", needs, build=f"py3{minor}_0")
    return world.solve(["numpy >=2.5"], [], python="3.10")


@kind("many conda packages, of which two chains count")
def _(world: World) -> object:
    world.python("3.12.1")
    for number in range(30):
        world.conda(f"part{number}", "1.0", [f"part{number + 1}"] if number < 29 else ["openssl"])
    for version in ("1.1.1", "3.1.6", "3.5.7"):
        world.conda("openssl", version)
    for version in ("15.1", "15.2"):
        world.conda("libpq", version, ["openssl >=3,<3.2", "part0"])
    for version in ("3.11", "3.12", "3.13"):
        world.conda("gdal", version, ["openssl >=3.5", "part3", "python"])
    asked = ["gdal", "libpq <16", *(f"part{number}" for number in range(0, 30, 3))]
    return world.solve(asked, [], python="3.12")


@kind("conda packages of which all versions contradict each other")
def _(world: World) -> object:
    for version in range(1, 5):
        world.conda("left", f"{version}.0", [f"middle >={version},<={version}", f"other <={version}"])
        world.conda("right", f"{version}.0", [f"middle >={version},<={version}", f"other >={version + 1}"])
        world.conda("middle", f"{version}.0", [f"left {version}.*"])
        world.conda("other", f"{version}.0", [f"right >={version}"])
    return world.solve(["left", "right"], [])


@kind("a subdir that does not have the package asked of it")
def _(world: World) -> object:
    world.conda("lib", "1.0")
    return world.solve(["lib[subdir=noarch]"], [])


@kind("a slip of the finger where no channel is asked")
def _(world: World) -> object:
    from conjoin.solve import host_python
    from conjoin.solve.solution import ChosenPython

    world.wheel("requests", "2.32.3")
    world.wheel("requsts", "9.9")  # somebody's trap is not proposed
    found = [ChosenPython("cp", "3.12.1", "cp312")]
    original = host_python.HostPythonSource.of_this_host
    host_python.HostPythonSource.of_this_host = (  # type: ignore[method-assign,assignment]
        lambda platform, cache_dir: host_python.HostPythonSource(platform, found)
    )
    try:
        return world.solve([], ["reqeusts"], python_source="host")
    finally:
        host_python.HostPythonSource.of_this_host = original  # type: ignore[method-assign]


@kind("a channel that does not have the package asked of it")
def _(world: World) -> object:
    world.conda("lib", "1.0")
    world.conda("lib", "2.0", channel="second")
    channels = [world.channel_url, (world.root / "second").as_uri()]
    return world.solve([f"{channels[0]}::lib >=2"], [], channels=channels)


@kind("two PyPI requirements on one project")
def _(world: World) -> object:
    world.python("3.12.1")
    for version in ("1.0", "2.0"):
        world.wheel("lib", version)
    return world.solve([], ["lib<2", "lib>=2"])


@kind("two PyPI requirements through chains")
def _(world: World) -> object:
    world.python("3.12.1")
    for version in ("1.0", "2.0", "3.0"):
        world.wheel("lib", version)
    world.wheel("middle", "1.5", ["lib<2"])
    world.wheel("left", "1.0", ["middle>=1.2"])
    world.wheel("right", "1.0", ["lib>=2"])
    return world.solve([], ["left", "right"])


@kind("no such conda package, with near names")
def _(world: World) -> object:
    world.conda("scikit-learn", "1.5")
    return world.solve(["scikit-lern"], [])


@kind("a slip of the finger that is a PyPI project")
def _(world: World) -> object:
    world.python("3.12.1")
    world.conda("numpy", "2.1.0", ["python"])
    world.wheel("numpi", "0.1")
    return world.solve(["numpi"], [])


@kind("a wheel beside what a conda package needs")
def _(world: World) -> object:
    world.python("3.12.1")
    for version in ("2.1.0", "2.2.0"):
        world.conda("pandas", version, ["python", "numpy >=1.23,<3"])
    world.conda("numpy", "1.26.4", ["python"])
    world.wheel("numpy", "1.19.5")
    return world.solve(["pandas"], ["numpy<1.20"])


@kind("no such conda package, but such a PyPI project")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("torchtools", "1.0")
    return world.solve(["python", "torchtools"], [])


@kind("no such PyPI project, but such a conda package")
def _(world: World) -> object:
    world.python("3.12.1")
    world.conda("gdal-tools", "3.9")
    return world.solve([], ["gdal-tools"])


@kind("no such PyPI project, with near names")
def _(world: World) -> object:
    world.python("3.12.1")
    world.conda("requests", "2.32", ["python"])
    world.wheel("requests", "2.32")
    return world.solve([], ["reqeusts"])


@kind("a dependency that no index has")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("model", "1.0", ["internal-lib>=1"])
    return world.solve([], ["model"])


@kind("a conda dependency that no channel has")
def _(world: World) -> object:
    world.conda("app", "1.0", ["libodd >=1.2"])
    return world.solve(["app"], [])


@kind("a conda version that does not exist")
def _(world: World) -> object:
    for version in ("1.24.4", "1.26.4", "2.1.0"):
        world.conda("numpy", version)
    return world.solve(["numpy 1.27.*"], [])


@kind("a PyPI version that does not exist")
def _(world: World) -> object:
    world.python("3.12.1")
    for version in ("2.30", "2.31", "2.32.3"):
        world.wheel("requests", version)
    return world.solve([], ["requests>=3"])


@kind("no conda build of that name")
def _(world: World) -> object:
    world.conda("pytorch", "2.5.0", build="cpu_generic_py312")
    world.conda("pytorch", "2.5.0", build="cuda120_py312")
    return world.solve(["pytorch 2.5.* rocm*"], [])


@kind("a conda package for other platforms only")
def _(world: World) -> object:
    world.conda("cuda-toolkit", "12.4", subdir="win-64")
    world.conda("cuda-toolkit", "12.4", subdir="linux-aarch64")
    return world.solve(["cuda-toolkit"], [])


@kind("a wheel for another system")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0", tags="cp312-cp312-win_amd64")
    world.wheel("app", "1.0", tags="cp312-cp312-macosx_11_0_arm64")
    return world.solve([], ["app"])


@kind("a wheel for musl")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0", tags="cp312-cp312-musllinux_1_2_x86_64")
    return world.solve([], ["app"])


@kind("a wheel for another CPU")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0", tags="cp312-cp312-manylinux_2_17_aarch64")
    return world.solve([], ["app"])


@kind("a wheel that needs a newer glibc")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0", tags="cp312-cp312-manylinux_2_39_x86_64")
    return world.solve([], ["app"])


@kind("a wheel that needs a free-threaded Python")
def _(world: World) -> object:
    world.python("3.13.1")
    world.wheel("app", "1.0", tags="cp313-cp313t-manylinux_2_17_x86_64")
    return world.solve([], ["app"])


@kind("Python is too new for every wheel")
def _(world: World) -> object:
    world.python("3.12.1", "3.13.1")
    world.wheel("app", "1.0", tags="cp311-cp311-manylinux_2_17_x86_64")
    world.wheel("app", "0.9", tags="cp310-cp310-manylinux_2_17_x86_64")
    return world.solve([], ["app"], python="3.13")


@kind("Python is too old for a requirement")
def _(world: World) -> object:
    world.python("3.9.1", "3.12.1")
    world.wheel("app", "1.0", requires_python=">=3.10")
    return world.solve([], ["app"], python="3.9")


@kind("a dependency needs a newer Python")
def _(world: World) -> object:
    world.python("3.9.1", "3.12.1")
    world.wheel("lib", "2.0", requires_python=">=3.11")
    world.wheel("app", "1.0", ["lib>=2"])
    return world.solve([], ["app"], python="3.9")


@kind("a conda package built for another Python")
def _(world: World) -> object:
    world.python("3.11.5", "3.12.1")
    world.conda("oldlib", "1.0", ["python >=3.11,<3.12"])
    return world.solve(["oldlib"], [], python="3.12")


@kind("two wheels that need different Pythons")
def _(world: World) -> object:
    world.python("3.9.1", "3.12.1")
    world.wheel("old", "1.0", requires_python="<3.10")
    world.wheel("new", "1.0", requires_python=">=3.12")
    return world.solve([], ["old", "new"])


@kind("a Python that no channel has")
def _(world: World) -> object:
    world.python("3.11.5", "3.12.1")
    world.wheel("app", "1.0")
    return world.solve([], ["app"], python="3.15")


@kind("every version was yanked")
def _(world: World) -> object:
    world.python("3.12.1")
    gone = world.wheel("app", "1.0")
    world.page_options = {"yanked": {gone.name: "leaks passwords"}}
    return world.solve([], ["app"])


@kind("only pre-releases fit")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    world.wheel("app", "2.0rc1")
    world.wheel("model", "1.0", ["app>1"])
    return world.solve([], ["model"])


@kind("two URLs for one project")
def _(world: World) -> object:
    world.python("3.12.1")
    return world.solve(
        [],
        [
            "app @ https://files.example/a/app-1.0-py3-none-any.whl",
            "app @ https://files.example/b/app-1.0-py3-none-any.whl",
        ],
    )


@kind("a URL inside a dependency")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0", ["lib @ https://files.example/lib-1.0-py3-none-any.whl"])
    return world.solve([], ["app"])


@kind("a file named by URL against a version asked for")
def _(world: World) -> object:
    world.python("3.12.1")
    direct = make_wheel(world.root / "mine", "lib", "1.0")
    world.wheel("app", "1.0", ["lib>=2"])
    return world.solve([], ["app", f"lib @ {direct.as_uri()}"])


@kind("a channel that does not exist")
def _(world: World) -> object:
    return world.solve(["app"], [], channels=[(world.root / "nowhere").as_uri()])


@kind("an index that cannot be reached")
def _(world: World) -> object:
    world.python("3.12.1")
    return world.solve([], ["app"], index_url="http://127.0.0.1:9/simple/")


@kind("a source distribution alone, with --only-binary")
def _(world: World) -> object:
    world.python("3.12.1")
    world.add(make_sdist(world.root / "sdists", "app", "1.0"))
    return world.solve([], ["app"], only_binary=[":all:"])


@kind("a constraint excludes it")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("lib", "1.0")
    world.wheel("lib", "2.0")
    world.wheel("app", "1.0", ["lib>=2"])
    return world.solve([], ["app"], constraints=["lib<2"])


@kind("an override excludes it")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("lib", "1.0")
    world.wheel("app", "1.0", ["lib<2"])
    return world.solve([], ["app"], overrides=["lib>=2"])


@kind("exclude-newer hides every file")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    world.page_options = {"format": "json", "upload_times": {"*": "2025-03-01T00:00:00Z"}}
    world.write()
    with LoopbackServer(world.root / "index") as server:
        return world.solve([], ["app"], exclude_newer="2024-06-01", index_url=f"{server.url}/")


@kind("exclude-newer hides every conda package")
def _(world: World) -> object:
    world.conda("app", "1.0")
    return world.solve(["app"], [], exclude_newer="2020-06-01")


@kind("no hash that was asked for")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0")
    requirements = world.root / "requirements.txt"
    requirements.write_text(f"app==1.0 --hash=sha256:{'0' * 64}\n")
    from conjoin.spec.readers.read_file import read_requirements

    return world.solve([], [], sources=[read_requirements(requirements)])


@kind("CUDA is not assumed")
def _(world: World) -> object:
    world.conda("pytorch-gpu", "2.5.0", ["__cuda >=12"])
    return world.solve(["pytorch-gpu"], [])


@kind("glibc is too old for a conda package")
def _(world: World) -> object:
    world.conda("app", "1.0", ["__glibc >=2.34"])
    return world.solve(["app"], [])


@kind("a strict channel hides the version")
def _(world: World) -> object:
    world.channel("second")
    world.conda("lib", "1.0")
    world.conda("lib", "2.0", channel="second")
    return world.solve(["lib >=2"], [], channels=[world.channel_url, (world.root / "second").as_uri()])


@kind("the first index hides the version")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("lib", "1.0")
    private = make_index(world.root / "second", [make_wheel(world.root / "more", "lib", "2.0")])
    return world.solve([], ["lib>=2"], index_url=private.as_uri(), extra_index_urls=[world.index_url])


@kind("a dependency of conda against a conda requirement")
def _(world: World) -> object:
    for version in ("1.0", "2.0"):
        world.conda("lib", version)
    world.conda("app", "1.0", ["lib >=2"])
    return world.solve(["app", "lib <2"], [])


@kind("a conda package that constrains another away")
def _(world: World) -> object:
    world.conda("jemalloc", "5.3")
    world.conda("app", "1.0", [], constrains=["jemalloc <5"])
    return world.solve(["app", "jemalloc"], [])


@kind("a wheel's dependency that conda's Python is too new for")
def _(world: World) -> object:
    world.python("3.11.5", "3.12.1")
    world.conda("tool", "1.0", ["python >=3.12"])
    world.wheel("lib", "1.0", tags="cp311-cp311-manylinux_2_17_x86_64")
    world.wheel("app", "1.0", ["lib"])
    return world.solve(["tool"], ["app"])


@kind("a source distribution that cannot be built")
def _(world: World) -> object:
    world.python(HERE)
    world.add(make_building_sdist(world.root / "sdists", "app", "1.0", fails=True))
    return world.solve([], ["app"])


@kind("a package of another system")
def _(world: World) -> object:
    world.conda("pywin32", "306", ["__win"], subdir="noarch")
    return world.solve(["pywin32"], [])


@kind("a pin of the environment that is extended")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("lib", "1.0")
    base = world.solve([], ["lib"]).solution
    world.wheel("lib", "2.0")
    world.wheel("app", "1.0", ["lib>=2"])
    world.write()
    asked = build_requirements(pypi=["app"], channels=[world.channel_url], index_url=world.index_url)
    pins = {PLATFORM: Pins(base, "team/base:v1")}
    return solve_request(asked, [PLATFORM], SolveOptions(cache_dir=world.root / "other cache"), pins=pins)


@kind("invalid metadata")
def _(world: World) -> object:
    world.python("3.12.1")
    world.wheel("app", "1.0", metadata={"Requires-Dist": "lib >= not a version"})
    return world.solve([], ["app"])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each scenario says, with its exit code."""
    return {title: _tell(scenario, tmp_path_factory.mktemp("world")) for title, scenario in SCENARIOS.items()}


def _tell(scenario: Scenario, folder: Path) -> str:
    said = io.StringIO()
    try:
        scenario(World(folder))
    except ConjoinError as error:
        with redirect_stderr(said):
            code = report_error(error)
        return f"{said.getvalue().replace(folder.as_uri(), 'file://FOLDER')}exit code {code}"
    return "no error"


@pytest.mark.parametrize("title", SCENARIOS)
def test_words(title: str, told: dict[str, str], snapshot) -> None:
    assert told[title] == snapshot


def test_at_least_25_kinds_are_told() -> None:
    assert len(SCENARIOS) >= 25


def test_every_kind_ends_with_what_to_do(told: dict[str, str]) -> None:
    for title, said in told.items():
        *lines, code = said.splitlines()
        first, last = lines[0], lines[-1]
        assert first.startswith("error: "), title
        assert "pypi--" not in said, title
        assert "replaced_by_wheel" not in said, title
        assert code in {"exit code 3", "exit code 4"}, title
        # One line alone carries its advice behind a semicolon.
        assert last.startswith("  help: ") or (last == first and "; " in last), title


def test_an_extra_that_does_not_exist_is_a_warning(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.python("3.12.1")
    world.wheel("app", "1.0")
    assert world.solve([], ["app[fast]"]).solution.warnings == ("app 1.0 has no extra 'fast'",)
