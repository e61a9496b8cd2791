"""What tests of the Metaflow extension share: a channel and an index with Metaflow's libraries, and flows."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import schedulers
from containers import old_python
from flow_runs import Flows, Ran
from installed import closure, wheel_of_installed
from loopback import LoopbackServer
from made_once import made_once
from networks import Network, no_networks
from object_stores import S3
from remote_runs import Cloud, container_python
from worlds import make_index, make_wheel

LIBRARIES = ("requests", "boto3")
OLD_PYTHON = "3.8"


def _needed(member: str) -> bool:
    """Leave out what botocore knows of some hundred services."""
    parts = member.split("/")
    return parts[:2] != ["botocore", "data"] or len(parts) == 3 or parts[2] in ("s3", "sts")


@pytest.fixture(scope="session")
def flow_world() -> Path:
    """A folder with ``channel`` and ``simple``: Metaflow's libraries, and tiny packages on both sides.

    ``tinylib`` 1.0 and 2.0 and ``tinyapp`` (which needs tinylib <2) are on both sides, ``condaonly`` in the
    channel, ``pypionly`` in the index; so is ``tinyactive``, whose activation script sets ``TINY_HOME``. Made
    once on this machine; nobody may write into it.
    """
    return made_once("flow-world", _make_world, Path(__file__), f"an old Python: {old_python(OLD_PYTHON)}")


_KERNEL = "import os, sys\nprint(sys.prefix, *sys.argv[1:], os.environ['PATH'].partition(':')[0], sep='|')\n"


def _make_world(world: Path) -> None:
    from conjoin.forge import forge

    wheels = world / "wheels"
    common = [wheel_of_installed(name, wheels, keep=_needed) for name in closure(LIBRARIES)]
    common += [
        make_wheel(wheels, "tinylib", "1.0"),
        make_wheel(wheels, "tinylib", "2.0"),
        make_wheel(wheels, "tinyapp", "1.0", ["tinylib<2"], entry_points={"tinyapp": "tinyapp:main"}),
        # Stands in for the real one, which brings IPython, zmq and tornado.
        make_wheel(wheels, "ipykernel", "6.0", files={"ipykernel_launcher.py": _KERNEL}),
    ]
    conda_only = make_wheel(wheels, "condaonly", "1.5")
    pypi_only = make_wheel(wheels, "pypionly", "3.1", ["tinylib"])
    forge(world / "channel", wheels=[*common, conda_only], level=3)
    _add_bytecode(world / "channel")
    _make_other_processor(world / "channel")
    activated = make_wheel(
        wheels,
        "tinyactive",
        "1.0",
        data={
            "etc/conda/activate.d/tinyactive.sh": 'echo "on stdout"; export TINY_HOME="$CONDA_PREFIX/share"\n'
        },
    )
    make_index(world / "simple", [*common, pypi_only, activated])
    _make_old(world)


def _add_bytecode(channel: Path) -> None:
    """Give the channel's Python the bytecode of what tasks import, as conda's own Pythons have all of it.

    Else each new prefix would compile it anew, and thirty tasks that start in one at once, thirty times.
    """
    from conjoin.forge.channel import Channel
    from conjoin.forge.interpreter import find_interpreters
    from conjoin.forge.package import Package, PackageFile
    from conjoin.forge.python_package import python_package

    [interpreter] = find_interpreters()
    program = (
        "import json, sys, metaflow, requests\n"
        "print(json.dumps([getattr(each, '__file__', None) for each in sys.modules.values()]))\n"
    )
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    folders = {interpreter.prefix, interpreter.recorded_prefix}
    imported = {
        os.path.relpath(path, folder) for path in json.loads(asked.stdout) if path for folder in folders
    }

    def build() -> list[Package]:
        package = python_package(interpreter)
        for path in sorted(imported & package.files.keys()):
            if path.endswith(".py"):
                source = package.files[path].read()
                code = compile(source, path, "exec", dont_inherit=True)
                # PEP 552: valid for this source, whenever its file was written.
                header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
                content = header + importlib.util.source_hash(source) + marshal.dumps(code)
                package.add(importlib.util.cache_from_source(path), PackageFile(content))
        return [package]

    with Channel.open(channel, level=3) as opened:
        [made] = opened.make({"kind": "python with bytecode"}, build)
    assert made.made


def _make_other_processor(channel: Path) -> None:
    """Make the channel have for linux-aarch64 what it has for linux-64: the same files, by other names."""
    here, there = channel / "linux-64", channel / "linux-aarch64"
    if here.is_dir() and not there.exists():
        there.mkdir()
        for package in here.glob("*.conda"):
            # Relative: what is made once is moved to its place when it is whole.
            (there / package.name).symlink_to(Path("..") / here.name / package.name)
        repodata = (here / "repodata.json").read_text()
        (there / "repodata.json").write_text(repodata.replace('"linux-64"', '"linux-aarch64"'))


def _for_both_processors(wheels: Path, folder: Path) -> None:
    """Fill a folder with the wheels of this processor, and the same files by the other's names."""
    for wheel in wheels.glob("*.whl"):
        (folder / wheel.name).symlink_to(wheel)
        other = f"{wheel.stem.rpartition('-')[0]}-manylinux_2_17_aarch64.whl"
        (folder / other).symlink_to(wheel)


