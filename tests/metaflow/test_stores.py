"""Which store a flow's environments are kept in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("metaflow")
from metaflow import metaflow_config
from metaflow_extensions.conjoin.config.flow_store import (
    cloud_variables,
    endpoint_variables,
    open_store,
    store_address,
)
from metaflow_extensions.conjoin.errors import EnvironmentProblem

SETTINGS = ["S3_ENDPOINT_URL"] + [
    f"{name}{kind}{root}"
    for kind in ("S3", "AZURE", "GS", "LOCAL")
    for name, root in (("CONDA_", "ROOT"), ("DATASTORE_SYSROOT_", ""))
]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.setattr(metaflow_config, name, None)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)


@pytest.mark.parametrize(
    ("datastore", "root", "address"),
    [
        ("s3", "s3://bucket/metaflow", "s3://bucket/metaflow/conda_env"),
        ("s3", "s3://bucket/metaflow/", "s3://bucket/metaflow/conda_env"),
        ("azure", "container/metaflow", "az://container/metaflow/conda_env"),
        ("gs", "gs://bucket/metaflow", "gs://bucket/metaflow/conda_env"),
        ("local", "/data/metaflow", "/data/metaflow/conda_env"),
        ("spin", "/data/metaflow", "/data/metaflow/conda_env"),
    ],
)
def test_below_the_root_of_the_datastore(
    monkeypatch: pytest.MonkeyPatch, datastore: str, root: str, address: str
) -> None:
    kind = {"spin": "LOCAL"}.get(datastore, datastore.upper())
    monkeypatch.setattr(metaflow_config, f"DATASTORE_SYSROOT_{kind}", root)
    assert store_address(datastore) == address
    monkeypatch.setattr(metaflow_config, f"CONDA_{kind}ROOT", "memory://other")
    assert store_address(datastore) == "memory://other"


@pytest.mark.parametrize("datastore", ["local", "spin", "s3", "unknown"])
def test_out_of_the_box_it_is_conjoin_s_own(datastore: str, isolated_home: Path) -> None:
    assert store_address(datastore) is None
    assert open_store(datastore).root == isolated_home / "store"


def test_an_address_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, "CONDA_S3ROOT", "ftp://x/y")
    with pytest.raises(EnvironmentProblem, match="ftp:// is no store"):
        open_store("s3")


def test_metaflow_s_endpoint_is_the_engine_s_while_a_store_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metaflow_config, "S3_ENDPOINT_URL", "http://127.0.0.1:1")
    assert endpoint_variables() == {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}
    with cloud_variables():
        assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:1"
    assert "AWS_ENDPOINT_URL_S3" not in os.environ
    # What the user said of S3 alone is stronger.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2")
    assert endpoint_variables() == {}


def test_metaflow_s_account_of_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(name, raising=False)
    endpoint = "https://team.blob.core.windows.net/"
    monkeypatch.setattr(metaflow_config, "AZURE_STORAGE_BLOB_SERVICE_ENDPOINT", endpoint)
    assert endpoint_variables() == {"AZURE_STORAGE_ACCOUNT_NAME": "team"}
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "mine")
    assert endpoint_variables() == {}
