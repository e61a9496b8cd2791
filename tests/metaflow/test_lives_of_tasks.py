"""What Metaflow does with tasks besides running them, in environments: workers, retries, resuming."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from flow_runs import Flows, Ran

pytestmark = pytest.mark.slow

Tasks = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def life(flows: Flows) -> tuple[Ran, Ran]:
    """A run whose step ``fragile`` fails, and its resumption."""
    failed = flows.run("life.py", variables={"FAIL": "1"})
    assert failed.code != 0, failed.said
    flows.server.forget()
    resumed = flows.run("life.py", "resume")
    assert resumed.code == 0, resumed.said
    return failed, resumed


def test_workers_run_beside_each_other_in_the_environment(flows: Flows, life: tuple[Ran, Ran]) -> None:
    tasks = flows.tasks("LifeFlow", life[1])
    [prefix] = {task["seen"]["prefix"] for task in tasks["together"]}
    assert len(tasks["together"]) == 2
    assert prefix in map(str, flows.envs)


def test_a_resumed_run_makes_nothing_for_what_it_clones(flows: Flows, life: tuple[Ran, Ran]) -> None:
    failed, resumed = life
    assert flows.server.requests == []
    assert "Resolving" not in resumed.said
    tasks = flows.tasks("LifeFlow", resumed)
    [again] = tasks["fragile"]
    assert again["metadata"]["origin-run-id"] == failed.run_id
    assert again["metadata"]["conda_env_id"]
    assert again["seen"]["prefix"] != sys.prefix
    started = {line.split("/")[1] for line in resumed.stdout.splitlines() if "Task is starting" in line}
    assert started == {"fragile", "end"}


def test_a_card_is_made(flows: Flows, life: tuple[Ran, Ran]) -> None:
    cards = flows.run("life.py", "card", "list", f"{life[1].run_id}/fragile", environment=None)
    assert "default" in cards.said


def test_a_resumed_run_makes_environments_that_are_gone(flows: Flows, life: tuple[Ran, Ran]) -> None:
    failed, before = life
    [task] = flows.tasks("LifeFlow", before)["fragile"]
    shutil.rmtree(task["seen"]["prefix"])
    resumed = flows.run("life.py", "resume", "--origin-run-id", failed.run_id)
    assert resumed.code == 0, resumed.said
    assert task["seen"]["prefix"] in map(str, flows.envs)


def test_spin_runs_a_step_in_its_environment(flows: Flows, life: tuple[Ran, Ran]) -> None:
    [task] = flows.tasks("LifeFlow", life[1])["fragile"]
    pathspec = f"LifeFlow/{life[1].run_id}/fragile/{task['id']}"
    spun = flows.run("life.py", "spin", pathspec, variables={"SHOW": "1"})
    assert spun.code == 0, spun.said
    assert task["seen"]["prefix"] in spun.stdout
    assert "Task finished successfully" in spun.stdout


@pytest.fixture
def broken(flows: Flows) -> tuple[Ran, Ran]:
    """A run whose packages vanish once everything is resolved, and its resumption after they are back."""
    resolved = flows.run("breaks.py", "--package-suffixes=.py", "package", "info")
    assert resolved.code == 0, resolved.said
    # Flows of other tests may have fetched the same packages already.
    for kept in (".cache/conjoin", ".local/share/conjoin/store/packages"):
        shutil.rmtree(flows.folder / "home" / kept, ignore_errors=True)
    flows.server.replace("*/condaonly-*", b"not what was promised")
    failed = flows.run("breaks.py")
    flows.server.heal()
    resumed = flows.run("breaks.py", "resume", "--origin-run-id", failed.run_id)
    return failed, resumed


def test_an_environment_that_cannot_be_made_fails_its_task_with_one_line(
    flows: Flows, broken: tuple[Ran, Ran]
) -> None:
    failed, resumed = broken
    assert failed.code != 0
    lines = [line for line in failed.said.splitlines() if "conjoin:" in line and "being made" not in line]
    of_caught = [line for line in lines if "/caught/" in line]
    of_hurt = [line for line in lines if "/hurt/" in line]
    assert len(of_hurt) == 1, lines
    assert "the environment of this step cannot be made: " in of_hurt[0]
    assert "condaonly-1.5" in of_hurt[0]
    # Once as it fails, and once as @catch takes over, which needs no environment.
    assert len(of_caught) == 2, lines
    assert "running without its environment" in of_caught[1]
    assert "Traceback" not in failed.said
    assert resumed.code == 0, resumed.said
    assert flows.tasks("BreaksFlow", resumed)["hurt"][0]["seen"]["versions"]["condaonly"] == "1.5"


def test_configurations_mutators_and_inherited_flows(flows: Flows) -> None:
    ran = flows.run("derived.py")
    assert ran.code == 0, ran.said
    tasks = flows.task("DerivedFlow", ran)
    asked = {"tinylib", "condaonly", "pypionly"}
    versions = {
        step: {name: v for name, v in task["seen"]["versions"].items() if name in asked}
        for step, task in tasks.items()
    }
    assert versions == {
        # The own @conda_base overrides the inherited one package by package; the mutator adds a package.
        "start": {"tinylib": "1.0", "condaonly": "1.5", "pypionly": "3.1"},
        "changed": {"tinylib": "2.0", "condaonly": "1.5", "pypionly": "3.1"},
        "end": {},
    }


def test_every_shape_of_a_flow_with_decorators_from_the_command_line(flows: Flows) -> None:
    """``--with`` gives every step what it says; loops, branches, and loops whose length nobody knows."""
    packages = json.dumps({"condaonly": "1.5", "tinylib": ">=1,<2"})
    python = ".".join(map(str, sys.version_info[:2]))
    ran = flows.run("shapes.py", "run", "--with", f"conda:packages={packages},python={python}")
    assert ran.code == 0, ran.said
    seen = flows.task("ShapesFlow", ran)["end"]["seen"]
    assert (seen["letters"], seen["doubled"]) == (["a", "aa"], [2, 4])
    assert (seen["versions"]["condaonly"], seen["versions"]["tinylib"]) == ("1.5", "1.0")
    [prefix] = seen["prefixes"]
    assert prefix in map(str, flows.envs)
    assert seen["text"].startswith('"""The shapes')