def _make_old(world: Path) -> None:
    """Make ``old``, a channel of another Python, if this machine has one; its libraries are stand-ins."""
    from conjoin.errors import NotFound
    from conjoin.forge import forge

    session = "class Session:\n    def mount(self, *rest): pass\n"
    adapters = "class adapters:\n    class HTTPAdapter:\n        def __init__(self, *rest, **named): pass\n"
    stand_ins = [
        make_wheel(world / "wheels", "requests", "2.90", files={"requests/__init__.py": session + adapters}),
        make_wheel(world / "wheels", "boto3", "1.90"),
    ]
    with suppress(NotFound):
        forge(world / "old", pythons=[OLD_PYTHON], wheels=stand_ins, level=3)


@pytest.fixture(scope="session")
def flows(flow_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flows]:
    """Run flows in a home of their own, against the channel and index of :func:`flow_world`.

    Shared by all tests of a worker, because what one resolved and hydrated serves the next; ``flows.server``
    is the server.
    """
    with LoopbackServer(flow_world) as server:
        made = Flows(tmp_path_factory.mktemp("flows"), server)
        yield made
        made.close()


@pytest.fixture(scope="session")
def sides(flows: Flows) -> tuple[Ran, dict[str, dict[str, Any]]]:
    """A run whose steps have environments of both sides, and what its tasks left."""
    ran = flows.run("sides.py", variables={"METAFLOW_FEAT_ALWAYS_UPLOAD_CODE_PACKAGE": "1"})
    assert ran.code == 0, ran.said
    return ran, flows.task("SidesFlow", ran)


@pytest.fixture(scope="session")
def cloud(
    flow_world: Path, installed_toolkit: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """Run flows as :func:`flows` does, with a datastore in S3 and containers beside it."""
    folder = tmp_path_factory.mktemp("cloud")
    wheels = folder / "toolkit"
    wheels.mkdir()
    _for_both_processors(installed_toolkit, wheels)
    container = container_python(folder / "container")
    s3 = S3()
    s3.start()
    network = None if no_networks() else Network()
    if network:
        s3.enter(network)
    with LoopbackServer(flow_world) as server:
        made = Cloud(folder, server, s3, wheels, container, network)
        yield made
        made.close()
    s3.stop()
    if network:
        network.close()


@pytest.fixture(scope="session")
def away(cloud: Cloud) -> dict[str, Any]:
    """The WorkflowTemplate of a flow with an environment, deployed as anybody does it."""
    ran = cloud.run("away.py", "argo-workflows", "create", "--only-json")
    assert ran.code == 0, ran.said
    template: dict[str, Any] = json.loads(ran.stdout)
    return template


@pytest.fixture(scope="session")
def started(cloud: Cloud, away: dict[str, Any]) -> str:
    """A task of that workflow's first step, as Argo names it to the tasks behind it."""
    if not schedulers.can_mount():
        pytest.skip("no container here can have a folder /mnt/out of its own")
    run_id, [pod] = schedulers.argo(cloud, away, ("start",), "away-1")
    assert pod.code == 0, pod.said
    [task] = cloud.task_ids("AwayFlow", run_id, "start")
    return f"{run_id}/start/{task}"
