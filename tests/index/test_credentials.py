from __future__ import annotations

import base64
from pathlib import Path

import pytest

from holdfast.index.credentials import Credentials
from holdfast.spec.requirements import Credential


@pytest.fixture(autouse=True)
def no_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


def user_of(header: str | None) -> str | None:
    return base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[0] if header else None


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("https://index.example/team/simple/x/", "team"),
        ("https://index.example/team", "team"),
        ("https://index.example/teammate/x", "everybody"),
        ("https://index.example/files/x.whl", "everybody"),
        ("https://index.example:443/team/x", "team"),
        ("https://index.example:8443/team/x", None),
        ("http://index.example/team/x", None),
        ("https://evil.example/team/x", None),
        ("https://index.example.evil.example/team/x", None),
    ],
)
def test_the_closest_credential_of_the_same_origin_counts(url: str, user: str | None) -> None:
    credentials = Credentials(
        [
            Credential("https://index.example/", "everybody", "p"),
            Credential("https://index.example/team/", "team", "p"),
        ]
    )
    assert user_of(credentials.authorization(url)) == user


def test_a_broken_netrc_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine machine login\n")
    monkeypatch.setenv("NETRC", str(path))
    assert Credentials().authorization("https://index.example/") is None


def test_a_password_does_not_show_in_a_repr() -> None:
    assert "s3cr3t" not in repr(Credential("https://index.example/", "me", "s3cr3t"))
