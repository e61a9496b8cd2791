from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.spec.credentials import CONDA_TOKEN_USER, take_credentials
from conjoin.spec.requirements import Credential

SECRETS = st.text("abcXYZ019-._~%!$&()*+", min_size=6, max_size=12).filter(lambda s: "secret" not in s)


@pytest.mark.parametrize(
    ("text", "clean", "credential"),
    [
        (
            "https://user:p%40ss@host.example/simple",
            "https://host.example/simple",
            Credential("https://host.example/simple", "user", "p@ss"),
        ),
        (
            "https://token@host.example:8443/",
            "https://host.example:8443/",
            Credential("https://host.example:8443", "token", ""),
        ),
        (
            "a @ git+https://u:p@host.example/r@main",
            "a @ git+https://host.example/r@main",
            Credential("https://host.example/r", "u", "p"),
        ),
        (
            "git+ssh://git:p@host.example/r",
            "git+ssh://git@host.example/r",
            Credential("ssh://git@host.example/r", "git", "p"),
        ),
        (
            "https://host.example/t/to-ken/chan",
            "https://host.example/chan",
            Credential("https://host.example/chan", CONDA_TOKEN_USER, "to-ken"),
        ),
    ],
)
def test_credentials_are_taken_out(text, clean, credential):
    assert take_credentials(text) == (clean, (credential,))


@pytest.mark.parametrize(
    "text",
    [
        "numpy>=1.2",
        "https://host.example/a@b",
        "git+ssh://git@host.example/r@v1",
        "https://host.example/?next=https%3A%2F%2Fb",
        "a @ https://host.example/a.whl",
    ],
)
def test_what_is_no_credential_stays(text):
    assert take_credentials(text) == (text, ())


@given(SECRETS, SECRETS)
def test_no_part_of_a_user_information_survives(user, password):
    clean, found = take_credentials(f"name @ git+https://{user}:{password}@host.example/r@main")
    assert clean == "name @ git+https://host.example/r@main"
    assert len(found) == 1


def test_a_password_is_not_shown():
    assert "hunter2" not in repr(Credential("https://host.example", "u", "hunter2"))


@given(
    SECRETS,
    SECRETS.filter(lambda text: "/" not in text),
    st.sampled_from(["/", "/chan", "/a/b.c/d@x", "/chan::numpy", "/chan[build=1]"]),
    st.sampled_from(["https", "http", "git+https"]),
    st.sampled_from(["host.example", "host.example:8443", "[::1]", "[::1]:80"]),
)
def test_where_a_login_counts_tells_nothing_of_it(password, token, path, scheme, host):
    token = "".join(char for char in token if char.isalnum()) or "x1y2z3"
    text = f"{scheme}://user:secret-{password}@{host}/t/secret-{token}{path}"
    clean, found = take_credentials(text)
    assert "secret-" not in clean + repr(found)
    assert {each.password for each in found if each.username == CONDA_TOKEN_USER} <= {f"secret-{token}"}
    prefixes = {each.url_prefix for each in found}
    assert all(prefix.startswith(f"{scheme.rpartition('+')[2]}://{host}") for prefix in prefixes)
    assert all(clean.partition("+")[2].startswith(prefix) or clean.startswith(prefix) for prefix in prefixes)
