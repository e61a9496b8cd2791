"""Flows on this machine: black-box, with real Metaflow, a forged channel and a small index."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import pytest

from conjoin.store.backend.filelock import locked
from flow_runs import Flows, Ran

pytestmark = pytest.mark.slow

Tasks = dict[str, dict[str, Any]]

LIBRARIES = {"requests", "boto3"}


def ids(task: dict[str, Any]) -> str:
    import json

    return ":".join(json.loads(task["metadata"]["conda_env_id"])[:2])


def test_steps_see_what_they_asked_for_and_nothing_else(sides: tuple[Ran, Tasks]) -> None:
    _, tasks = sides
    versions = {step: task["seen"]["versions"] for step, task in tasks.items()}
    asked = {"tinylib", "tinyapp", "condaonly", "pypionly"}
    found = {step: {k: v for k, v in has.items() if k in asked} for step, has in versions.items()}
    assert found == {
        "start": {"tinylib": "1.0"},
        "newer": {"tinylib": "2.0"},
        "both": {"tinylib": "1.0", "tinyapp": "1.0", "condaonly": "1.5", "pypionly": "3.1"},
        "same": {"tinylib": "1.0"},
        "joined": {"tinylib": "1.0"},
        "end": {"tinylib": "1.0"},
        "off": {},
    }
    for step, has in versions.items():
        assert set(has) >= LIBRARIES, step
        assert ("conjoin" in has, "metaflow" in has) == ((True, True) if step == "off" else (False, False))


def test_tasks_run_in_their_prefix_with_nothing_of_the_launcher(sides: tuple[Ran, Tasks]) -> None:
    _, tasks = sides
    for step, task in tasks.items():
        seen = task["seen"]
        variables = seen["variables"]
        if step == "off":
            assert seen["prefix"] == sys.prefix
            assert not {"CONDA_PREFIX", "PYTHONPATH", "PYTHONNOUSERSITE"} & set(variables)
            assert "conda_env_id" not in task["metadata"]
            continue
        prefix = seen["prefix"]
        assert prefix.endswith("metaflow_" + ids(task).replace(":", "_"))
        assert seen["python"] == ".".join(map(str, sys.version_info[:2]))
        assert variables["PATH"].split(":")[0] == f"{prefix}/bin"
        assert variables["PYTHONNOUSERSITE"] == "1"
        assert "LD_LIBRARY_PATH" not in variables
        script, metaflow, *own = seen["path"]
        assert script.endswith("/flows")
        assert metaflow.endswith("/.mf_code")
        assert all(entry.startswith(prefix) for entry in own), own


def test_activation_scripts_of_packages_run(sides: tuple[Ran, Tasks]) -> None:
    _, tasks = sides
    seen = tasks["both"]["seen"]
    assert seen["variables"]["TINY_HOME"] == f"{seen['prefix']}/share"
    assert "on stdout" not in tasks["both"]["stdout"]


def test_steps_that_ask_for_the_same_share_one_environment(sides: tuple[Ran, Tasks], flows: Flows) -> None:
    _, tasks = sides
    assert ids(tasks["start"]) == ids(tasks["same"]) == ids(tasks["end"])
    # `joined` asks for more of the system, and gets the same packages.
    assert ids(tasks["joined"]) != ids(tasks["start"])
    assert ids(tasks["joined"]).partition(":")[2] == ids(tasks["start"]).partition(":")[2]
    assert len({ids(task) for step, task in tasks.items() if step != "off"}) == 4


def test_the_client_tells_about_the_environment(sides: tuple[Ran, Tasks]) -> None:
    _, tasks = sides
    information = tasks["both"]["information"]
    assert information["id"] == ids(tasks["both"])
    kinds = {package["name"]: package["kind"] for package in information["packages"]}
    assert (kinds["condaonly"], kinds["pypionly"], kinds["python"]) == ("conda", "pypi", "conda")
    assert tasks["off"]["information"] == {}


def test_nothing_of_ours_goes_to_stdout(sides: tuple[Ran, Tasks]) -> None:
    ran, _ = sides
    assert "Resolving" not in ran.stdout
    # Lines of tasks are theirs: one that waits may say so.
    rest = [line for line in ran.stdout.splitlines() if " (pid " not in line]
    assert not [line for line in rest if "conjoin" in line.lower()]


def test_a_second_run_resolves_and_hydrates_nothing_and_leaves_nothing(
    sides: tuple[Ran, Tasks], flows: Flows, tmp_path
) -> None:
    """Under the environment's other name: one implementation, the same environments."""
    _, before = sides
    there = {path: path.stat().st_mtime_ns for path in flows.envs}
    flows.server.forget()
    ran = flows.run("sides.py", environment="pypi", variables={"TMPDIR": str(tmp_path)})
    assert ran.code == 0, ran.said
    assert "Resolving" not in ran.said
    assert flows.server.requests == []
    assert {path: path.stat().st_mtime_ns for path in flows.envs} == there
    after = flows.task("SidesFlow", ran)
    assert {step: task["seen"]["prefix"] for step, task in after.items()} == {
        step: task["seen"]["prefix"] for step, task in before.items()
    }
    assert list(tmp_path.iterdir()) == []


def test_thirty_tasks_hydrate_once_while_others_go_on(flows: Flows) -> None:
    """Somebody else holds the environment's lock: tasks that need it wait, and the scheduler does not.

    No clock is asked: while the lock is held, the other step's lines must come, and all tasks be started.
    """
    store = flows.folder / "home/.local/share/conjoin/store/envs"
    before = set(store.glob("*/*/lock.json"))
    resolved = flows.run("fan.py", "package", "info")
    assert "Resolving the environment of labour ..." in resolved.stderr
    [made] = set(store.glob("*/*/lock.json")) - before
    prefix = flows.folder / f"home/.local/share/conjoin/envs/metaflow_{made.parts[-3]}_{made.parts[-2]}"
    for kept in (".cache/conjoin", ".local/share/conjoin/store/packages"):  # what other tests fetched
        shutil.rmtree(flows.folder / "home" / kept, ignore_errors=True)
    flows.server.forget()

    command = flows.command("fan.py", "run", "--max-workers=32", "--max-num-splits=40", "--seconds=5")
    with locked(prefix.with_name(f".{prefix.name}.lock")):
        running = subprocess.Popen(
            command, cwd=flows.folder, env=flows.variables, stdout=subprocess.PIPE, text=True
        )
        assert running.stdout is not None
        lines: list[str] = []
        talked = started = 0
        try:
            while talked < 20 or started < 30:
                line = running.stdout.readline()
                assert line, "".join(lines)
                lines.append(line)
                talked += "/talk/" in line and "] at " in line
                started += "/labour/" in line and "Task is starting" in line
            assert not [line for line in lines if "/labour/" in line and "finished" in line]
            assert not prefix.exists()
        except BaseException:
            running.kill()
            raise
    rest, _ = running.communicate(timeout=1800)
    assert running.returncode == 0, "".join(lines) + rest
    downloads = [path for path in flows.server.paths("GET") if "/tinyapp-" in path]
    assert len(downloads) == 1, downloads
    assert rest.count("Task finished successfully") >= 30
    tasks = flows.tasks("FanFlow", Ran(0, "".join(lines), ""))
    assert [task["seen"]["prefix"] for task in tasks["labour"]] == [str(prefix)] * 30
