"""Makes the environment of a task in the bare container that the task was sent to.

``python -m metaflow_extensions.conjoin.plugins.environment.remote.bootstrap STORE PLATFORM ENV``, in the
folder that the code package was unpacked to. The prefix is below that folder, and ``./__conda_python`` is its
Python as a task sees it: nothing else of the container's command line runs in the environment.

Nothing but the standard library is imported before it is needed: Metaflow alone takes as long as linking.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

from metaflow_extensions.conjoin.plugins.environment.remote.bootstrap_command import (
    ENGINE_FOLDER,
    EXECUTABLE,
    LOCK_FOLDER,
    RemoteTask,
    lock_file,
)
from metaflow_extensions.conjoin.plugins.environment.run.task_prefix import (
    ENVIRONMENT_VARIABLE,
    python_of,
    task_variables,
)

__all__ = ["main"]

OWN = ".conjoin"
"""The folder of the environment, in the task's. Hidden, so that no code package ever takes it along."""

_ENDPOINTS = {
    "s3": "METAFLOW_S3_ENDPOINT_URL",
    "az": "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT",
    "azure": "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT",
}


_MORE_DISK = (
    "give the step more (the decorator's disk=), or have CONJOIN_CACHE name a folder on another disk "
    "(@environment), and run it again"
)


class Problem(NamedTuple):
    """Why there is no environment.

    :ivar text: one line.
    :ivar code: of the exit (docs/errors.md).
    """

    text: str
    code: int


def main(words: Sequence[str]) -> int:
    """Make the environment and its launcher; say what is wrong in one line, and return an exit code."""
    task = RemoteTask.read(words)
    root = Path(os.environ.get("METAFLOW_EXTRACTED_ROOT") or Path.cwd())
    sys.path.insert(0, str(root / ".mf_code" / ENGINE_FOLDER))
    found = _bootstrapped(task, root)
    if isinstance(found, Problem):
        print("conjoin: the environment of this step cannot be made: " + found.text, file=sys.stderr)
        return found.code
    return 0


def _bootstrapped(task: RemoteTask, root: Path) -> Problem | None:
    from conjoin.bootstrap.bootstrapping import bootstrap
    from conjoin.errors import FULL_DISK, ConjoinError

    own = Path.cwd() / OWN
    prefix = str(own / "env")
    name = task.environment
    try:
        if task.fetched:
            name = _name(task)
        lock = root / ".mf_meta" / LOCK_FOLDER / lock_file(name)
        _, at, digest = name.partition("@sha256:")
        ready = bootstrap(
            task.store,
            str(lock) + at + digest if lock.is_file() else name,
            platform=task.platform,
            prefix=prefix,
            # Beside the prefix unless somebody knows of a place that containers share: links need one disk.
            cache=os.environ.get("CONJOIN_CACHE") or str(own / "cache"),
            endpoint=os.environ.get(_ENDPOINTS.get(task.store.partition("://")[0], "")) or None,
            variables={**os.environ, **task_variables(prefix, "", _home(root))},
            toolkit=task.toolkit,
        )
        variables = {**ready.variables, ENVIRONMENT_VARIABLE: f"{ready.req_id}:{ready.full_id}"}
        write_launcher(Path(EXECUTABLE), python_of(prefix), variables, os.environ)
    except ConjoinError as error:
        if error.what == FULL_DISK:
            error.advice = _MORE_DISK
        return Problem(" ".join(str(error).split()), error.exit_code)
    except OSError as error:
        return Problem(f"{error.filename or own}: {error.strerror}", 4)
    except Exception as error:
        if os.environ.get("CONJOIN_DEBUG"):
            raise
        # Metaflow's errors are for people; whatever else comes here is not.
        told = " ".join(str(error).split())
        if hasattr(error, "headline"):
            return Problem(told, int(getattr(error, "exit_code", 2)))
        return Problem(f"this is a bug: {type(error).__name__}: {told}; CONJOIN_DEBUG=1 shows where", 1)
    return None


def write_launcher(path: Path, python: str, variables: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Write a script that runs ``python`` with ``variables``, for a shell that has those of ``now``.

    Only what differs is written: what later commands set still counts, and no secret is copied.
    """
    changed = {name: value for name, value in variables.items() if now.get(name) != value}
    gone = [name for name in now if name not in variables]
    lines = [
        "#!/bin/sh",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(changed.items()) if _is_name(name)),
        *(f"unset {name}" for name in sorted(gone) if _is_name(name)),
        f'exec {shlex.quote(python)} "$@"',
        "",
    ]
    from conjoin.writing import replace

    replace(path, os.fsencode("\n".join(lines)), durable=False, mode=0o755)


def _is_name(name: str) -> bool:
    """Return whether a shell can set a variable of that name."""
    return name.isidentifier() and name.isascii()


def _home(root: Path) -> dict[str, str]:
    """Return what makes Metaflow importable: what the code package brought, and nothing of the container."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    brought = [one for one in entries if one and root in (Path(one), *Path(one).parents)]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(brought))}


def _name(task: RemoteTask) -> str:
    """Return the name of an environment that is looked up now, ``@{NAME}`` being what it is in this task."""
    flow, run_id, step, task_id = os.environ["MF_PATHSPEC"].split("/")
    import metaflow  # noqa: F401 (first: it loads our other modules itself)
    from metaflow_extensions.conjoin.plugins.environment.run.fetch_at_exec import task_names
    from metaflow_extensions.conjoin.plugins.environment.run.resolve import substituted

    told: dict[str, Any] = {
        "fetch": task.environment,
        "flow": flow,
        "run_id": run_id,
        "step": step,
        "task_id": task_id,
        "datastore": os.environ["MF_DATASTORE"],
        "datastore_root": task.datastore_root or None,
    }
    name = substituted(task.environment, {**_started_with(), **task_names(told)})
    if name.startswith("step:"):
        from metaflow_extensions.conjoin.plugins.environment.run.past_tasks import reference

        return reference(name.partition(":")[2])
    return name


def _started_with() -> dict[str, str]:
    """Return ``METAFLOW_INIT_<NAME>`` of the parameters of a run that has not kept them yet.

    So it is in the first step on Step Functions and on Airflow.
    """
    found: dict[str, str] = {}
    for variable in ("METAFLOW_DEFAULT_PARAMETERS", "METAFLOW_PARAMETERS"):
        try:
            told = dict(json.loads(os.environ.get(variable) or "{}"))
        except (ValueError, TypeError, RecursionError):
            continue  # of somebody else's, who says what is wrong with it
        found.update({"METAFLOW_INIT_" + name.upper().replace("-", "_"): str(told[name]) for name in told})
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
