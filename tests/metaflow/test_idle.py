"""Installed and idle: without ``--environment=conda``, Metaflow is as it is without the extension.

Everything is done twice at the same time, with the extension and where Metaflow finds none, and what is to be
seen of it is compared: artifacts, metadata, logs, exit codes, words of help.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flow_runs import Flows, Ran

pytest.importorskip("metaflow")
import metaflow

pytestmark = pytest.mark.slow

TUTORIALS = Path(metaflow.__file__).parent / "tutorials"
OURS = {"conda", "pypi", "pip", "named_env", "sys_packages", "conda_env_internal"}
BASES = {"conda_base", "pypi_base", "pip_base", "named_env_base", "sys_packages_base"}
REPLACED = {"conda", "pypi", "conda_base", "pypi_base"}


# Threads write the former into each other's lines; the latter says whoever comes first.
_CHANCE = re.compile("Cloning previously run task|Creating local datastore")


class Twice:
    """Does things with the extension and without."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        nowhere = flows.folder / "no-extensions"
        nowhere.mkdir(exist_ok=True)
        # Metaflow starts local workers with the `python` on PATH.
        path = os.pathsep.join([str(Path(sys.executable).parent), flows.variables["PATH"]])
        self._with = {"PATH": path}
        self._without = {"PATH": path, "METAFLOW_EXTENSIONS_SEARCH_DIRS": str(nowhere)}

    def __call__(self, do: Callable[[Callable[..., Ran]], Any]) -> tuple[Any, Any]:
        """Return what ``do`` returns with the extension, and without; ``do`` gets what calls commands."""

        def call(extra: dict[str, str], *command: str, **variables: str) -> Ran:
            return self._flows.call(*command, variables={**extra, **variables})

        with ThreadPoolExecutor(2) as pool:
            having = pool.submit(do, lambda *c, **v: call(self._with, *c, **v))
            lacking = pool.submit(do, lambda *c, **v: call(self._without, *c, **v))
            return having.result(), lacking.result()

    def python(self, program: str) -> tuple[Any, Any]:
        """Return what a program prints as JSON."""

        def run(call: Callable[..., Ran]) -> Any:
            ran = call(sys.executable, "-c", "import json\n" + program)
            assert ran.code == 0, ran.said
            return json.loads(ran.stdout)

        return self(run)


@pytest.fixture(scope="module")
def twice(flows: Flows) -> Twice:
    return Twice(flows)


def observed(call: Callable[..., Ran], flow: str, run_id: str) -> Any:
    """Return what the client finds of a run: by step and task, artifacts, names of metadata, logs, state.

    A card's metadata is named by its hash, 32 digits: left out.
    """
    program = (
        "import json, sys\n"
        "from metaflow import Run, namespace\n"
        "namespace(None)\n"
        "run, found = Run(sys.argv[1]), {}\n"
        "for step in run:\n"
        "    found[step.id] = sorted([\n"
        "        {'artifacts': {a.id: repr(a.data) for a in task},\n"
        "         'metadata': sorted(m for m in task.metadata_dict if len(m) != 32),\n"
        "         'stdout': task.stdout, 'successful': task.successful, 'index': task.index,\n"
        "         'environment': task.environment_info} for task in step],\n"
        "        key=lambda one: str(one['index']))\n"
        "print(json.dumps([found, run.successful, sorted(run.tags), sorted(run.system_tags)]))\n"
    )
    ran = call(sys.executable, "-c", program, f"{flow}/{run_id}")
    assert ran.code == 0, ran.said
    return json.loads(plain(ran.stdout))


def plain(text: str) -> str:
    """Return a text without what differs from run to run, and without the extension's version."""
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "TIME", text)
    text = re.sub(r"\b\d{16}\b", "RUN", text)
    text = re.sub(r"\(pid \d+\)", "(pid)", text)
    text = re.sub(r"(RUN/\w+)/\d+", r"\1/N", text)
    text = re.sub(r"task-id \d+", "task-id N", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "SHA", text)
    text = re.sub(r"/tmp/\w+", "TMP", text)
    return text.replace("+conjoin(0.1.0)", "")


