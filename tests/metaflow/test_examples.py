"""The examples run as their READMEs say, word by word; where packages come from is configured."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_runs import Flows
from loopback import LoopbackServer
from worlds import make_index, make_wheel

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples" / "metaflow"

# What each flow says at its end, with the stand-ins below.
SAID = {
    "two_versions.py": "the branches had rich 13.9.4 and 14.0.0",
    "pypi_packages.py": "humanize 4.9.0 from ",
    "one_solve.py": "solved together: pycodestyle 2.11.1, flake8 6.1.0",
    "flow_and_steps.py": "the flow's rich 13.9.4 and that of a step 14.0.0",
    "named.py": "rich 14.0.0 by name, and humanize 4.9.0 on top",
    "built_inside.py": "built inside the run: rich 13.9.4",
}


def commands(flow: str) -> list[list[str]]:
    """Return the commands that the README gives for a flow."""
    found: dict[str, list[list[str]]] = {}
    last = ""
    for line in (EXAMPLES / "README.md").read_text().splitlines():
        if row := re.fullmatch(r"\| (.*?) \|.*\| `([^`]+)` \|", line):
            last = row[1].strip("[").partition("]")[0] or last
            found.setdefault(last, []).append(shlex.split(row[2]))
    return found[flow]


@pytest.fixture(scope="module")
def user(flow_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flows]:
    """A user in a copy of the examples, whose configuration has stand-ins of conda-forge and PyPI."""
    from conjoin.forge import forge

    world = tmp_path_factory.mktemp("stand-ins")
    wheels = world / "wheels"
    rich = [make_wheel(wheels, "rich", version) for version in ("13.9.4", "14.0.0")]
    style = [make_wheel(wheels, "pycodestyle", version) for version in ("2.11.1", "2.14.0")]
    pypi = [
        make_wheel(wheels, "humanize", "4.9.0"),
        make_wheel(wheels, "flake8", "6.1.0", ["pycodestyle<2.12.0,>=2.11.0"]),
    ]
    forge(world / "channel", wheels=[*rich, *style], level=1)
    make_index(world / "simple", [*(flow_world / "wheels").glob("*.whl"), *rich, *style, *pypi])
    folder = tmp_path_factory.mktemp("user") / "examples"
    shutil.copytree(EXAMPLES, folder)
    with LoopbackServer(world) as server, LoopbackServer(flow_world) as libraries:
        flows = Flows(folder, server)
        for name in [name for name in flows.variables if name.startswith("METAFLOW_CONDA_")]:
            del flows.variables[name]
        flows.variables |= {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), flows.variables["PATH"]]),
            "CONJOIN_CHANNEL_ALIASES": f"conda-forge={server.url}/channel,{libraries.url}/channel",
            "CONJOIN_INDEX_URL": f"{server.url}/simple/",
        }
        yield flows


def test_every_example_is_in_the_readme_and_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAID)
    assert all(commands(flow) for flow in SAID)


@pytest.mark.parametrize("flow", SAID)
def test_an_example_does_what_it_says(user: Flows, flow: str) -> None:
    for command in commands(flow):
        ran = user.call(*command)
        assert ran.code == 0, ran.said
    assert SAID[flow] in ran.stdout, ran.said


def test_the_story(user: Flows) -> None:
    """From an environment.yml over two channels and two indexes to a step that runs in it by name."""
    readme = (EXAMPLES / "story/README.md").read_text()
    script = "\n".join(re.findall(r"^\$ (.*)$", readme, re.MULTILINE))
    variables = {"CONJOIN_CHANNEL_ALIASES": ""}  # the story configures its own channels
    ran = user.call("bash", "-ec", f"cd story\n{script}", variables=variables)
    assert ran.code == 0, ran.said
    assert "trained with torch 1.13.1+cu116 and humanize 4.9.0 on CUDA 11.6.2" in ran.stdout
    rows = {tuple(line.split()[:3]) for line in ran.said.splitlines() if line[:1].isalpha()}
    assert rows >= {
        ("torch", "1.13.1+cu116", "pypi"),
        ("humanize", "4.9.0", "pypi"),
        ("cuda-runtime", "11.6.2", "conda"),
    }
