"""Commands on a datastore in S3: what one machine resolves, names and keeps there, another one has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flow_runs import Flows, Ran
from object_stores import S3

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """A new bucket: the variables that flows and commands find it by."""
    server = S3()
    server.start()
    root = f"s3://{server.new_bucket()}/flows"
    yield {
        **server.environment(),
        "METAFLOW_DATASTORE_SYSROOT_S3": root,
        "METAFLOW_S3_ENDPOINT_URL": server.url,
        "METAFLOW_DEFAULT_DATASTORE": "s3",
    }
    server.stop()


def machine(flows: Flows, folder: Path, bucket: dict[str, str]) -> Flows:
    """Return another home that shares nothing but the bucket."""
    made = Flows(folder, flows.server)
    made.variables.update(bucket)
    (folder / "environment.yml").write_text("dependencies: [tinylib==1.0]\n", encoding="utf-8")
    return made


def environment(where: Flows, *arguments: str) -> Ran:
    return where.call(sys.executable, "-m", "metaflow.cmd.main_cli", "environment", "--quiet", *arguments)


def result(where: Flows, *arguments: str) -> str:
    ran = environment(where, *arguments)
    assert (ran.code, ran.stderr) == (0, ""), ran.said
    return ran.stdout.splitlines()[-1]


def show(where: Flows, *arguments: str) -> Any:
    ran = where.run("small.py", "environment", "show", "start", "--output", "-", *arguments)
    assert ran.code == 0, ran.said
    return json.loads(ran.stdout)["start"]


def test_what_one_resolves_another_has(flows: Flows, bucket: dict[str, str], tmp_path: Path) -> None:
    mine = machine(flows, tmp_path / "mine", bucket)
    ran = mine.run("small.py", "environment", "resolve", "--output", "-", "--alias", "small/start:v1")
    assert ran.code == 0, ran.said
    [found] = json.loads(ran.stdout)["start"].values()
    name = "{req_id}:{full_id}".format(**found)
    assert found["newly_resolved"]
    assert show(mine)["state"] == ["resolved", "in the datastore's store"]
    again = result(mine, "resolve", "-f", "environment.yml", "--alias", "small/start:v1")
    assert again.startswith(name), "a file and a decorator that ask for the same"

    yours = machine(flows, tmp_path / "yours", bucket)
    yours.variables["METAFLOW_USER"] = yours.variables["USER"] = "somebody"
    flows.server.forget()
    assert environment(yours, "show", "--local-only", "small/start:v1").code == 6
    assert show(yours)["state"] == ["unresolved"], "what others resolved does not count unless it is asked to"
    yours.variables["METAFLOW_CONDA_USE_REMOTE_LATEST"] = ":any:"
    assert show(yours, "--local-only")["state"] == ["unresolved"]
    assert show(yours)["state"] == ["resolved", "in the datastore's store"]
    assert result(yours, "resolve", "-f", "environment.yml").startswith(name)
    python = result(yours, "create", "small/start:v1")
    assert flows.server.requests == [], "neither the channel nor the index was asked"
    assert subprocess.run([python, "-c", "import tinylib, boto3"], check=False).returncode == 0
    assert show(yours)["state"] == ["resolved", "in the datastore's store", "hydrated here"]

    assert result(yours, "get", "small/start:v1").startswith(name)
    assert result(yours, "show", "--local-only", "small/start:v1").startswith(name)
    taken = environment(yours, "resolve", "-r", "/dev/null", "--python", "3", "--alias", "small/start:v1")
    assert taken.code == 7, taken.said
    assert "small/start:v1 is written once" in taken.stderr
