"""Hydrating beside the scheduler: processes that are killed, packages that vanish, tasks that wait."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("metaflow")
import metaflow  # noqa: F401 (before its extensions)
from conjoin.lock.model import Lock
from conjoin.spec.platform import host_platform
from conjoin.store.store import Store
from loopback import LoopbackServer
from metaflow_extensions.conjoin.plugins.environment.request.ask import Ask
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest
from metaflow_extensions.conjoin.plugins.environment.run.background_hydration import Hydrations, Plan, program
from metaflow_extensions.conjoin.plugins.environment.run.resolve import StepEnvironment
from metaflow_extensions.conjoin.plugins.environment.run.task_prefix import NO_ENVIRONMENT

SHOW = "import os, sys; print(sys.prefix, os.environ['_METAFLOW_CONDA_ENV'])"


@pytest.fixture
def lock(channel_server: LoopbackServer) -> Lock:
    from conjoin import Requirements, resolve

    python = ".".join(map(str, sys.version_info[:2]))
    return resolve(Requirements.build(conda=["tinylib=1"], python=python, channels=[channel_server.url]))


@pytest.fixture
def hydrations() -> Iterator[Hydrations]:
    made = Hydrations(Store(), "local")
    yield made
    made.end()


def begun(hydrations: Hydrations, lock: Lock) -> tuple[Plan, subprocess.Popen[Any] | None]:
    environment = StepEnvironment(StepRequest("s", Ask(), "local"), lock, host_platform())
    plan = hydrations.begin(environment)
    return plan, next(iter(hydrations._running), None)


def launched(plan: Plan, *, attempt: int = 0, fallback: bool = False, log: str | None = None) -> Any:
    task = {
        "id": plan.id,
        "prefix": plan.prefix,
        "plan": plan.file,
        "log": plan.log if log is None else log,
        "home": {"PYTHONPATH": ""},
        "attempt": attempt,
        "fallback": fallback,
    }
    return subprocess.run(
        [sys.executable, program("launch"), json.dumps(task), "-c", SHOW],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_a_task_waits_and_runs_in_the_environment(
    hydrations: Hydrations, lock: Lock, channel_server: LoopbackServer
) -> None:
    channel_server.delay("*/tinylib-*", 1)
    plan, process = begun(hydrations, lock)
    assert process is not None
    assert process.poll() is None, "the scheduler waited"
    assert begun(hydrations, lock)[0] is plan
    assert len(hydrations._running) == 1
    done = launched(plan)
    assert (done.returncode, done.stdout) == (0, f"{plan.prefix} {plan.id}\n"), done.stderr
    assert not begun(Hydrations(Store(), "local"), lock)[1]


def test_a_process_that_is_killed_is_made_up_for(
    hydrations: Hydrations, lock: Lock, channel_server: LoopbackServer
) -> None:
    channel_server.delay("*/tinylib-*", 5, times=1)
    plan, process = begun(hydrations, lock)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = launched(plan)
    assert (done.returncode, done.stdout) == (0, f"{plan.prefix} {plan.id}\n"), done.stderr


def test_what_went_wrong_is_one_line_and_a_retry_tries_again(
    hydrations: Hydrations, lock: Lock, channel_server: LoopbackServer
) -> None:
    channel_server.replace("*/tinylib-*", b"something else")
    plan, _ = begun(hydrations, lock)
    failed = launched(plan)
    assert (failed.returncode, failed.stdout) == (1, "")
    [line] = failed.stderr.splitlines()
    assert line.startswith("conjoin: the environment of this step cannot be made: ")
    assert "tinylib-1.0" in line
    # @catch takes over, in any Python.
    caught = launched(plan, fallback=True)
    assert (caught.returncode, caught.stdout.split()[1]) == (0, NO_ENVIRONMENT)
    assert Path(caught.stdout.split()[0]) == Path(sys.prefix)
    assert "running without its environment" in caught.stderr
    channel_server.heal()
    again = launched(plan, attempt=1)
    assert (again.returncode, again.stdout) == (0, f"{plan.prefix} {plan.id}\n"), again.stderr


def test_plans_are_the_user_s_alone_and_go_away(hydrations: Hydrations, lock: Lock) -> None:
    plan, _ = begun(hydrations, lock)
    folder = Path(hydrations.folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert Path(plan.file).parent == folder
    hydrations.end()
    assert not folder.exists()
    assert hydrations._running == []


def test_a_launcher_that_is_gone_leaves_tasks_that_hydrate_themselves(
    hydrations: Hydrations, lock: Lock
) -> None:
    plan, process = begun(hydrations, lock)
    assert process is not None
    process.kill()
    process.wait()
    shutil.rmtree(plan.prefix, ignore_errors=True)
    done = launched(plan, log=f"{plan.log}.none")
    assert (done.returncode, done.stdout) == (0, f"{plan.prefix} {plan.id}\n"), done.stderr
