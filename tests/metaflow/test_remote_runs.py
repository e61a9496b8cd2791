"""Steps in bare containers: the commands that Metaflow writes, as they are, on five runtimes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import schedulers
from remote_runs import Cloud, Pod

pytestmark = pytest.mark.slow

STEPS = ("start", "plain", "mixed", "named", "fetched", "end")
IDS = re.compile(r"environment\.remote_task s3://\S+ linux-64 ([0-9a-f]{40}:[0-9a-f]{40}) &&")
NAME = "cloud/base:v1"

Gone = tuple[str, list[Pod]]


@pytest.fixture(scope="module")
def named(cloud: Cloud) -> str:
    """The ids of the environment that two steps know by its name."""
    done = cloud.name(NAME, "--conda", "tinylib=2", "--conda", "requests", "--conda", "boto3", "--json")
    assert done.code == 0, done.said
    told = json.loads(done.stdout)
    return f"{told['req_id']}:{told['full_id']}"


def run_with(kind: str) -> Callable[[Cloud], Gone]:
    def go(cloud: Cloud) -> Gone:
        before = {pod.folder for pod in cloud.left()}
        ran = cloud.run("cloud.py", "run", "--with", kind)
        assert ran.code == 0, ran.said
        return ran.run_id, [pod for pod in cloud.left() if pod.folder not in before]

    return go


def argo(cloud: Cloud) -> Gone:
    if not schedulers.can_mount():
        pytest.skip("no container here can have a folder /mnt/out of its own")
    ran = cloud.run("cloud.py", "argo-workflows", "create", "--only-json")
    assert ran.code == 0, ran.said
    return schedulers.argo(cloud, json.loads(ran.stdout), STEPS, "cloudflow-x7k2p")


def step_functions(cloud: Cloud) -> Gone:
    ran = cloud.run("cloud.py", "step-functions", "create", "--only-json")
    assert ran.code == 0, ran.said
    return schedulers.step_functions(cloud, json.loads(ran.stdout), "execution-1")


def airflow(cloud: Cloud) -> Gone:
    pytest.importorskip("jinja2")
    ran = cloud.run("cloud.py", "airflow", "create", "dag.py")
    assert ran.code == 0, ran.said
    return schedulers.airflow(cloud, cloud.folder / "dag.py", "manual__2026-01-01")


RUNTIMES = {
    "argo": argo,
    "kubernetes": run_with("kubernetes"),
    "batch": run_with("batch"),
    "step-functions": step_functions,
    "airflow": airflow,
}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_kind_of_environment(runtime: str, cloud: Cloud, named: str) -> None:
    prefixes_before = cloud.envs
    run_id, pods = RUNTIMES[runtime](cloud)
    assert [pod.code for pod in pods] == [0] * len(STEPS), pods[-1].said
    assert cloud.envs == prefixes_before == [], "the laptop needs no prefix of a step that runs elsewhere"
    tasks = cloud.task("CloudFlow", run_id)
    where = {step: pod.folder.parents[1] / "running" for step, pod in zip(STEPS, pods, strict=True)}

    ids = {step: task["metadata"].get("conda_env_id") for step, task in tasks.items()}
    assert ids.pop("start") is None
    told = dict(zip(STEPS, [IDS.search(pod.command) for pod in pods], strict=True))
    assert {step for step, match in told.items() if match is None} == {"start", "fetched"}
    for step, found in ids.items():
        req_id, full_id, platform = json.loads(found)
        match = told[step]
        assert f"{req_id}:{full_id}" == (match[1] if match else named), step
        assert platform == "linux-64"
        assert tasks[step]["information"]["id"] == f"{req_id}:{full_id}"
    assert told["named"] is not None
    assert told["named"][1] == named

    has = {step: task["seen"]["versions"] for step, task in tasks.items()}
    asked = {"tinylib", "tinyapp", "condaonly", "pypionly"}
    assert {step: {k: v for k, v in one.items() if k in asked} for step, one in has.items()} == {
        "start": {},
        "plain": {"tinylib": "1.0"},
        "mixed": {"condaonly": "1.5", "pypionly": "3.1", "tinylib": "2.0"},
        "named": {"tinylib": "2.0"},
        "fetched": {"tinylib": "2.0"},
        "end": {"tinylib": "1.0", "tinyapp": "1.0"},
    }
    for step, task in tasks.items():
        seen = task["seen"]
        if step == "start":
            assert seen["executable"] == str(cloud.container / "python")
            continue
        folder = str(where[step])
        assert seen["prefix"] == f"{folder}/metaflow/.holdfast/env"
        assert seen["executable"] == f"{seen['prefix']}/bin/python"
        assert [entry for entry in seen["path"] if not entry.startswith(folder)] == []
        variables = seen["variables"]
        assert variables["PATH"].split(":")[0] == f"{seen['prefix']}/bin"
        assert variables["CONDA_PREFIX"] == seen["prefix"]
        assert variables["PYTHONPATH"] == f"{folder}/metaflow/.mf_code"
        assert not {"holdfast", "metaflow"} & set(has[step])
    assert tasks["mixed"]["seen"]["variables"]["TINY_HOME"].endswith("/.holdfast/env/share")


def test_the_package_takes_the_locks_of_this_flow_alone(cloud: Cloud, named: str, tmp_path: Path) -> None:
    """``named`` is in the store as well as others are, and of a flow that does not ask for it no business."""
    ran = cloud.run("small.py", "--package-suffixes=.none", "argo-workflows", "create", "--only-json")
    assert ran.code == 0, ran.said
    members = cloud.package(json.loads(ran.stdout))
    [start] = [each for each in json.loads(ran.stdout)["spec"]["templates"] if each["name"] == "start"]
    match = IDS.search(start["container"]["command"][2])
    assert match is not None
    mine = {name: data for name, data in members.items() if "holdfast" in name}
    locks = [name for name in mine if name.startswith(".mf_meta/")]
    assert locks == [f".mf_meta/holdfast/{match[1].replace(':', '_')}.json"]
    req_id, _full_id = match[1].split(":")
    assert json.loads(mine[locks[0]])["req_id"] == req_id
    from holdfast.bootstrap.archive import engine_files

    engine = {f".mf_code/holdfast_engine/{name}" for _, name in engine_files()}
    extension = {name for name in mine if name.startswith(".mf_code/metaflow_extensions/holdfast/")}
    assert set(mine) == {*locks, *engine, *extension}


def test_a_past_task_that_ran_elsewhere(cloud: Cloud, named: str) -> None:
    """``metaflow environment show`` and ``create`` by a pathspec; and a colleague takes what was resolved."""
    if not schedulers.can_mount():
        pytest.skip("no container here can have a folder /mnt/out of its own")
    ran = cloud.run("small.py", "argo-workflows", "create", "--only-json")
    run_id, pods = schedulers.argo(cloud, json.loads(ran.stdout), ("start",), "small-1")
    assert [pod.code for pod in pods] == [0], pods[0].said
    command = (str(cloud.program("metaflow")), "environment", "--quiet")
    colleague = {"HOME": str(cloud.folder / "colleague"), "METAFLOW_USER": "somebody", "USER": "somebody"}
    Path(colleague["HOME"]).mkdir()
    shown = cloud.call(*command, "show", "--pathspec", f"SmallFlow/{run_id}/start", variables=colleague)
    assert shown.code == 0, shown.said
    match = IDS.search(pods[0].command)
    assert match is not None
    assert all(one in shown.stdout for one in match[1].split(":"))
    made = cloud.call(
        *command, "create", "--name", "again", "--pathspec", f"SmallFlow/{run_id}/start", variables=colleague
    )
    assert made.code == 0, made.said
    again = {**colleague, "METAFLOW_CONDA_USE_REMOTE_LATEST": ":any:"}
    deployed = cloud.run("small.py", "argo-workflows", "create", "--only-json", variables=again)
    assert deployed.code == 0, deployed.said
    assert "Resolving" not in deployed.stderr
    assert match[1] in deployed.stdout


def test_a_mac_deploys_what_linux_deploys(cloud: Cloud) -> None:
    found: list[Any] = []
    for host in ("osx-arm64", "linux-64"):
        home = cloud.folder / f"home-{host}"
        home.mkdir()
        variables = {
            "HOME": str(home),
            "PRETEND_PLATFORM": host,
            "METAFLOW_CONDA_S3ROOT": f"s3://{cloud.bucket}/{host}",
        }
        ran = cloud.run("small.py", "argo-workflows", "create", "--only-json", variables=variables)
        assert ran.code == 0, ran.said
        assert "Resolving" in ran.stderr
        [lock] = [
            data for name, data in cloud.package(json.loads(ran.stdout)).items() if "mf_meta/hold" in name
        ]
        found.append(lock)
    assert found[0] == found[1]
