"""Azure's connection string, alone and on Azurite; the endpoints of other clouds."""

from __future__ import annotations

import os
from typing import Any

import pytest

from azurite_server import ACCOUNT, KEY
from conjoin.api import Store
from conjoin.errors import UsageError
from conjoin.store.backend import address as address_module
from conjoin.store.backend.address import azure_configuration_from_connection_string
from object_stores import MakeLock, ObjectServer

VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (
            "DefaultEndpointsProtocol=https;AccountName=team;AccountKey=a2V5==;EndpointSuffix=core.windows.net",
            {"account_name": "team", "account_key": "a2V5=="},
        ),
        (
            "AccountName=team;AccountKey=a2V5;EndpointSuffix=core.cloud.example",
            {
                "account_name": "team",
                "account_key": "a2V5",
                "endpoint": "https://team.blob.core.cloud.example",
            },
        ),
        (
            "BlobEndpoint=https://team.blob.example/;SharedAccessSignature=sv=2021&sig=a%3D",
            {"account_name": "team", "sas_key": "sv=2021&sig=a%3D", "endpoint": "https://team.blob.example"},
        ),
        (
            "accountname=team; AccountKey=a2V5 ; blobendpoint=http://127.0.0.1:1/team;",
            {"account_name": "team", "account_key": "a2V5", "endpoint": "http://127.0.0.1:1/team"},
        ),
        ("UseDevelopmentStorage=true", {"use_emulator": True}),
    ],
)
def test_a_connection_string_says_who_and_where(
    text: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert azure_configuration_from_connection_string() == expected


@pytest.mark.parametrize(
    "text", ["hidden", "AccountKey=hidden", "AccountName=;AccountKey=hidden", "x;y=hidden"]
)
def test_what_is_no_connection_string_is_refused_without_repeating_it(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match=VARIABLE) as caught:
        Store("az://container/x")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("cloud", ["az"], indirect=True)
def test_a_connection_string_alone_opens_a_store_and_goes_before_other_variables(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = cloud.environment()["AZURE_STORAGE_ENDPOINT"]
    monkeypatch.delenv("AZURE_STORAGE_ENDPOINT")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "another")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")
    monkeypatch.setenv(VARIABLE, f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint};")
    lock = make_environment(1)
    Store(cloud_place).push(lock, alias="x:v1")
    assert Store(cloud_place).get("x:v1") == lock
    assert all(each.startswith(f"SharedKey {ACCOUNT}:") for each in cloud.authorizations)


@pytest.mark.parametrize("cloud", ["az"], indirect=True)
def test_development_storage_is_azurite_where_its_variable_says(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv(VARIABLE, "UseDevelopmentStorage=true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", cloud.url)
    lock = make_environment(1)
    Store(cloud_place).push(lock, alias="x:v1")
    assert Store(cloud_place).get("x:v1") == lock


@pytest.mark.parametrize("cloud", ["gs"], indirect=True)
def test_google_s_emulator_may_be_named_without_a_scheme_and_gets_nobody_s_credentials(
    cloud: ObjectServer, cloud_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud.url.removeprefix("http://"))
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "hidden")
    assert Store(cloud_place).backend.put_if_absent("a/b", b"")
    assert not any("hidden" in each for each in cloud.authorizations)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"GOOGLE_BASE_URL": "https://storage.example"}, {"base_url": "https://storage.example"}),
        (
            {"STORAGE_EMULATOR_HOST": "https://emulator.example/", "GOOGLE_BASE_URL": "https://x.example"},
            {"base_url": "https://emulator.example", "bearer_token": "emulator"},
        ),
    ],
)
def test_google_s_endpoint_is_what_its_variables_say(
    variables: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_BASE_URL", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert address_module._google() == expected
