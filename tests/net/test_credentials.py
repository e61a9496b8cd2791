from __future__ import annotations

import asyncio
import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conjoin.net import credentials as credentials_module
from conjoin.net.client import HttpClient
from conjoin.net.credentials import Credentials
from conjoin.spec.configured import logins as configured_logins
from conjoin.spec.credentials import CONDA_TOKEN_USER
from conjoin.spec.requirements import Credential
from logins import fake_keyring, on_path
from loopback import LoopbackServer

INDEX = "https://index.example/team/simple"


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(tmp_path / "auth.json"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("UV_NO_CONFIG", "1")


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


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("https://host.example/api/a/packages/x.whl", "a"),
        ("https://host.example/api/b/packages/x.whl", "b"),
        ("https://host.example/api/b", "b"),
        ("https://host.example/elsewhere/x.whl", "a"),
    ],
)
def test_two_logins_on_one_host_by_what_their_paths_share_with_the_url(url: str, user: str) -> None:
    credentials = Credentials(
        [
            Credential("https://host.example/api/a/simple", "a", "p"),
            Credential("https://host.example/api/b/simple", "b", "p"),
        ]
    )
    assert user_of(credentials.authorization(url)) == user


def test_the_order_of_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{INDEX}/x/"
    monkeypatch.setenv("CONJOIN_KEYRING_PROVIDER", "subprocess")
    fake_keyring(tmp_path / "bin", {INDEX: ("of-keyring", "p")})
    monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
    asking = Credentials(places=[f"{INDEX}/"])
    assert asking.authorization(url) is None  # nobody asks a keyring before somebody refused
    assert asking.ask_keyring(url)
    assert user_of(asking.authorization(url)) == "of-keyring"
    (tmp_path / "netrc").write_text("machine index.example login of-netrc password p\n")
    assert user_of(Credentials().authorization(url)) == "of-netrc"
    kept = {"index.example": {"BasicHTTP": {"username": "of-rattler", "password": "p"}}}
    (tmp_path / "auth.json").write_text(json.dumps(kept))
    assert user_of(Credentials().authorization(url)) == "of-rattler"
    monkeypatch.setenv("UV_INDEX", f"the-team={INDEX}")
    monkeypatch.setenv("UV_INDEX_THE_TEAM_USERNAME", "of-uv")
    monkeypatch.setenv("UV_INDEX_THE_TEAM_PASSWORD", "p")
    assert user_of(Credentials().authorization(url)) == "of-uv"
    monkeypatch.setenv("CONJOIN_CREDENTIALS", "https://of-variable:p@index.example/team/simple")
    assert user_of(Credentials().authorization(url)) == "of-variable"
    given = Credentials([Credential("https://index.example", "typed", "p")])
    assert user_of(given.authorization(url)) == "typed"


@pytest.mark.parametrize(
    ("name", "entry", "header", "address"),
    [
        ("index.example", {"BearerToken": "word"}, "Bearer word", INDEX),
        ("*.index.example", {"BearerToken": "word"}, "Bearer word", INDEX),
        ("*.example", {"BearerToken": "word"}, "Bearer word", INDEX),
        ("other.example", {"BearerToken": "word"}, None, INDEX),
        ("index.example", {"CondaToken": "to/ken"}, None, "https://index.example/t/to%2Fken/team/simple"),
        ("index.example", {"Something": "new"}, None, INDEX),
        ("index.example", "of another form", None, INDEX),
    ],
)
def test_rattlers_store(tmp_path: Path, name: str, entry: object, header: str | None, address: str) -> None:
    (tmp_path / "auth.json").write_text(json.dumps({name: entry}))
    credentials = Credentials()
    assert credentials.authorization(INDEX) == header
    assert credentials.address(INDEX) == address
    assert credentials.bare(address) == INDEX


def test_two_tokens_on_one_host() -> None:
    credentials = Credentials(
        [
            Credential("https://host.example/one", CONDA_TOKEN_USER, "tok1"),
            Credential("https://host.example/two", CONDA_TOKEN_USER, "tok2"),
        ]
    )
    for number, channel in (("1", "one"), ("2", "two")):
        address = f"https://host.example/t/tok{number}/{channel}/noarch/x"
        assert credentials.address(f"https://host.example/{channel}/noarch/x") == address
        assert credentials.bare(address) == f"https://host.example/{channel}/noarch/x"


def test_many_threads_read_the_configuration_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def configured() -> list[Credential]:
        read.append(1)
        time.sleep(0.02)
        return [Credential(INDEX, "me", "p")]

    monkeypatch.setattr(configured_logins, "configured_logins", configured)
    credentials = Credentials()
    with ThreadPoolExecutor(8) as threads:
        headers = list(threads.map(credentials.authorization, [f"{INDEX}/{name}/" for name in "abcdefgh"]))
    assert {user_of(header) for header in headers} == {"me"}
    assert read == [1]


