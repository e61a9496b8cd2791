"""Environments of tasks that ran: found by their pathspec, and told about by Metaflow's client.

No module-level import of Metaflow: the engine comes here first when it looks up ``step:Flow/run/step``.
"""

from __future__ import annotations

import json
from typing import Any, Mapping

__all__ = ["environment_id", "environment_information", "reference"]

FIELD = "conda_env_id"


def reference(pathspec: str) -> str:
    """Return ``req_id:full_id`` of the environment that a step of a past run had.

    This is the entry point ``step`` of ``conjoin.references``.

    :param pathspec: ``Flow/run/step`` or ``Flow/run/step/task``.
    :raises conjoin.errors.UsageError: where it is no pathspec of a step.
    :raises conjoin.errors.NotFound: where there is no such step, or it ran without an environment.
    """
    from conjoin.errors import NotFound, UsageError

    parts = pathspec.split("/")
    if len(parts) not in (3, 4) or not all(parts):
        raise UsageError(
            f"{pathspec!r} is no pathspec of a step", advice="expected Flow/run/step or Flow/run/step/task"
        )
    from metaflow.exception import MetaflowException

    from metaflow import Step, Task, namespace

    namespace(None)  # whoever ran it
    try:
        task = Task(pathspec) if len(parts) == 4 else Step(pathspec).task
        found = environment_id(task.metadata_dict)
    except MetaflowException as error:
        raise NotFound(f"there is no step {pathspec} ({error})") from None
    if found is None:
        raise NotFound(f"the step {pathspec} ran without an environment of ours")
    return "{}:{}".format(*found[:2])


def environment_id(metadata: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return ``req_id``, ``full_id`` and platform out of a task's metadata, None where it had none."""
    text = metadata.get(FIELD)
    try:
        req_id, full_id, platform = json.loads(text) if text else ("", "", "")
    except (ValueError, TypeError, RecursionError):
        return None
    return (req_id, full_id, platform) if req_id else None


def environment_information(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what is known of a task's environment: its ids, and its packages where its lock is at hand."""
    found = environment_id(metadata)
    if found is None:
        return {}
    req_id, full_id, platform = found
    information: dict[str, Any] = {
        "id": f"{req_id}:{full_id}",
        "req_id": req_id,
        "full_id": full_id,
        "platform": platform,
    }
    lock = _lock(req_id, full_id, str(metadata.get("ds-type") or "local"))
    if lock is not None and platform in lock.platforms:
        information["requirements"] = lock.requirements
        information["packages"] = [
            {
                "kind": package.kind,
                "name": package.name,
                "version": package.version,
                "build": package.build,
                "file": package.file,
                "sha256": package.sha256,
            }
            for package in lock.platforms[platform].packages
        ]
    return information


def _lock(req_id: str, full_id: str, datastore_type: str) -> Any:
    try:
        from conjoin.errors import ConjoinError
    except ImportError:  # a client without the engine
        return None
    from metaflow.exception import MetaflowException

    from metaflow_extensions.conjoin.config.flow_store import cloud_variables, open_store

    try:
        with cloud_variables():
            return open_store(datastore_type).lock(req_id, full_id)
    except (ConjoinError, MetaflowException):
        return None
