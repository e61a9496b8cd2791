"""``@named_env`` in flows: as it is, extended, of a past step, and fetched when a task starts."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from flow_runs import Flows, Ran

pytestmark = pytest.mark.slow

PYTHON = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture(scope="module")
def past(flows: Flows, sides: tuple[Ran, dict[str, Any]]) -> tuple[Ran, dict[str, Any]]:
    """A run whose steps' environments others refer to; and the alias ``team/base:v1``."""
    wanted = ["--conda", "tinylib==1.0", "--conda", "requests", "--conda", "boto3", "--python", PYTHON]
    channel = ["-c", flows.variables["METAFLOW_CONDA_CHANNELS"]]
    # What extends an environment asks the indexes that it was resolved with.
    channel += ["--index-url", flows.variables["METAFLOW_CONDA_DEFAULT_PYPI_SOURCE"]]
    made = flows.call(
        sys.executable, "-m", "conjoin", "resolve", "--alias", "team/base:v1", *wanted, *channel
    )
    assert made.code == 0, made.said
    return sides


@pytest.fixture(scope="module")
def named(flows: Flows, past: tuple[Ran, dict[str, Any]]) -> tuple[Ran, dict[str, Any]]:
    ran = flows.run(
        "named.py", "run", "--kind", "odd", variables={"TEAM": "team", "SIDES_RUN": past[0].run_id}
    )
    assert ran.code == 0, ran.said
    return ran, flows.task("NamedFlow", ran)


def ids(task: dict[str, Any]) -> list[str]:
    found: list[str] = json.loads(task["metadata"]["conda_env_id"])
    return found[:2]


def got(flows: Flows, name: str) -> list[str]:
    shown = flows.call(sys.executable, "-m", "conjoin", "get", name, "--json")
    assert shown.code == 0, shown.said
    document = json.loads(shown.stdout)
    return [document["req_id"], document["full_id"]]


def test_a_named_environment_alone_is_that_very_one(flows: Flows, named: tuple[Ran, dict[str, Any]]) -> None:
    _, tasks = named
    assert ids(tasks["alone"]) == ids(tasks["substituted"]) == got(flows, "team/base:v1")


def test_an_extended_one_keeps_what_was_there_and_adds_what_is_asked(
    named: tuple[Ran, dict[str, Any]],
) -> None:
    _, tasks = named
    base, more = (tasks[step]["seen"]["versions"] for step in ("alone", "extended"))
    assert more == {**base, "pypionly": "3.1"}


def test_the_environment_of_a_past_step(
    past: tuple[Ran, dict[str, Any]], named: tuple[Ran, dict[str, Any]]
) -> None:
    assert ids(named[1]["past"]) == ids(past[1]["newer"])


def test_environments_that_an_earlier_step_made(flows: Flows, named: tuple[Ran, dict[str, Any]]) -> None:
    ran, tasks = named
    assert ids(tasks["fetched"]) == got(flows, f"built/{ran.run_id}:v1")
    assert ids(tasks["chosen"]) == got(flows, "kinds/odd")
    assert tasks["fetched"]["seen"]["versions"]["tinylib"] == "2.0"


def test_what_is_missing_is_told_in_a_line_each(flows: Flows) -> None:
    ran = flows.run("named.py", variables={"SIDES_RUN": "1"})
    assert ran.code != 0
    assert "Traceback" not in ran.said
    told = [line.strip() for line in ran.stderr.splitlines() if line.strip().startswith("step ")]
    assert told == [
        "step past: there is no step SidesFlow/1/newer (Step('SidesFlow/1/newer') does not exist)",
        "step substituted: the environment @{TEAM}/base:v1 needs TEAM, which is not set",
    ]
