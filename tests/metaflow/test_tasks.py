"""How tasks are put into environments: what changes on their command line and in their variables."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("metaflow")
import metaflow  # noqa: F401 (before its extensions)
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.request.ask import Ask
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest
from metaflow_extensions.conjoin.plugins.environment.run import task_prefix
from metaflow_extensions.conjoin.plugins.environment.run.task_decorator import EnvironmentInternalDecorator

IDS = f"{'1' * 40}:{'2' * 40}"
PINNED = f"{IDS}@sha256:{'3' * 64}"


class Hydrations:
    """Makes nothing; says where it would."""

    folder = "folder"
    offline = False

    def __init__(self, prefix: Path) -> None:
        self.prefix = str(prefix)
        self.begun: list[Any] = []

    def begin(self, environment: Any) -> Any:
        self.begun.append(environment)
        return SimpleNamespace(
            id=IDS,
            prefix=self.prefix,
            file="plan",
            log="log",
            is_done=lambda: task_prefix.is_complete(self.prefix, IDS),
        )


def complete(prefix: Path) -> None:
    (prefix / "conda-meta").mkdir(parents=True)
    req_id, full_id = IDS.split(":")
    marker = {"req_id": req_id, "full_id": full_id, "platform": "linux-64", "complete": True, "schema": 1}
    (prefix / "conda-meta/conjoin").write_text(json.dumps(marker))


def decorator(prefix: Path, request: StepRequest, *, here: bool = True) -> EnvironmentInternalDecorator:
    made = EnvironmentInternalDecorator()
    environment = SimpleNamespace(id=IDS, pinned=PINNED, python="3.11", platform="linux-64")
    made._environment = SimpleNamespace(
        TYPE="conda",
        datastore_type="local",
        environments={} if request.fetched_at_exec or not request.enabled else {"train": environment},
        request_of=lambda step: request,
        hydrations=Hydrations(prefix),
        is_for_this_machine=lambda one: here,
        code_variables=lambda python: {"PYTHONPATH": f"home-{python}"},
        toolkit=("4" * 64, "5" * 64),
    )
    made._step, made._flow = "train", SimpleNamespace(name="Flow")
    made._datastore = SimpleNamespace(datastore_root="root")
    return made


def cli(commands: list[str] | None = None) -> Any:
    return SimpleNamespace(
        commands=commands or ["step"],
        entrypoint=[sys.executable, "-u", "flow.py"],
        env={},
        command_options={"run-id": "7", "task-id": 3},
    )


def test_a_complete_prefix_costs_nothing(tmp_path: Path) -> None:
    complete(tmp_path)
    arguments = cli()
    decorator(tmp_path, StepRequest("train", Ask(), "local")).runtime_step_cli(arguments, 0, 0, None)
    assert arguments.entrypoint == [f"{tmp_path}/bin/python", "-u", "flow.py"]
    assert arguments.env["_METAFLOW_CONDA_ENV"] == IDS
    assert arguments.env["PYTHONPATH"] == "home-3.11"
    assert arguments.env["PATH"].split(os.pathsep)[0] == f"{tmp_path}/bin"
    assert arguments.env["PYTHONHOME"] == ""


def test_an_incomplete_one_is_waited_for_in_the_task(tmp_path: Path) -> None:
    arguments = cli()
    decorator(tmp_path, StepRequest("train", Ask(), "local")).runtime_step_cli(arguments, 1, 2, None)
    python, program, task, *rest = arguments.entrypoint
    assert (python, rest, arguments.env) == (sys.executable, ["-u", "flow.py"], {})
    assert Path(program).name == "launch.py"
    assert Path(program).is_file()
    assert json.loads(task) == {
        "home": {"PYTHONPATH": "home-3.11"},
        "fallback": False,
        "attempt": 1,
        "id": IDS,
        "prefix": str(tmp_path),
        "plan": "plan",
        "log": "log",
    }


def test_a_disabled_step_is_told_so(tmp_path: Path) -> None:
    arguments = cli()
    request = StepRequest("train", Ask(disabled=True), "local")
    decorator(tmp_path, request).runtime_step_cli(arguments, 0, 0, None)
    assert arguments.entrypoint[0] == sys.executable
    assert arguments.env == {"_METAFLOW_CONDA_ENV": "none"}


def test_a_step_that_is_sent_elsewhere_keeps_its_trampoline(tmp_path: Path) -> None:
    arguments = cli(["kubernetes", "step"])
    request = StepRequest("train", Ask(), "s3", remote_platform="linux-64")
    made = decorator(tmp_path, request)
    made.runtime_step_cli(arguments, 0, 0, None)
    assert arguments.entrypoint == [sys.executable, "-u", "flow.py"]
    assert arguments.env == {
        "_METAFLOW_CONDA_ENV": PINNED,
        "_METAFLOW_CONDA_TOOLKIT": f"{'4' * 64},{'5' * 64}",
    }
    assert made._environment.hydrations.begun == []


@pytest.mark.parametrize("here", [True, False])
def test_the_fallback_of_a_remote_step_runs_here(tmp_path: Path, here: bool) -> None:
    """Metaflow runs @catch on this machine, where the environment may not even be possible."""
    arguments = cli()
    request = StepRequest("train", Ask(), "s3", remote_platform="linux-64")
    decorator(tmp_path, request, here=here).runtime_step_cli(arguments, 2, 1, None)
    if here:
        assert json.loads(arguments.entrypoint[2])["fallback"] is True
    else:
        assert arguments.entrypoint[0] == sys.executable
        assert arguments.env == {"_METAFLOW_CONDA_ENV": "none"}


def test_what_is_fetched_when_the_task_starts(tmp_path: Path) -> None:
    arguments = cli()
    request = StepRequest("train", Ask(named="a/@{METAFLOW_RUN_ID}", fetch_at_exec=True), "local")
    decorator(tmp_path, request).runtime_step_cli(arguments, 0, 0, None)
    task = json.loads(arguments.entrypoint[2])
    assert (task["fetch"], task["run_id"], task["task_id"]) == ("a/@{METAFLOW_RUN_ID}", "7", "3")
    assert (task["flow"], task["step"], task["datastore"]) == ("Flow", "train", "local")


def pre_step(monkeypatch: pytest.MonkeyPatch, prefix: Path, expected: str | None) -> list[Any]:
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.delenv("_METAFLOW_CONDA_ENV", raising=False)
    if expected is not None:
        monkeypatch.setenv("_METAFLOW_CONDA_ENV", expected)
    noted: list[Any] = []
    metadata = SimpleNamespace(register_metadata=lambda run, step, task, data: noted.extend(data))
    made = decorator(prefix, StepRequest("train", Ask(), "local"))
    made.task_pre_step("train", None, metadata, "7", "3", None, None, 0, 0, None, None)
    return noted


def test_the_right_environment_is_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    complete(tmp_path)
    [datum] = pre_step(monkeypatch, tmp_path, IDS)
    assert datum.field == "conda_env_id"
    assert json.loads(datum.value) == [*IDS.split(":"), "linux-64"]


def test_a_step_without_one_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert pre_step(monkeypatch, tmp_path, "none") == []


@pytest.mark.parametrize("expected", [None, "", f"{'3' * 40}:{'4' * 40}"])
def test_any_other_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expected: str | None
) -> None:
    complete(tmp_path)
    with pytest.raises(EnvironmentProblem, match=r"step train runs with .*, which holds environment 1{40}"):
        pre_step(monkeypatch, tmp_path, expected)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"complete": false}', '{"complete": true}', "\udcff", "null"]
)
def test_a_marker_that_is_damaged_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/conjoin").write_bytes(text.encode(errors="surrogateescape"))
    assert task_prefix.prefix_id(str(tmp_path)) is None
