"""What is written for a task that is sent elsewhere, and what it makes of that; without sending any."""

from __future__ import annotations

import json
import os
import shlex
import string
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("metaflow")
from fuzzing import examples
from metaflow_extensions.conjoin.config.public_settings import without_credentials
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.conda_environment import CondaEnvironment
from metaflow_extensions.conjoin.plugins.environment.remote import bootstrap
from metaflow_extensions.conjoin.plugins.environment.remote.bootstrap_command import RemoteTask
from metaflow_extensions.conjoin.plugins.environment.request.ask import Ask
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest

IDS = f"{'a' * 40}:{'b' * 40}"
STORE = "s3://bucket/flows/conda_env"

REQUESTS = {
    "train": StepRequest("train", Ask(conda={"tinylib": ""}), "s3", "linux-64"),
    "arm": StepRequest("arm", Ask(), "s3", "linux-aarch64"),
    "off": StepRequest("off", Ask(disabled=True), "s3", "linux-64"),
    "late": StepRequest("late", Ask(named="x/@{METAFLOW_RUN_ID}:v1", fetch_at_exec=True), "s3", "linux-64"),
    "odd": StepRequest("odd", Ask(named="x;y", fetch_at_exec=True), "s3", "linux-64"),
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> CondaEnvironment:
    """As it is in a process between the run and its tasks: nothing was resolved there."""
    from metaflow import metaflow_config

    monkeypatch.setattr(metaflow_config, "CONDA_S3ROOT", STORE)
    monkeypatch.setenv("_METAFLOW_CONDA_ENV", IDS)
    made = CondaEnvironment(SimpleNamespace(name="Flow"))
    made._requests = dict(REQUESTS)
    made.request_of = REQUESTS.__getitem__  # type: ignore[method-assign]
    made.datastore_root = "s3://bucket/flows"
    return made


def shown(environment: CondaEnvironment, step: str) -> tuple[list[str], str]:
    return environment.bootstrap_commands(step, "s3"), environment.executable(step)


def test_one_command_and_one_executable(environment: CondaEnvironment) -> None:
    program = "python -m metaflow_extensions.conjoin.plugins.environment.remote.bootstrap"
    assert shown(environment, "train") == ([f"{program} {STORE} linux-64 {IDS}"], "./__conda_python")
    assert shown(environment, "arm") == ([f"{program} {STORE} linux-aarch64 {IDS}"], "./__conda_python")
    assert shown(environment, "late") == (
        [f"{program} {STORE} linux-64 'x/@{{METAFLOW_RUN_ID}}:v1' --fetch s3://bucket/flows"],
        "./__conda_python",
    )


@pytest.mark.parametrize("step", ["off", "_parameters"])
def test_what_has_no_environment_runs_as_metaflow_runs_it(step: str, environment: CondaEnvironment) -> None:
    assert shown(environment, step) == ([], "python")


def test_who_deploys_has_resolved(environment: CondaEnvironment) -> None:
    other = IDS.replace("a", "c")
    environment.environments["train"] = SimpleNamespace(pinned=other)
    assert shown(environment, "train")[0][0].endswith(f" {other}")


def test_what_cannot_be_sent(environment: CondaEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentProblem, match="step odd: x;y cannot stand on the command line"):
        environment.bootstrap_commands("odd", "s3")
    for nothing in ("", "none"):
        monkeypatch.setenv("_METAFLOW_CONDA_ENV", nothing)
        with pytest.raises(EnvironmentProblem, match="nobody says which environment step train has"):
            environment.bootstrap_commands("train", "s3")
    with pytest.raises(EnvironmentProblem, match="step train cannot be sent elsewhere"):
        environment.bootstrap_commands("train", "nowhere")


variables = st.text(string.ascii_uppercase + "_", min_size=1, max_size=8).map("@{{{}}}".format)
plain_parts = st.text(string.ascii_letters + string.digits + "_./:=+~-", min_size=1, max_size=12)
words = st.lists(plain_parts | variables, min_size=1, max_size=4).map("".join)


digests = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=2).map(tuple)


@given(words, words, words, st.booleans(), digests)
def test_a_command_comes_out_as_it_went_in(
    store: str, platform: str, name: str, fetched: bool, toolkit: tuple[str, ...]
) -> None:
    """Through Metaflow's own quoting, and a shell's."""
    task = RemoteTask(store, platform, name, fetched, "s3://b/r" if fetched else "", toolkit)
    [_, _, script] = shlex.split(f'bash -c "true && {task.command} && true"')
    _, command, _ = script.split(" && ")
    python, option, _, *rest = shlex.split(command)
    assert (python, option) == ("python", "-m")
    assert RemoteTask.read(rest) == task


