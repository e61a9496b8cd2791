"""What schedulers do with what Metaflow deploys: run the steps of a linear flow, one pod after the other.

Container commands and variables are taken as they are; only what the scheduler itself fills in is filled in.
"""

from __future__ import annotations

import ast
import base64
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from remote_runs import Cloud, Pod

__all__ = ["airflow", "argo", "can_mount", "step_functions"]

_WITH_OUTPUTS = 'mount -t tmpfs -o size=2m outputs /mnt && mkdir /mnt/out && exec "$@"'
"""Argo's containers have a folder for what they tell; and it shows how a disk is full."""

_MOUNTS = ("unshare", "--map-root-user", "--mount", "bash", "-c")
_DOWNWARD = ("NAMESPACE", "POD_NAMESPACE", "POD_NAME", "POD_ID", "SERVICE_ACCOUNT_NAME", "NODE_IP")
"""What Kubernetes tells a container about itself."""


def can_mount() -> bool:
    """Return whether a container can have a folder of its own at ``/mnt/out``, as Argo's have."""
    try:
        done = subprocess.run([*_MOUNTS, _WITH_OUTPUTS, "-", "true"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def argo(
    cloud: Cloud,
    template: Mapping[str, Any],
    steps: tuple[str, ...],
    name: str,
    *,
    after: str = "",
    moment: int = 0,
    attempt: int = 0,
) -> tuple[str, list[Pod]]:
    """Run a WorkflowTemplate; return the run's id and its containers, up to the first that fails.

    :param after: the task that the first of ``steps`` follows: ``run id/step/task``.
    :param moment: seconds after which the workflow began: tasks of other moments are others.
    :param attempt: how often the first of ``steps`` was tried before.
    """
    run_id = "argo-" + name
    values = {each["name"]: each["value"] for each in template["spec"]["arguments"]["parameters"]}
    known = {
        "workflow.name": name,
        "workflow.creationTimestamp": f"2026-01-01T00:00:{moment:02}Z",
        "retries": str(attempt),
    }
    by_name = {
        each["name"]: each["container"] for each in template["spec"]["templates"] if "container" in each
    }
    pods: list[Pod] = []
    known["inputs.parameters.input-paths"] = after
    for step in steps:
        container = by_name[step]
        fill = _filling(known, values)
        bash, option, script = container["command"]
        # Two containers of this machine would write into the same file.
        script = fill(script).replace("/tmp/mf-input-paths", "$HOME/mf-input-paths")
        variables = {
            each["name"]: "x" if each.get("value") is None else fill(each["value"])
            for each in container["env"]
        }
        command = [*_MOUNTS, _WITH_OUTPUTS, "-", bash, option, script]
        pods.append(cloud.pod(command, variables, "argo-" + step))
        if pods[-1].code:
            break
        if step != steps[-1]:
            [task] = cloud.task_ids(template["metadata"]["annotations"]["metaflow/flow_name"], run_id, step)
            known.update({"inputs.parameters.input-paths": f"{run_id}/{step}/{task}", "retries": "0"})
    return run_id, pods


def _filling(known: Mapping[str, str], values: Mapping[str, str]) -> Callable[[str], str]:
    def one(match: re.Match[str]) -> str:
        encoded = re.fullmatch(r"=toBase64\(workflow\.parameters\['(.*?)'\]\)", match[1])
        return base64.b64encode(values[encoded[1]].encode()).decode() if encoded else known[match[1]]

    return lambda text: re.sub(r"\{\{(.*?)\}\}", one, text)


def step_functions(cloud: Cloud, machine: Mapping[str, Any], name: str) -> tuple[str, list[Pod]]:
    """Run a state machine whose jobs go to AWS Batch; the same."""
    pods: list[Pod] = []
    step, job = machine["StartAt"], ""
    while step:
        state = machine["States"][step]
        paths = {
            "$$.Execution.Name": name,
            "$.Parameters.['metaflow.run_id']": name,
            "$.Parameters": "{}",
            "$.JobId": job,
        }
        asked = state["Parameters"]["ContainerOverrides"]
        job = f"job-{step}"
        variables = {
            each["Name"]: paths[each["Value.$"]] if "Value.$" in each else each["Value"]
            for each in asked["Environment"]
        }
        variables.update(AWS_BATCH_JOB_ID=job, AWS_BATCH_JQ_NAME="queue", AWS_BATCH_CE_NAME="place")
        variables.update(AWS_BATCH_JOB_ATTEMPT="1", AWS_EXECUTION_ENV="AWS_ECS_FARGATE")
        pods.append(cloud.pod(asked["Command"], variables, "sfn-" + step))
        if pods[-1].code:
            break
        step = state.get("Next", "")
    return "sfn-" + name, pods


def airflow(cloud: Cloud, dag: Path, name: str) -> tuple[str, list[Pod]]:
    """Run the tasks of a DAG's file by Kubernetes, as Airflow's templates have them; the same."""
    from jinja2 import Environment
    from metaflow.plugins.airflow import airflow_utils

    [line] = [each for each in dag.read_text().splitlines() if each.startswith("CONFIG = ")]
    told = ast.literal_eval(line.partition(" = ")[2])
    jinja = Environment(autoescape=False)
    jinja.filters.update(
        run_id_creator=airflow_utils.run_id_creator,
        task_id_creator=airflow_utils.task_id_creator,
        json_dump=airflow_utils.json_dump,
    )
    dag_id = told["dag_instantiation_params"]["dag_id"]
    tasks: dict[str, str] = {}
    pods: list[Pod] = []
    for step in told["graph_structure"]:

        class Instance:
            """What templates know of a running task."""

            task_id, try_number, job_id = step, 1, 1

            @staticmethod
            def xcom_pull(task_ids: str, key: str) -> str:
                assert key == airflow_utils.TASK_ID_XCOM_KEY
                return tasks[task_ids]

        known = {
            "run_id": name,
            "ti": Instance,
            "task_instance": Instance,
            "dag_run": {"dag_id": dag_id},
            "params": {"kind": "fast"},
        }
        asked = told["states"][step]["operator_args"]
        command = [jinja.from_string(each).render(known) for each in asked["cmds"]]
        variables = {
            each["name"]: jinja.from_string(str(each["value"])).render(known) for each in asked["env_vars"]
        }
        variables.update({"METAFLOW_KUBERNETES_" + field: "x" for field in _DOWNWARD})
        tasks[step] = "airflow-" + airflow_utils.task_id_creator([name, step, dag_id])
        pods.append(cloud.pod(command, variables, "airflow-" + step))
        if pods[-1].code:
            break
    return "airflow-" + airflow_utils.run_id_creator([name, dag_id]), pods
