"""What a call imports: a resolve that succeeds from the cache pays for nothing that it does not use."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from loopback import LoopbackServer
from worlds import make_index, make_wheel

Conjoin = Callable[..., "subprocess.CompletedProcess[str]"]

_PYTHON = ".".join(map(str, sys.version_info[:3]))

NEVER = {
    # the command line, where nobody asks for help and nothing is mistyped
    "argcomplete",
    "difflib",
    "rich",
    "conjoin.cli.completion",
    "conjoin.cli.output.failure",
    "conjoin.cli.output.progress",
    # the network
    "httpx",
    "h2",
    "html",
    "conjoin.net.remote_zip",
    # reading metadata of what is installed, a mail parser included
    "importlib.metadata",
    "email.parser",
    "secrets",
    # files that nobody named
    "ruamel",
    "ruamel.yaml",
    "tomlkit",
    "conjoin.spec.readers.requirements_txt",
    "conjoin.spec.readers.environment_yml",
    "conjoin.spec.readers.pyproject",
    # builds
    "conjoin.build.builder",
    "conjoin.build.jobs",
    "conjoin.build.uv",
    "conjoin.build.sources.git",
    "conjoin.solve.build_requirements",
    # explanations
    "conjoin.solve.report.unsat_core",
    "conjoin.solve.report.derivation",
    "conjoin.solve.report.causes",
    "conjoin.solve.report.files",
    "conjoin.solve.report.format",
    "conjoin.solve.report.hints",
    "conjoin.solve.report.pins",
    # other rooms
    "obstore",
    "conjoin.prefix",
    "conjoin.forge",
    "conjoin.bootstrap",
    "conjoin.toolkit",
}


def test_what_is_never_loaded_exists() -> None:
    """A name that is none any more would be held by nothing."""
    ours = [name for name in NEVER if name.startswith("conjoin.")]
    assert len(ours) > 15
    assert [name for name in ours if find_spec(name) is None] == []


def _loaded(*arguments: str) -> tuple[set[str], Any]:
    """Return the modules that are there after a call, and what it said as JSON."""
    code = (
        "import sys; from conjoin.cli.main import main; code = main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split()), json.loads(done.stdout)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The URL of an index with ``reader``, which needs ``shelf``."""
    wheels = [
        make_wheel(tmp_path / "wheels", "reader", "1.0", ["shelf>=1,<2; python_version >= '3.8'"]),
        *(make_wheel(tmp_path / "wheels", "shelf", version) for version in ("1.0", "1.1", "2.0")),
    ]
    with LoopbackServer(make_index(tmp_path / "index", wheels, format="both")) as server:
        yield f"{server.url}/"


@pytest.fixture
def pypi_only(index: str, called: Conjoin) -> list[str]:
    """A request on PyPI alone, all of whose pages and metadata are in the cache."""
    asked = ["resolve", "--pypi", "reader", "--python", _PYTHON, "--python-source", "host", "--json"]
    asked += ["--index-url", index]
    done = called(*asked, "--alias", "here:v1")
    assert done.returncode == 0, done.stderr
    return asked


def test_a_resolve_out_of_the_cache_imports_neither_the_engine_nor_what_it_does_not_use(
    pypi_only: list[str],
) -> None:
    loaded, said = _loaded(*pypi_only, "--offline", "--force")
    assert said["newly_resolved"]
    assert loaded & (NEVER | {"rattler"}) == set()


def test_resolving_what_is_locked_imports_no_solver(pypi_only: list[str]) -> None:
    loaded, said = _loaded(*pypi_only, "--offline")
    assert not said["newly_resolved"]
    assert loaded & (NEVER | {"rattler", "asyncio", "conjoin.solve", "conjoin.index"}) == set()


def test_showing_an_environment_imports_no_reader_of_requirements(pypi_only: list[str]) -> None:
    loaded, said = _loaded("show", "here:v1", "--json")
    assert said["platforms"]
    never = NEVER - {"conjoin.prefix"}  # which knows whether its prefix is there
    assert loaded & (never | {"rattler", "asyncio", "packaging", "conjoin.solve", "conjoin.index"}) == set()


def test_an_environment_that_is_there_is_found_without_what_makes_one(
    pypi_only: list[str], called: Conjoin
) -> None:
    assert called("create", "here:v1").returncode == 0
    loaded, said = _loaded("create", "here:v1", "--json")
    assert Path(said["prefix"]).is_dir()
    never = NEVER - {"conjoin.prefix", "conjoin.cli.output.progress"}
    never |= {"conjoin.prefix.install", "conjoin.prefix.link.wheels", "rattler", "asyncio", "zipfile"}
    assert loaded & (never | {"packaging", "conjoin.solve"}) == set()


def test_a_mixed_resolve_imports_the_engine_and_no_more(world, called: Conjoin) -> None:
    assert called("resolve", *world.asked).returncode == 0
    loaded, said = _loaded("resolve", *world.asked, "--offline", "--force", "--json")
    assert said["newly_resolved"]
    assert "rattler" in loaded
    assert loaded & NEVER == set()
