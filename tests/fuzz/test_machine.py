"""What stands on this machine, for us and for other tools: configuration, logins, variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conjoin.config.edit import set_key
from conjoin.config.load import load_settings
from conjoin.config.table import setting_named
from conjoin.net.credentials import netrc_login, rattler_login
from conjoin.prefix.activation import _declared
from conjoin.prefix.prefix import read_marker
from conjoin.prefix.registry import Registry
from conjoin.spec.configured.index import configured_indexes
from conjoin.store.backend.address import (
    aws_configuration_from_profile,
    azure_configuration_from_connection_string,
)
from fuzzing import examples
from hostile import SECONDS, documents, refused_at_most, texts

CONFIG = (
    'store = "s3://bucket/x"\nchannels = ["conda-forge"]\nsame-versions = true\n[channel-aliases]\na = "b"\n'
)
FILES: dict[str, tuple[str, str]] = {
    "CONJOIN_CONFIG": ("config.toml", CONFIG),
    "CONJOIN_PROJECT": ("pyproject.toml", '[tool.conjoin]\nchannels = ["a"]\nexclude-newer = "2026-01-01"\n'),
    "PIP_CONFIG_FILE": ("pip.conf", "[global]\nindex-url = https://host.example/simple\n"),
    "UV_CONFIG_FILE": ("uv.toml", "[[index]]\nname = 'a'\nurl = 'https://host.example/'\ndefault = true\n"),
    "NETRC": ("netrc", "machine host.example login a password b\ndefault login c password d\n"),
    "AWS_CONFIG_FILE": ("aws", "[default]\nregion = x\naws_access_key_id = a\naws_secret_access_key = b\n"),
}


@pytest.mark.parametrize("variable", FILES)
def test_files(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, seed = FILES[variable]

    @given(texts([seed]))
    @settings(max_examples=examples(SECONDS))
    def check(text: str) -> None:
        path = tmp_path / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        monkeypatch.setenv(variable, str(path))
        refused_at_most(lambda: load_settings(folder=tmp_path).said("store"))
        refused_at_most(configured_indexes)
        refused_at_most(lambda: netrc_login("host.example"))
        refused_at_most(aws_configuration_from_profile)

    check()


VARIABLES = {
    "CONJOIN_CONFIG": "~/x.toml",
    "CONJOIN_PROJECT": "~/x",
    "CONJOIN_STORE": "s3://bucket/x",
    "CONJOIN_CHANNELS": "a b",
    "CONJOIN_SAME_VERSIONS": "true",
    "UV_INDEX": "a=https://host.example/",
    "PIP_INDEX_URL": "https://u:p@host.example/simple",
    "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=b;BlobEndpoint=https://h.example/",
}


@pytest.mark.parametrize("variable", VARIABLES)
def test_variables(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @given(texts([VARIABLES[variable]]))
    @settings(max_examples=examples(SECONDS))
    def check(text: str) -> None:
        monkeypatch.setenv(
            variable, text.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        )
        refused_at_most(lambda: load_settings().said("channels"))
        refused_at_most(configured_indexes)
        refused_at_most(azure_configuration_from_connection_string)

    check()


MARKER = {"schema": 1, "req_id": "a" * 40, "full_id": "b" * 40, "platform": "linux-64", "complete": True}


def test_documents(tmp_path: Path, isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conda-meta").mkdir()
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(tmp_path / "credentials.json"))

    @given(
        documents(MARKER),
        documents({"env_vars": {"A": "b"}}),
        documents({"host.example": {"BasicHTTP": {"username": "a", "password": "b"}}}),
        documents({"path": "x", **MARKER, "made": "", "host": "x"}),
    )
    @settings(max_examples=examples(SECONDS))
    def check(marker: bytes, state: bytes, logins: bytes, registered: bytes) -> None:
        (tmp_path / "conda-meta" / "conjoin").write_bytes(marker)
        (tmp_path / "conda-meta" / "state").write_bytes(state)
        (tmp_path / "credentials.json").write_bytes(logins)
        registry = Registry()
        folder = registry._folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "x.json").write_bytes(registered)
        refused_at_most(lambda: read_marker(tmp_path))
        refused_at_most(lambda: _declared(tmp_path))
        refused_at_most(lambda: rattler_login("host.example"))
        refused_at_most(registry.all)

    check()


def _asks() -> tuple[Any, Any, type[Exception]]:
    pytest.importorskip("metaflow")
    import metaflow  # noqa: F401 (before its extensions)
    from metaflow_extensions.conjoin.errors import EnvironmentProblem
    from metaflow_extensions.conjoin.plugins.environment.request.attributes import ask_of_conda, ask_of_pypi

    return ask_of_pypi, ask_of_conda, EnvironmentProblem


@given(documents({"packages": {"numpy": "1"}, "python": "3.11", "disabled": False, "extras": ["pre"]}))
@settings(max_examples=examples(SECONDS))
def test_attributes_of_decorators(data: bytes) -> None:
    try:
        attributes: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(attributes, dict):
        ask_of_pypi, ask_of_conda, problem = _asks()
        refused_at_most(lambda: ask_of_pypi(attributes, "@pypi"), problem)
        refused_at_most(lambda: ask_of_conda(attributes, "@conda"), problem)


@given(texts([CONFIG]), st.sampled_from(["channels", "store"]))
@settings(max_examples=examples(SECONDS))
def test_changing_a_file(tmp_path_factory: pytest.TempPathFactory, text: str, name: str) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    setting = setting_named(name)
    assert setting is not None
    refused_at_most(lambda: set_key(path, setting, ("x",) if name == "channels" else "x"))
