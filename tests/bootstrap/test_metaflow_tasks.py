"""What Metaflow is given for a task elsewhere, run as it stands, out of every kind of object store."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("metaflow")

from azurite_server import Azurite, azurite_missing
from conjoin.lock.identity import lock_digest
from conjoin.store.store import Store
from containers import Container
from gcs_server import FakeGCS, gcs_missing
from hydrating import BASE, conda_packages, lock_of, locked_wheel
from metaflow_extensions.conjoin.plugins.environment.conda_environment import CondaEnvironment
from metaflow_extensions.conjoin.plugins.environment.remote.send import packaged, send
from metaflow_extensions.conjoin.plugins.environment.request.ask import Ask
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest
from metaflow_extensions.conjoin.plugins.environment.run.resolve import StepEnvironment
from networks import Network, no_networks
from object_stores import S3, ObjectServer
from worlds import make_wheel

GIVEN = ["PATH", "HOME", "PYTHONDONTWRITEBYTECODE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"]
"""What a pod has beside what the cluster gives it."""


class Kind:
    """A kind of datastore.

    :ivar told: variables of the containers: credentials, and what Metaflow tells them.
    """

    server: type[ObjectServer]

    @staticmethod
    def missing() -> str | None:
        return None

    def root(self, bucket: str) -> str:
        """Return what ``METAFLOW_CONDA_<KIND>ROOT`` is set to."""
        raise NotImplementedError

    def told(self, server: ObjectServer) -> Mapping[str, str]:
        raise NotImplementedError


class OnS3(Kind):
    server = S3

    def root(self, bucket: str) -> str:
        return f"s3://{bucket}/flows/conda_env"

    def told(self, server: ObjectServer) -> Mapping[str, str]:
        given = server.environment()
        del given["AWS_ENDPOINT_URL"]
        return {**given, "METAFLOW_S3_ENDPOINT_URL": server.url}


class OnAzure(Kind):
    server = Azurite
    missing = staticmethod(azurite_missing)

    def root(self, bucket: str) -> str:
        return f"{bucket}/flows/conda_env"  # as Metaflow writes Azure's

    def told(self, server: ObjectServer) -> Mapping[str, str]:
        given = server.environment()
        return {**given, "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT": given.pop("AZURE_STORAGE_ENDPOINT")}


class OnGoogle(Kind):
    server = FakeGCS
    missing = staticmethod(gcs_missing)

    def root(self, bucket: str) -> str:
        return f"gs://{bucket}/flows/conda_env"

    def told(self, server: ObjectServer) -> Mapping[str, str]:
        return {"STORAGE_EMULATOR_HOST": server.environment()["STORAGE_EMULATOR_HOST"]}


KINDS = {"s3": OnS3(), "azure": OnAzure(), "gs": OnGoogle()}


@pytest.fixture(params=KINDS)
def datastore(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def server(datastore: str) -> Iterator[ObjectServer]:
    kind = KINDS[datastore]
    if reason := kind.missing():
        pytest.skip(reason)
    made = kind.server().start()
    yield made
    made.stop()


@pytest.fixture
def network(server: ObjectServer) -> Iterator[Network | None]:
    if no_networks():
        yield None
        return
    made = Network()
    server.enter(made)
    yield made
    made.close()


def unpacked(environments: list[StepEnvironment], folder: Path) -> Path:
    """Unpack what a code package has of ours; Metaflow itself comes in when a name is looked up."""
    folders = {"CODE_CONTENT": ".mf_code", "OTHER_CONTENT": ".mf_meta"}
    for path, name, kind in packaged(environments):
        target = folder / folders[kind.name] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    import metaflow_extensions.conjoin as ours

    [extension] = ours.__path__
    shutil.copytree(extension, folder / ".mf_code/metaflow_extensions/conjoin")
    return folder


def test_a_task_makes_its_environment(
    datastore: str,
    server: ObjectServer,
    network: Network | None,
    configured_wheels: Path,
    forged_channel: Path,
    python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from metaflow import metaflow_config

    kind = KINDS[datastore]
    for variable, value in server.environment().items():
        monkeypatch.setenv(variable, value)
    bucket = server.new_bucket()
    monkeypatch.setattr(metaflow_config, f"CONDA_{datastore.upper()}ROOT", kind.root(bucket))
    wheel = make_wheel(tmp_path, "shelf", "1.0", entry_points={"shelf": "shelf:main"})
    lock = lock_of([*conda_packages(forged_channel, names=BASE), locked_wheel(wheel)])
    request = StepRequest("train", Ask(pypi={"shelf": ""}), datastore, "linux-64")
    environment = StepEnvironment(request, lock, "linux-64")
    place = f"{server.scheme}://{bucket}/flows/conda_env"
    said: list[str] = []
    trusted = send([request], {"train": environment}, store=Store(place), say=said.append)
    assert said == [
        f"Cached the environment of train: {len(lock.platforms['linux-64'].packages)} packages, "
        f"{sum(each.size for each in lock.platforms['linux-64'].packages) / 1e6:.1f} MB"
    ]

    flow = CondaEnvironment(SimpleNamespace(name="Flow"))
    flow.request_of = {"train": request}.__getitem__  # type: ignore[method-assign]
    flow.environments = {"train": environment}
    flow.toolkit = trusted
    [command] = flow.bootstrap_commands("train", datastore)
    words = command.split()
    assert words[3:6] == [place, "linux-64", f"{environment.id}@sha256:{lock_digest(lock)}"]
    assert words[6::2] == ["--toolkit-sha256"] * len(trusted)
    assert words[7::2] == list(trusted) != []

    node = Container(tmp_path / "pod", python, tmp_path, kind.told(server), network)
    there = unpacked([environment], node.folder)
    look = "import json, os, sys; print(json.dumps([sys.prefix, os.environ['_METAFLOW_CONDA_ENV']]))"
    given = {name: value for name, value in node.environment().items() if name in {*GIVEN, *node.variables}}
    given.update(
        PATH=f"{python.parent}:/usr/bin:/bin",
        PYTHONPATH=str(there / ".mf_code"),
        METAFLOW_EXTRACTED_ROOT=str(there),
    )

    def run() -> Any:
        script = f"{command} && ./__conda_python -c {json.dumps(look)} && .conjoin/env/bin/shelf"
        words = ["bash", "-c", script]
        return subprocess.run(
            network.inside(words) if network else words,
            cwd=there,
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )

    server.forget()
    server.fail("*/packages/*", 403, None)
    done = run()
    assert done.returncode == 4
    [line] = done.stderr.splitlines()
    assert line.startswith("conjoin: the environment of this step cannot be made: " + place)
    assert "refuses these credentials" in line
    assert not any(secret in line for secret in server.secrets)
    server.heal()
    server.forget()
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    seen, shelf = done.stdout.splitlines()
    assert json.loads(seen) == [f"{there}/.conjoin/env", environment.id]
    assert shelf == "shelf 1.0"
    assert {method for method, _ in server.requests} == {"GET"}
    packages = sum("/packages/" in path for _, path in server.requests)
    assert packages <= len(lock.platforms["linux-64"].packages)
    assert len(server.requests) - packages <= 4  # the toolkit, and what it consists of; the lock came along