@pytest.mark.parametrize("content", ["{", "[]", '{"index.example": 1}'])
def test_a_broken_store_of_rattler_is_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "auth.json").write_text(content)
    assert Credentials().authorization(INDEX) is None


class TestKeyring:
    @pytest.fixture
    def keyring(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("PATH", on_path(tmp_path / "bin"))
        monkeypatch.setenv("UV_KEYRING_PROVIDER", "subprocess")
        known = {INDEX: ("by-url", "p"), "host.example:8443": ("by-host", "p")}
        return fake_keyring(tmp_path / "bin", known)

    def test_is_off_unless_asked_for(self, keyring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("UV_KEYRING_PROVIDER", "disabled")
        assert not Credentials(places=[INDEX]).ask_keyring(f"{INDEX}/x/")
        assert keyring.read_text() == ""

    def test_knows_the_index_as_a_whole_and_is_asked_once(self, keyring: Path) -> None:
        credentials = Credentials(places=[INDEX])
        assert [credentials.ask_keyring(f"{INDEX}/{name}/") for name in "ab"] == [True, False]
        assert user_of(credentials.authorization(f"{INDEX}/b/")) == "by-url"
        assert keyring.read_text() == f"get {INDEX} --mode creds\n"
        assert credentials.trouble(INDEX) == ""

    def test_many_requests_that_were_refused_all_get_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyring: Path
    ) -> None:
        (tmp_path / "served").mkdir()
        (tmp_path / "served" / "page").write_text("here")
        with LoopbackServer(tmp_path / "served", auth=("u", "p")) as server:
            asked = fake_keyring(tmp_path / "bin", {f"{server.url}": ("u", "p")})

            async def ask() -> list[int]:
                client = HttpClient(Credentials(places=[server.url]))
                try:
                    answers = [client.get(f"{server.url}/page?{number}") for number in range(24)]
                    return [answer.status for answer in await asyncio.gather(*answers)]
                finally:
                    await client.aclose()

            assert asyncio.run(ask()) == [200] * 24
            assert asked.read_text() == f"get {server.url} --mode creds\n"

    def test_that_knows_nobody_says_so(self, keyring: Path) -> None:
        credentials = Credentials()
        assert credentials.trouble("https://other.example/x") == ""
        assert not credentials.ask_keyring("https://other.example/x")
        assert credentials.trouble("https://other.example/x") == "the keyring has no login for it"

    def test_knows_a_host_with_its_port(self, keyring: Path) -> None:
        credentials = Credentials()
        assert credentials.ask_keyring("https://host.example:8443/x.whl")
        assert user_of(credentials.authorization("https://host.example:8443/y.whl")) == "by-host"
        assert credentials.authorization("https://host.example/y.whl") is None

    def test_has_the_password_of_a_user_who_was_typed(self, keyring: Path) -> None:
        credentials = Credentials([Credential(INDEX, "by-url", "")], [INDEX])
        header = credentials.authorization(f"{INDEX}/x/")
        assert header == "Basic " + base64.b64encode(b"by-url:p").decode()
        other = Credentials([Credential(INDEX, "a-token", "")], [INDEX])
        assert user_of(other.authorization(f"{INDEX}/x/")) == "a-token"  # it knows no such user

    def test_that_does_not_answer_is_ended_in_time_and_left_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyring: Path
    ) -> None:
        asked = fake_keyring(tmp_path / "bin", {INDEX: ("u", "p")}, seconds=600)
        monkeypatch.setattr(credentials_module, "SECONDS", 0.2)
        credentials = Credentials(places=[INDEX])
        started = time.monotonic()
        assert not credentials.ask_keyring(f"{INDEX}/x/")
        assert not credentials.ask_keyring("https://host.example:8443/x")
        assert time.monotonic() - started < 60
        assert credentials.trouble(INDEX) == "the keyring command did not answer within 0.2 s"
        assert asked.read_text().count("get") == 1

    def test_has_no_terminal_to_ask_at(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyring: Path
    ) -> None:
        """A backend that wants to ask somebody opens /dev/tty (getpass), whatever its input is."""
        script = tmp_path / "bin" / "keyring"
        script.write_text(
            "#!/bin/sh\nif (: < /dev/tty) 2>/dev/null; then echo u; echo tty; else exit 1; fi\n"
        )
        assert not Credentials(places=[INDEX]).ask_keyring(f"{INDEX}/x/")

    def test_that_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyring: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        credentials = Credentials()
        assert not credentials.ask_keyring(INDEX)
        assert credentials.trouble(INDEX) == "there is no keyring command on PATH"


def test_a_mark_tells_logins_apart_and_names_none() -> None:
    marks = {
        Credentials([Credential("https://index.example", *login)]).mark(INDEX)
        for login in (("a", "p"), ("a", "q"), ("b", "p"), ("", "ap"), (CONDA_TOKEN_USER, "p"))
    }
    assert len(marks) == 5
    assert {len(mark) for mark in marks} == {8}
    assert Credentials().mark(INDEX) == ""
