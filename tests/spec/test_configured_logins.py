from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import UsageError
from conjoin.spec.configured.logins import configured_logins, uses_keyring
from conjoin.spec.requirements import Credential


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """Variables of a host that configures nothing."""
    return {
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "XDG_CONFIG_DIRS": str(tmp_path / "etc"),
        "PIP_CONFIG_FILE": "/dev/null",
    }


def uv_toml(host: dict[str, str], text: str) -> None:
    path = Path(host["XDG_CONFIG_HOME"]) / "uv" / "uv.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_conjoins_own(host: dict[str, str], isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (isolated_home / "config.toml").write_text(
        "credentials = ['https://u:p%40@a.example/x/', 'https://b.example/t/tok/chan']\n"
        "channels = ['https://v:q@c.example/chan']\n"
    )
    assert configured_logins(host) == (
        Credential("https://a.example/x", "u", "p@"),
        Credential("https://b.example/chan", "conda-token", "tok"),
        Credential("https://c.example/chan", "v", "q"),
    )
    monkeypatch.setenv("CONJOIN_CREDENTIALS", "https://w:r@d.example")
    assert configured_logins(host)[0] == Credential("https://d.example", "w", "r")


def test_one_without_a_login_is_an_error_that_does_not_repeat_it(
    host: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_CREDENTIALS", "https://u:can/ary@a.example")
    with pytest.raises(UsageError) as caught:
        configured_logins(host)
    assert "ary" not in str(caught.value)
    assert "CONJOIN_CREDENTIALS" in str(caught.value)


def test_the_names_of_uvs_indexes(host: dict[str, str]) -> None:
    uv_toml(
        host,
        "[[index]]\nname = 'my.proxy-1'\nurl = 'https://a.example/simple'\nexplicit = true\n"
        "[[index]]\nurl = 'https://b.example/simple'\n",
    )
    host |= {"UV_INDEX_MY_PROXY_1_USERNAME": "u", "UV_INDEX_MY_PROXY_1_PASSWORD": "p"}
    host |= {"UV_DEFAULT_INDEX": "main=https://c.example/simple/", "UV_INDEX_MAIN_PASSWORD": "q"}
    host["UV_INDEX_OTHER_USERNAME"] = "nobody's"
    assert configured_logins(host) == (
        Credential("https://c.example/simple", "", "q"),
        Credential("https://a.example/simple", "u", "p"),
    )


@pytest.mark.parametrize(
    ("variables", "uv", "pip", "on"),
    [
        ({}, "", "", False),
        ({"UV_KEYRING_PROVIDER": "subprocess"}, "", "", True),
        ({"UV_KEYRING_PROVIDER": "disabled"}, "keyring-provider = 'subprocess'", "", False),
        ({"PIP_KEYRING_PROVIDER": "import"}, "", "", True),
        ({"PIP_KEYRING_PROVIDER": "auto"}, "", "", False),
        ({}, "keyring-provider = 'subprocess'", "", True),
        ({}, "[pip]\nkeyring-provider = 'subprocess'", "", True),
        ({}, "", "[global]\nkeyring-provider = subprocess", True),
        ({}, "", "[global]\nkeyring-provider = subprocess\n[install]\nkeyring-provider = disabled", False),
    ],
)
def test_the_keyring_is_asked_where_uv_or_pip_would(
    host: dict[str, str], tmp_path: Path, variables: dict[str, str], uv: str, pip: str, on: bool
) -> None:
    uv_toml(host, uv)
    (tmp_path / "pip.conf").write_text(pip)
    host["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
    assert uses_keyring(host | variables) is on


def test_conjoins_own_word_comes_first(host: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONJOIN_KEYRING_PROVIDER", "disabled")
    assert not uses_keyring(host | {"UV_KEYRING_PROVIDER": "subprocess"})
    monkeypatch.setenv("CONJOIN_KEYRING_PROVIDER", "import")
    with pytest.raises(UsageError, match="expected subprocess or disabled"):
        uses_keyring(host)
