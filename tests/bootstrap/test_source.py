"""Reading a store without any cloud's library: addresses, signatures, redirections, what servers answer."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest

from conjoin.bootstrap.download import Downloads
from conjoin.bootstrap.stores import s3 as s3_module
from conjoin.bootstrap.stores.azure import AzureSource, shared_key
from conjoin.bootstrap.stores.google import GoogleSource
from conjoin.bootstrap.stores.open_source import open_source
from conjoin.bootstrap.stores.s3 import S3Source, signed
from conjoin.bootstrap.stores.source import FolderSource, Source, WebSource
from conjoin.errors import Unreachable, UsageError
from loopback import LoopbackServer


@pytest.fixture(autouse=True)
def no_clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in os.environ:
        if variable.startswith(("AWS_", "AZURE_", "GOOGLE_", "STORAGE_")):
            monkeypatch.delenv(variable)


@pytest.mark.parametrize(
    ("place", "kind", "where"),
    [
        ("s3://bucket/a/b/", S3Source, "s3://bucket/a/b/x"),
        ("s3://bucket", S3Source, "s3://bucket/x"),
        ("gs://bucket/a", GoogleSource, "gs://bucket/a/x"),
        ("https://host.example/a/", WebSource, "https://host.example/a/x"),
        ("file:///a%20b", FolderSource, "/a b/x"),
        ("/a/b", FolderSource, "/a/b/x"),
    ],
)
def test_an_address_means_a_source(place: str, kind: type[Source], where: str) -> None:
    source = open_source(place)
    assert type(source) is kind
    assert source.where("x") == where


@pytest.mark.parametrize(
    "place",
    ["ftp://x/y", "s3://", "s3://key:hidden@bucket/x", "s3://b/x?hidden", "https://u:hidden@host.example/x"],
)
def test_what_is_no_address_is_refused_without_repeating_secrets(place: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(place)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.s3.eu-west-1.amazonaws.com/team/packages/aa/x-1.0%2Bcpu-py3-none-any.whl",
        "http://127.0.0.1:9000/bucket/a%3D1~b/_c%40d",
    ],
)
@pytest.mark.parametrize("token", ["", "session/token+="])
def test_a_signature_is_the_one_that_amazon_s_own_library_makes(url: str, token: str) -> None:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method="GET", url=url)
    theirs = S3SigV4Auth(Credentials("key", "secret", token or None), "s3", "eu-west-1")
    theirs.add_auth(request)
    stamp = datetime.datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ")
    keys = s3_module._Keys("key", "secret", token, float("inf"))
    # Theirs signs the body as unsigned over TLS; that is one header, which is part of what is signed.
    ours = signed(url, "eu-west-1", keys, stamp.replace(tzinfo=datetime.timezone.utc))
    if request.headers["X-Amz-Content-SHA256"] == ours["x-amz-content-sha256"]:
        assert request.headers["Authorization"] == ours["Authorization"]
    else:
        assert url.startswith("https://")
        assert (
            request.headers["Authorization"].split("Signature")[0]
            == ours["Authorization"].split("Signature")[0]
        )


def test_amazon_s_addresses_follow_bucket_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert S3Source("b", "p")._url("k+1") == "https://b.s3.eu-west-1.amazonaws.com/p/k%2B1"
    assert S3Source("b.c", "")._url("k") == "https://s3.eu-west-1.amazonaws.com/b.c/k"
    monkeypatch.setenv("AWS_REGION", "cn-north-1")
    assert S3Source("b", "")._url("k") == "https://b.s3.cn-north-1.amazonaws.com.cn/k"


def test_a_bucket_of_another_region_is_followed_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "x")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "k").write_text("there")
    with LoopbackServer(tmp_path) as server:
        server.fail("*", 301, 1, headers={"x-amz-bucket-region": "eu-west-1"})
        source = S3Source("b", "", server.url)
        assert Downloads(source).document("k") == b"there"
        assert source._region == "eu-west-1"
        assert "/eu-west-1/s3/" in server.requests[-1].headers["authorization"]


def test_credentials_of_a_task_s_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "k").write_text("there")
    with LoopbackServer(tmp_path) as server:
        keys = {
            "AccessKeyId": "ROLE",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        server.page("/creds", json.dumps(keys), "application/json")
        monkeypatch.setattr(s3_module, "_CONTAINER", server.url)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/creds")
        downloads = Downloads(S3Source("b", "", server.url))
        assert (downloads.document("k"), downloads.document("k")) == (b"there", b"there")
        assert server.paths() == ["/creds", "/b/k", "/b/k"]
        assert "Credential=ROLE/" in server.requests[-1].headers["authorization"]
        assert server.requests[-1].headers["x-amz-security-token"] == "t"


def test_every_other_way_is_boto_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("[team]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n")
    config = tmp_path / "config"
    config.write_text("[profile team]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "team")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "k").write_text("there")
    with LoopbackServer(tmp_path) as server:
        assert Downloads(S3Source("b", "", server.url)).document("k") == b"there"
        assert "Credential=PROFILE/" in server.requests[-1].headers["authorization"]
        assert "/eu-central-1/s3/" in server.requests[-1].headers["authorization"]
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(Unreachable, match="boto3 finds no credentials"):
            Downloads(S3Source("b", "", server.url)).document("k")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("<Code>NoSuchBucket</Code>", 404, "there is no such bucket"),
        ("<Code>ExpiredToken</Code>", 400, "the credentials are expired"),
        ("<Code>RequestTimeTooSkewed</Code>", 403, "clock"),
        ("", 403, "refuses these credentials"),
        ("", 418, "answers 418"),
    ],
)
def test_what_a_server_refuses_is_said_and_not_tried_again(
    body: str, status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "x")
    with LoopbackServer(tmp_path) as server:
        server.fail("*", status, None)
        server._faults[0].body = body.encode()
        with pytest.raises(Unreachable, match=said) as caught:
            Downloads(S3Source("b", "", server.url)).document("k")
        assert len(server.requests) == 1
    assert caught.value.exit_code == 4


def test_azure_s_address_and_credentials_are_those_of_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="which Azure account"):
        AzureSource("c", "")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acc")
    assert AzureSource("c", "p")._base == "https://acc.blob.core.windows.net/c/p"
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        "AccountName=devstore;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:10000/devstore",
    )
    source = AzureSource("c", "")
    assert (source._base, source._key) == ("http://127.0.0.1:10000/devstore/c", "a2V5")
    assert shared_key("http://h/a/c/k", {"x-ms-date": "d"}, "a", "a2V5").startswith("SharedKey a:")


def test_a_proxy_is_asked_where_the_variables_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackServer(tmp_path) as proxy:
        proxy.page("/x/k", b"through the proxy")
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert Downloads(open_source("http://host.example/x")).document("k") == b"through the proxy"
        assert proxy.requests[0].headers["host"] == "host.example"


def test_a_folder_that_is_not_there_is_unreachable_and_a_file_is_absent(tmp_path: Path) -> None:
    assert Downloads(FolderSource(str(tmp_path))).document("k") is None
    with pytest.raises(Unreachable, match="there is no such folder"):
        Downloads(FolderSource(str(tmp_path / "none"))).document("k")


def test_a_certificate_that_is_not_trusted_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import ssl

    from conjoin.bootstrap.stores import http as http_module

    def refuse(_self: Any) -> None:
        error = ssl.SSLCertVerificationError(1, "bad")
        error.verify_message = "self-signed certificate"
        raise error

    monkeypatch.setattr(http_module._QuickHTTPS, "connect", refuse)
    with pytest.raises(Unreachable, match=r"self-signed certificate.*SSL_CERT_FILE"):
        Downloads(open_source("https://host.example/x")).document("k")
