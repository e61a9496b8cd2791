"""Becomes a task: waits in the task's own process until its environment is here, then runs its Python.

``python launch.py TASK ARGUMENTS...``: TASK is JSON (of :mod:`..task_decorator`), ARGUMENTS are the task's.
While it waits, the scheduler goes on; what it says goes to the task's log.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

PATIENCE = 3.0
"""Seconds that a task waits before it says what for."""

HYDRATE = str(Path(__file__).absolute().with_name("hydrate.py"))


def launch(task: dict[str, Any], arguments: list[str]) -> NoReturn:
    """Run the task in its environment, or say why not and exit with 1."""
    from metaflow_extensions.conjoin.plugins.environment.run import task_prefix

    problem = ""
    if "fetch" in task:
        from metaflow_extensions.conjoin.plugins.environment.run.fetch_at_exec import fetched

        task, problem = fetched(task)
    if not problem:
        problem = wait(task)
    if problem:
        if not task["fallback"]:
            say(f"the environment of this step cannot be made: {problem}")
            sys.exit(1)
        # Metaflow's own code for a task that failed for good (@catch): any Python will do.
        say(f"running without its environment, which cannot be made: {problem}")
        os.environ[task_prefix.ENVIRONMENT_VARIABLE] = task_prefix.NO_ENVIRONMENT
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 (there is no shell, on purpose)
    prefix = task["prefix"]
    os.environ.update(task_prefix.task_variables(prefix, task["id"], task["home"]))
    variables: dict[str, str] = dict(os.environ)
    if task_prefix.needs_activation(prefix):
        variables = activated(prefix, variables)
    python = task_prefix.python_of(prefix)
    os.execve(python, [python, *arguments], variables)  # noqa: S606


def wait(task: dict[str, Any]) -> str:
    """Wait until the environment is here; return why it is not, empty if it is."""
    from metaflow_extensions.conjoin.plugins.environment.run.task_prefix import is_complete

    if is_complete(task["prefix"], task["id"]):
        return ""
    said = background(task["log"]) if task.get("log") else ""
    if is_complete(task["prefix"], task["id"]):
        return ""
    if said and task["attempt"] == 0:
        return said
    # A retry tries again: whatever was in the way may be gone.
    done = subprocess.run([sys.executable, HYDRATE, task["plan"]], stderr=subprocess.PIPE, check=False)
    if is_complete(task["prefix"], task["id"]):
        return ""
    return last_line(done.stderr) or f"hydrating ended with code {done.returncode}"


def background(log: str) -> str:
    """Wait until the process that hydrates in the background has ended, and return its last words."""
    try:
        with Path(log).open("rb") as file:
            patience = threading.Timer(PATIENCE, say, ["the environment of this step is being made"])
            patience.start()
            try:
                fcntl.flock(file, fcntl.LOCK_SH)
            finally:
                patience.cancel()
            return last_line(file.read())
    except OSError:
        return ""


def last_line(output: bytes) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def activated(prefix: str, variables: dict[str, str]) -> dict[str, str]:
    """Return the variables after the prefix's activation scripts ran."""
    from conjoin.errors import ConjoinError
    from conjoin.prefix.activation import environment_variables

    try:
        return environment_variables(Path(prefix), variables)
    except ConjoinError as error:
        say(str(error))
        sys.exit(1)


def say(text: str) -> None:
    """Say something in the task's log."""
    print("conjoin: " + text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # The folder of this file is no place to import from.
    del sys.path[0]
    launch(json.loads(sys.argv[1]), sys.argv[2:])