def differences(one: Any, other: Any, where: str = "") -> dict[str, Any]:
    """Return where two results differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other})
        return {
            k: v
            for key in keys
            for k, v in differences(one.get(key), other.get(key), f"{where}/{key}").items()
        }
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return {k: v for at, pair in pairs for k, v in differences(*pair, f"{where}/{at}").items()}
    return {} if one == other else {where: (one, other)}


def lines(text: str) -> list[str]:
    """Return the lines in an order of their own, but for those of threads and of whoever came first."""
    return sorted(line for line in plain(text).splitlines() if line.strip() and not _CHANCE.search(line))


def test_runs_fail_and_resume_alike(twice: Twice, flows: Flows) -> None:
    command = flows.command("idle.py", environment=None)

    def run(call: Callable[..., Ran]) -> Any:
        failed = call(*command, "run", "--tag=t", "--alpha=2", FAIL="1")
        assert failed.code == 1, failed.said
        resumed = call(*command, "resume", "--origin-run-id", failed.run_id)
        assert resumed.code == 0, resumed.said
        card = call(*command, "card", "list", f"{resumed.run_id}/fragile")
        dumped = call(*command, "dump", f"{resumed.run_id}/end")
        ended = {"failed": failed, "resumed": resumed}
        return {
            **{
                name: {
                    "stdout": lines(one.stdout),
                    "stderr": lines(one.stderr),
                    "artifacts": observed(call, "IdleFlow", one.run_id),
                }
                for name, one in ended.items()
            },
            "card": [card.code, "Card Type: blank" in card.said],
            "dumped": lines(dumped.said),
        }

    having, lacking = twice(run)
    assert differences(having, lacking) == {}
    found = having["resumed"]["artifacts"][0]
    assert len(found["item"]) == len(found["worker"]) == 2  # something was compared
    assert "conda_env_id" not in json.dumps(found)


@pytest.mark.parametrize("command", [["show"], ["check"], ["output-dot"], ["output-raw"], ["tag", "--help"]])
def test_commands_about_a_flow_say_the_same(twice: Twice, flows: Flows, command: list[str]) -> None:
    having, lacking = twice(lambda call: call(*flows.command("idle.py", *command, environment=None)))
    assert (having.code, lines(having.stdout), lines(having.stderr)) == (
        lacking.code,
        lines(lacking.stdout),
        lines(lacking.stderr),
    )


def test_help_gains_our_command_alone(twice: Twice, flows: Flows) -> None:
    having, lacking = twice(
        lambda call: [
            call(*flows.command("idle.py", "--help", environment=None)).stdout,
            call(sys.executable, "-m", "metaflow.cmd.main_cli").stdout,
        ]
    )
    for ours, theirs in zip(having, lacking, strict=True):
        commands = [set(re.findall(r"^  ([a-z][\w-]*)  ", text, re.MULTILINE)) for text in (ours, theirs)]
        assert commands[0] - commands[1] == {"environment"}
        assert commands[1] <= commands[0]
        options = [set(re.findall(r"--[a-z][\w-]*", text)) for text in (ours, theirs)]
        assert options[0] == options[1]


def test_nothing_of_metaflow_is_missing_and_what_is_replaced_takes_more(twice: Twice) -> None:
    program = (
        "import metaflow, metaflow.metaflow_config as config, metaflow.plugins as p\n"
        "kinds = ('STEP_DECORATORS', 'FLOW_DECORATORS', 'ENVIRONMENTS', 'DATASTORES', 'METADATA_PROVIDERS',\n"
        "         'LOGGING_SIDECARS', 'SIDECARS')\n"
        "def described(one):\n"
        "    name = getattr(one, 'name', None) or getattr(one, 'TYPE', None)\n"
        "    return name, [one.__module__, sorted(getattr(one, 'defaults', {}))]\n"
        "plugins = {kind: dict(described(one) for one in getattr(p, kind) if isinstance(one, type))\n"
        "           for kind in kinds}\n"
        "names = {name: str(getattr(metaflow, name)) for name in dir(metaflow) if name[:1] != '_'}\n"
        "values = {name: repr(getattr(config, name)) for name in dir(config) if name.isupper()}\n"
        "print(json.dumps([plugins, sorted(names), values]))\n"
    )
    (plugins, names, values), (core, core_names, core_values) = twice.python(program)
    for kind, those in core.items():
        for name, (module, attributes) in those.items():
            found_module, found = plugins[kind][name]
            if name in REPLACED:
                assert found_module.startswith("metaflow_extensions.conjoin."), name
                assert set(attributes) <= set(found), name
            else:
                assert (found_module, found) == (module, attributes), name
        assert set(plugins[kind]) - set(those) <= OURS | BASES
    assert set(core_names) <= set(names)
    added = {"named_env", "sys_packages", "pip", "named_env_base", "sys_packages_base", "pip_base"}
    assert added <= set(names) - set(core_names)
    changed = {name for name, value in core_values.items() if values[name] != value}
    assert changed <= {name for name in core_values if name.startswith("CONDA_")}
    assert {name for name in values if name not in core_values} <= {
        n for n in values if n.startswith("CONDA_")
    }


def test_conda_without_its_environment_is_refused_as_metaflow_does(twice: Twice, flows: Flows) -> None:
    ran = twice(lambda call: call(*flows.command("small.py", "run", "--with", "conda", environment=None)))
    for one in ran:
        assert one.code == 1
        assert "requires --environment=conda" in one.said.replace("*", "")
        assert "Task is starting" not in one.said


@pytest.mark.parametrize(
    ("tutorial", "flow"), [("00-helloworld", "HelloFlow"), ("01-playlist", "PlayListFlow")]
)
def test_metaflow_s_own_tutorials_run_alike(twice: Twice, flows: Flows, tutorial: str, flow: str) -> None:
    if not (TUTORIALS / tutorial).is_dir():
        pytest.skip("this Metaflow came without its tutorials")
    folder = flows.folder / tutorial
    shutil.copytree(TUTORIALS / tutorial, folder, dirs_exist_ok=True)
    [script] = folder.glob("*.py")

    def run(call: Callable[..., Ran]) -> Any:
        ran = call(sys.executable, str(script), "--no-pylint", "run")
        assert ran.code == 0, ran.said
        return lines(ran.stdout), lines(ran.stderr)

    having, lacking = twice(run)
    if tutorial == "01-playlist":  # it recommends a bonus movie by chance
        having, lacking = (
            [[line.split("]")[0] for line in one] for one in both] for both in (having, lacking)
        )
    assert having == lacking