def test_a_step_with_an_older_python_than_the_launcher_s(flows: Flows, flow_world: Path) -> None:
    """The oldest that there may be; Metaflow is compiled for it once, out of the launcher's way."""
    if not (flow_world / "old").is_dir():
        pytest.skip("there is no Python 3.8 to forge a channel of")
    import metaflow

    beside = set(Path(metaflow.__file__).parent.rglob("*.pyc"))
    old = {"METAFLOW_CONDA_CHANNELS": f"{flows.server.url}/old"}
    ran = flows.run("inner.py", "run", "--with", "conda:python=3.8", variables=old)
    assert ran.code == 0, ran.said
    seen = flows.task("InnerFlow", ran)["start"]["seen"]
    assert seen["python"] == "3.8"
    assert seen["prefix"] in map(str, flows.envs)
    cache = flows.folder / "home/.cache/conjoin/metaflow-bytecode"
    assert list(cache.glob("*/*.cpython-38.pyc"))
    written = set(Path(metaflow.__file__).parent.rglob("*.pyc")) - beside
    assert not [path for path in written if "cpython-38" in path.name]


def test_flows_within_steps(flows: Flows) -> None:
    ran = flows.run("nested.py")
    assert ran.code == 0, ran.said
    seen = flows.task("NestedFlow", ran)["end"]["seen"]
    # An environment's Python starts tasks of its own, without environments.
    assert seen["plain"]["prefix"] in map(str, flows.envs)
    assert seen["start"]["prefix"] in map(str, flows.envs)
    assert seen["end"]["prefix"] == sys.prefix
    assert "conda_env_id" not in seen["metadata"]
    assert not {"CONDA_PREFIX", "PYTHONPATH", "PYTHONNOUSERSITE"} & set(seen["end"]["variables"])
    assert "esolving" not in seen["output"]


def test_a_decorator_without_its_environment_is_refused_before_anything_runs(flows: Flows) -> None:
    ran = flows.run("sides.py", environment=None)
    assert ran.code != 0
    assert " requires --environment=conda or --environment=pypi; add it before the command" in ran.stderr
    assert "Task is starting" not in ran.stdout
    shown = flows.run("sides.py", "show", environment=None)
    assert shown.code == 0, shown.said


def test_a_task_in_another_python_than_its_environment_s_fails(flows: Flows) -> None:
    """Somebody replaced the interpreter: the wrong one must not run the step without an error."""
    ran = flows.run("inner.py")
    assert ran.code == 0, ran.said
    prefix = flows.task("InnerFlow", ran)["start"]["seen"]["prefix"]
    [python] = [path for path in flows.envs if str(path) == prefix]
    (python / "bin/python").rename(python / "bin/kept")
    (python / "bin/python").write_text(f'#!/bin/sh\nPYTHONPATH= exec "{sys.executable}" "$@"\n')
    (python / "bin/python").chmod(0o755)
    try:
        ran = flows.run("inner.py")
    finally:
        (python / "bin/kept").rename(python / "bin/python")
    assert ran.code != 0
    assert "which holds none of ours, not its environment" in ran.stdout
