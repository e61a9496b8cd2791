"""Private channels and indexes: every way to log in works from resolving to exporting, without a trace."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from conjoin.forge import forge
from logins import fake_keyring, on_path
from loopback import LoopbackServer
from worlds import make_index, make_wheel

USER = "canary-user"
PASSWORD = "canary pass/word@"
TOKEN = "canary-token"
TRACES = (
    b"canary",
    base64.b64encode(f"{USER}:{PASSWORD}".encode()),
    base64.b64encode(PASSWORD.encode()).rstrip(b"="),
    TOKEN.encode()[2:].hex().encode(),
)


@dataclass
class Private:
    """A channel below ``/conda`` and an index below ``/pypi``, whose files lie below ``/pypi/files``.

    :ivar kept: a folder for what a user keeps elsewhere than Conjoin.
    """

    server: LoopbackServer
    kept: Path

    @property
    def channel(self) -> str:
        return f"{self.server.url}/conda"

    @property
    def index(self) -> str:
        return f"{self.server.url}/pypi/"

    def with_login(self, url: str, login: str = f"{quote(USER)}:{quote(PASSWORD, safe='')}") -> str:
        return url.replace("://", f"://{login}@", 1)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Private]:
    root = tmp_path / "served"
    make_index(root / "pypi", [make_wheel(tmp_path, "shelf", "1.0")])
    tool = tmp_path / "tool"
    (tool / "share").mkdir(parents=True)
    (tool / "share" / "tool.txt").write_text("a tool\n")
    (tool / "forge.toml").write_text('[package]\nname = "tool"\nversion = "1.0"\nnoarch = "generic"\n')
    forge(root / "conda", pythons=[], folders=[tool], level=3)
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setenv("HOME", str(kept))
    monkeypatch.setenv("NETRC", str(kept / "netrc"))
    monkeypatch.setenv("PATH", on_path(kept / "bin"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    with LoopbackServer(root) as server:
        server.logins = {"/conda": (USER, PASSWORD), "/pypi": (USER, PASSWORD)}
        yield Private(server, kept)


Way = Callable[[Private, pytest.MonkeyPatch], None]


def by_configuration(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    """The login stands in the URLs, which are configured."""
    monkeypatch.setenv("CONJOIN_CHANNELS", private.with_login(private.channel))
    monkeypatch.setenv("CONJOIN_INDEX_URL", private.with_login(private.index))


def by_variable(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONJOIN_CREDENTIALS", private.with_login(private.server.url))


def by_uvs_names(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX", f"ours={private.index}")
    monkeypatch.setenv("UV_INDEX_OURS_USERNAME", USER)
    monkeypatch.setenv("UV_INDEX_OURS_PASSWORD", PASSWORD)


def by_netrc(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    (private.kept / "netrc").write_text(f'machine 127.0.0.1 login {USER} password "{PASSWORD}"\n')


def by_keyring(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {f"{private.channel}": (USER, PASSWORD), private.index.rstrip("/"): (USER, PASSWORD)}
    fake_keyring(private.kept / "bin", known)
    monkeypatch.setenv("UV_KEYRING_PROVIDER", "subprocess")


def by_keyring_of_a_user(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    by_keyring(private, monkeypatch)
    monkeypatch.setenv("CONJOIN_CHANNELS", private.with_login(private.channel, USER))
    monkeypatch.setenv("CONJOIN_INDEX_URL", private.with_login(private.index, USER))


def by_rattlers_store(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep_for_rattler(private, {"BasicHTTP": {"username": USER, "password": PASSWORD}})


def by_bearer(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep_for_rattler(private, {"BearerToken": TOKEN})
    private.server.logins = dict.fromkeys(private.server.logins, TOKEN)


def by_conda_token(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep_for_rattler(private, {"CondaToken": TOKEN})
    private.server.logins = dict.fromkeys(private.server.logins, f"/t/{TOKEN}")


def by_conda_token_in_the_url(private: Private, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONJOIN_CHANNELS", private.channel.replace("/conda", f"/t/{TOKEN}/conda"))
    private.server.logins = {"/conda": f"/t/{TOKEN}"}


def _keep_for_rattler(private: Private, entry: object) -> None:
    path = private.kept / ".rattler" / "credentials.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"127.0.0.1": entry}))


@pytest.mark.parametrize(
    "way",
    [
        by_configuration,
        by_variable,
        by_uvs_names,
        by_netrc,
        by_keyring,
        by_keyring_of_a_user,
        by_rattlers_store,
        by_bearer,
        by_conda_token,
        by_conda_token_in_the_url,
    ],
)
def test_a_login_works_from_resolving_to_exporting_and_leaves_no_trace(
    way: Way,
    private: Private,
    called,
    isolated_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way(private, monkeypatch)
    requests = {
        "tool": ["--conda", "tool", *where("CONJOIN_CHANNELS", "-c", private.channel)],
        "shelf": [
            *("--python-source", "host", "--pypi", "shelf"),
            *where("CONJOIN_INDEX_URL", "--index-url", private.index),
        ],
    }
    if way is by_uvs_names:
        del requests["tool"]
    if way is by_conda_token_in_the_url:
        del requests["shelf"]
    team = tmp_path / "team"
    files, said = [], []

    def run(*words: object) -> None:
        done = called(*words)
        said.extend([done.stdout, done.stderr])
        assert done.returncode == 0, done.stderr

    for name, asked in requests.items():
        files += [tmp_path / f"{name}.lock", tmp_path / f"{name}.bundle"]
        run("resolve", *asked, "-v", "--alias", name, "-o", files[-2])
        private.server.forget()
        # No login goes to a host because a lock names it: the user has, in the configuration.
        if "CONJOIN_CHANNELS" not in os.environ and "CONJOIN_INDEX_URL" not in os.environ:
            monkeypatch.setenv("CONJOIN_CHANNELS", private.channel)
            monkeypatch.setenv("CONJOIN_INDEX_URL", private.index)
        # A command of its own, told nothing of the login: what no store has yet comes from the origin.
        run("push", name, "--store", team, "-v")
        assert len({*private.server.paths("GET", "*.whl"), *private.server.paths("GET", "*.conda")}) == 1
        run("export", name, "--offline-bundle", files[-1], "-v")
        if name == "tool":
            # Nor has the store that is nearest.
            assert not list((isolated_home / "store" / "packages").rglob("*.conda"))
            run("create", name, "--prefix", tmp_path / "prefix", "-v")
        run("resolve", *asked, "-v", "--force", "--json")
        run("show", name, "--json")
    run("config", "--json")
    assert_no_trace([isolated_home, team, tmp_path / "prefix"], files, said)


@pytest.mark.parametrize(
    "way", [by_configuration, by_keyring, by_bearer, by_conda_token, by_conda_token_in_the_url]
)
def test_a_login_that_is_refused_is_not_told(
    way: Way, private: Private, called, isolated_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way(private, monkeypatch)
    private.server.logins = {"/conda": ("somebody", "else"), "/pypi": ("somebody", "else")}
    said = []
    # py-rattler takes a channel below a token that is refused for none; and indexes have no such tokens.
    with_token = way in (by_conda_token, by_conda_token_in_the_url)
    told = "no noarch/repodata.json there" if with_token else "refuses access (HTTP status 401"
    requests = [["--conda", "tool", *where("CONJOIN_CHANNELS", "-c", private.channel)]]
    if not with_token:
        index = where("CONJOIN_INDEX_URL", "--index-url", private.index)
        requests.append(["--python-source", "host", "--pypi", "shelf", *index])
    for asked in requests:
        done = called("resolve", *asked, "-v")
        assert (done.returncode, told in done.stderr) == (4, True), done.stderr
        said += [done.stdout, done.stderr]
    assert_no_trace([isolated_home], [], said, least=0)


def where(variable: str, option: str, url: str) -> list[str]:
    """Return the option that names a URL, unless it is configured."""
    return [] if variable in os.environ else [option, url]


def assert_no_trace(folders: list[Path], files: list[Path], said: list[str], *, least: int = 20) -> None:
    found = [text for text in said if any(trace in text.encode() for trace in TRACES)]
    paths = [path for folder in folders for path in folder.rglob("*")] + files
    assert len(paths) > least
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        found += [str(path) for trace in TRACES if trace in content or trace in str(path.name).encode()]
    assert found == []


def test_the_sweep_finds_what_it_looks_for(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).touch()
    for text in (f"{USER}:{PASSWORD}", base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        (tmp_path / "leak").write_text(f"authorization: {text}")
        with pytest.raises(AssertionError):
            assert_no_trace([tmp_path], [], [])
        (tmp_path / "leak").unlink()
    with pytest.raises(AssertionError):
        assert_no_trace([tmp_path], [], [f"cannot reach {PASSWORD}"])


@pytest.mark.parametrize("command", ["resolve", "push", "export"])
def test_without_a_login_it_is_said_where_one_is_wanted(
    command: str, private: Private, called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--pypi", "shelf", "--python-source", "host", "--index-url", private.index]
    if command != "resolve":
        with monkeypatch.context() as known:
            by_netrc(private, known)
            assert called("resolve", *asked, "--alias", "mine").returncode == 0
            (private.kept / "netrc").unlink()
    by_keyring(private, monkeypatch)  # one that lets nobody in
    (private.kept / "bin" / "keyring").write_text("#!/bin/sh\nexit 1\n")
    words = {
        "resolve": ["resolve", *asked, "--force"],
        "push": ["push", "mine", "--store", tmp_path / "team"],
        "export": ["export", "mine", "--offline-bundle", tmp_path / "bundle"],
    }[command]
    monkeypatch.setenv("CONJOIN_INDEX_URL", private.index)
    done = called(*words)
    assert done.returncode == 4
    assert "401; the keyring has no login for it" in done.stderr
    assert ".netrc" in done.stderr
    assert not (tmp_path / "bundle").exists()


def test_two_channels_of_one_host_with_a_login_each(private: Private, called) -> None:
    """Each is shown its own: by the paths of the channels, not by their host."""
    (private.server.root / "other").symlink_to(private.server.root / "conda")
    private.server.logins = {"/conda": ("one", "1"), "/other": ("two", "2")}
    channels = [
        private.with_login(private.channel, "one:1"),
        private.with_login(f"{private.server.url}/other", "two:2"),
    ]
    asked = ["resolve", "--force", "--conda", "tool", "-c", channels[0], "-c"]
    done = called(*asked, channels[1])
    assert done.returncode == 0, done.stderr
    shown = {
        (request.path.split("/")[1], request.headers["authorization"].removeprefix("Basic "))
        for request in private.server.requests
    }
    assert shown == {
        ("conda", base64.b64encode(b"one:1").decode()),
        ("other", base64.b64encode(b"two:2").decode()),
    }


def test_two_indexes_of_one_host_with_a_login_each(private: Private, called, tmp_path: Path) -> None:
    make_index(private.server.root / "more", [make_wheel(tmp_path, "second", "1.0")])
    private.server.logins = {"/pypi": ("one", "1"), "/more": ("two", "2")}
    done = called(
        *("resolve", "--python-source", "host", "--pypi", "shelf", "--pypi", "second"),
        *("--index-url", private.with_login(private.index, "one:1")),
        *("--extra-index-url", private.with_login(f"{private.server.url}/more/", "two:2"), "--alias", "both"),
    )
    assert done.returncode == 0, done.stderr
    done = called("push", "both", "--store", tmp_path / "team")
    assert done.returncode == 4  # typed there, not here, and kept nowhere


def test_a_page_shown_to_one_login_is_shown_to_no_other(private: Private, called) -> None:
    asked = ["resolve", "--python-source", "host", "--pypi", "shelf", "--force", "--index-url"]
    index = private.with_login(private.index)
    assert called(*asked, index).returncode == 0
    private.server.forget()
    assert called(*asked, index).returncode == 0
    assert private.server.requests == []  # the page is kept, and fresh
    for other in (private.index, private.with_login(private.index, "somebody:else")):
        done = called(*asked, other)
        assert (done.returncode, "401" in done.stderr) == (4, True)
        assert called(*asked, other, "--offline").returncode == 4
    assert called(*asked, index, "--offline").returncode == 0


def test_the_keyring_by_an_option(private: Private, called, monkeypatch: pytest.MonkeyPatch) -> None:
    by_keyring(private, monkeypatch)
    monkeypatch.delenv("UV_KEYRING_PROVIDER")
    monkeypatch.setenv("CONJOIN_KEYRING_PROVIDER", "disabled")  # and put back after the option
    asked = ["resolve", "--python-source", "host", "--pypi", "shelf", "--index-url", private.index]
    assert called(*asked).returncode == 4
    assert called("--keyring-provider", "subprocess", *asked).returncode == 0
    wrong = called("--keyring-provider", "import", *asked, "--force")
    assert (wrong.returncode, "expected subprocess or disabled" in wrong.stderr) == (2, True)
    wrong = called("--keyring-provider", "import", "list")  # which asks no keyring
    assert (wrong.returncode, "--keyring-provider is 'import'" in wrong.stderr) == (2, True)