@given(st.text(min_size=1, max_size=20))
def test_nothing_dangerous_gets_on_a_command_line(name: str) -> None:
    try:
        command = RemoteTask(STORE, "linux-64", name).command
    except ValueError:
        return
    assert not set(command) & set('"$`\\;&|<>()*?!#\n\t,')
    assert "{{" not in command
    assert "{%" not in command


plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@settings(max_examples=examples(20))
@given(st.dictionaries(st.from_regex(r"X[A-Z0-9_]{0,8}", fullmatch=True), plain, max_size=5), plain)
def test_the_launcher_sets_what_differs_and_nothing_else(variables: dict[str, str], kept: str) -> None:
    now = {"KEPT": "old", "GONE": "x", "SECRET": "s3cret", "PATH": os.defpath}
    with tempfile.TemporaryDirectory() as folder:
        launcher = Path(folder, "python")
        wanted = {**now, **variables}
        del wanted["GONE"]
        bootstrap.write_launcher(launcher, sys.executable, wanted, now)
        assert "s3cret" not in launcher.read_text("utf-8", "surrogateescape")
        program = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"
        done = subprocess.run(
            [launcher, "-X", "utf8", "-c", program, "a b", kept],
            env={**now, "KEPT": "new"},
            capture_output=True,
            check=True,
        )
    found, arguments = json.loads(done.stdout)
    assert {name: found.get(name) for name in variables} == variables
    assert (found["KEPT"], found["SECRET"], "GONE" in found) == ("new", "s3cret", False)
    assert arguments == ["a b", kept]


@pytest.mark.parametrize(
    ("given_", "handed_on"),
    [
        ("https://user:pa%20ss@index.example/simple", "https://index.example/simple"),
        ("https://c.example/t/tk-1/team https://u@d.example", "https://c.example/team https://d.example"),
        ("conda-forge", "conda-forge"),
    ],
)
def test_settings_are_handed_on_without_credentials(given_: str, handed_on: str) -> None:
    assert without_credentials(given_) == handed_on


def test_metaflow_hands_on_no_credentials() -> None:
    """Whatever Metaflow forwards to a container, it takes from here."""
    secret = "https://user:s3cret@index.example/simple"
    names = ["CHANNELS", "DEFAULT_PYPI_SOURCE", "EXTRA_PYPI_SOURCES", "FIND_LINKS", "MAPPING"]
    program = (
        "import metaflow, json\n"
        "from metaflow.metaflow_config_funcs import config_values\n"
        "from metaflow import metaflow_config as own\n"
        f"print(json.dumps([dict(config_values()), [getattr(own, 'CONDA_' + n) for n in {names!r}]]))"
    )
    variables = {"METAFLOW_CONDA_" + name: secret for name in names}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.defpath, "HOME": "/nowhere", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    forwarded, own = json.loads(done.stdout)
    assert own == [secret] * len(names)
    assert {name: forwarded[name] for name in variables} == dict.fromkeys(
        variables, "https://index.example/simple"
    )
    assert "s3cret" not in json.dumps(forwarded)


def fetched_name(monkeypatch: pytest.MonkeyPatch, name: str, **variables: str) -> Any:
    monkeypatch.setenv("MF_PATHSPEC", "TrainFlow/argo-train-7/fit/t-12")
    monkeypatch.setenv("MF_DATASTORE", "local")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    return bootstrap._name(RemoteTask(STORE, "linux-64", name, True, "/nowhere"))


def test_a_name_stands_for_the_task_it_is_looked_up_in(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "t/@{METAFLOW_FLOW_NAME}/@{METAFLOW_RUN_ID}/@{METAFLOW_RUN_ID_BASE}/@{METAFLOW_STEP_NAME}:@{TAG}"
    found = fetched_name(monkeypatch, name, TAG="v2", METAFLOW_RUN_ID="train-7")
    assert found == "t/TrainFlow/argo-train-7/train-7/fit:v2"
    assert fetched_name(monkeypatch, "x:@{METAFLOW_TASK_ID}") == "x:t-12"


def test_parameters_before_they_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the first step on Step Functions and Airflow, they are in a variable and nowhere else."""
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path))
    found = fetched_name(
        monkeypatch,
        "x/@{METAFLOW_INIT_KIND}:@{METAFLOW_INIT_MY_TAG}",
        METAFLOW_DEFAULT_PARAMETERS='{"kind": "slow", "my-tag": "v1"}',
        METAFLOW_PARAMETERS='{"kind": "fast"}',
    )
    assert found == "x/fast:v1"


def test_a_name_that_needs_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentProblem, match="needs NOBODY_SET_THIS, which is not set"):
        fetched_name(monkeypatch, "x/@{NOBODY_SET_THIS}")
