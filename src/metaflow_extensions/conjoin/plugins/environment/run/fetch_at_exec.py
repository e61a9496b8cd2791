"""Environments that are looked up when a task starts: in the task's own process, by the launcher's Python."""

from __future__ import annotations

import os
from typing import Any, Mapping

__all__ = ["fetched", "task_names"]


def fetched(task: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the task of ``programs/launch.py`` with the environment that its name means now.

    :return: the task; and why there is no such environment, empty where there is.
    """
    from metaflow.exception import MetaflowException

    from conjoin.errors import ConjoinError
    from conjoin.spec.platform import host_platform
    from metaflow_extensions.conjoin.config.flow_store import open_store
    from metaflow_extensions.conjoin.plugins.environment.run.background_hydration import Plan
    from metaflow_extensions.conjoin.plugins.environment.run.resolve import named_lock, substituted

    name = task["fetch"]
    try:
        variables = task_names(task)
        name = substituted(name, variables)
        lock = named_lock(name, open_store(task["datastore"]), variables)
        plan = Plan(lock, host_platform(), task["folder"], task["datastore"], offline=task["offline"])
    except (ConjoinError, MetaflowException) as error:
        return task, "{}: {}".format(name, " ".join(str(error).split()))
    return {**task, "id": plan.id, "prefix": plan.prefix, "plan": plan.file, "log": ""}, ""


def task_names(task: Mapping[str, Any]) -> dict[str, str]:
    """Return what ``@{NAME}`` stands for in a task: run, step, task, the run's parameters, variables."""
    run_id = task["run_id"]
    return {
        **os.environ,
        **parameters(task),
        "METAFLOW_FLOW_NAME": task["flow"],
        "METAFLOW_RUN_ID": run_id,
        # As the scheduler calls the run: argo-x, sfn-x and airflow-x are Metaflow's names.
        "METAFLOW_RUN_ID_BASE": run_id.partition("-")[2] or run_id,
        "METAFLOW_STEP_NAME": task["step"],
        "METAFLOW_TASK_ID": task["task_id"],
    }


def parameters(task: Mapping[str, Any]) -> dict[str, str]:
    """Return ``METAFLOW_INIT_<NAME>`` of the run's parameters that the environment's name mentions.

    From the datastore: so it works in every step, on every runtime.
    """
    if "METAFLOW_INIT_" not in task["fetch"]:
        return {}
    from metaflow_extensions.conjoin.metaflow_internals import parameter_artifacts

    kept = parameter_artifacts(task["flow"], task["run_id"], task["datastore"], task["datastore_root"])
    if kept is None:
        return {}
    names = {"METAFLOW_INIT_" + name.upper().replace("-", "_"): name for name, _ in kept.items()}
    return {variable: str(kept[name]) for variable, name in names.items() if variable in task["fetch"]}
