"""Which command deploys a workflow, and what the store calls it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("metaflow")
from metaflow._vendor import click

from conjoin.store.layout import deployment_key
from metaflow_extensions.conjoin.plugins.environment.remote.send import deployed_workflow

FLOW = SimpleNamespace(name="TrainFlow")
ARGO = SimpleNamespace(flow=FLOW, workflow_name="train.prod.trainflow")
STEPS = SimpleNamespace(flow=FLOW, state_machine_name="TrainFlow")
AIRFLOW = SimpleNamespace(flow=FLOW, dag_name="train.user.me@x.TrainFlow")


@pytest.mark.parametrize(
    ("words", "told", "expected"),
    [
        (["argo-workflows", "create"], ARGO, "argo-workflows/train.prod.trainflow"),
        (["step-functions", "create"], STEPS, "step-functions/TrainFlow"),
        (["airflow", "create"], AIRFLOW, "airflow/train.user.me@x.TrainFlow"),
        (["airflow", "create"], SimpleNamespace(flow=FLOW, dag_name="/a b"), "airflow/_a_b"),
        (["argo-workflows", "create"], SimpleNamespace(flow=FLOW), "argo-workflows/TrainFlow"),
        (["argo-workflows", "trigger"], ARGO, ""),
        (["run"], SimpleNamespace(flow=FLOW), ""),
        (["environment", "resolve"], SimpleNamespace(flow=FLOW), ""),
    ],
)
def test_what_is_deployed(words: list[str], told: SimpleNamespace, expected: str) -> None:
    context = click.Context(click.Command("flow.py"), info_name="flow.py", obj=told)
    for word in words:
        context = click.Context(click.Command(word), parent=context, info_name=word)
    with context:
        assert deployed_workflow() == expected
    if expected:
        assert deployment_key(expected).startswith("deployments/")


def test_outside_of_any_command() -> None:
    assert deployed_workflow() == ""
