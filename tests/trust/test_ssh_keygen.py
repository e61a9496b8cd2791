"""Signing and verifying by the real ssh-keygen, and what is signed."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.errors import IntegrityError, UsageError
from conjoin.trust import ssh_keygen
from conjoin.trust.ssh_keygen import sign, signed_by
from conjoin.trust.statement import NAMESPACE, SCHEMA, Signed, Statement, canonical, decode, encode
from ssh_keys import SshKey, needs_ssh_keygen

MOMENT = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
DATA = b"what is signed"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[SshKey, SshKey]:
    folder = tmp_path_factory.mktemp("keys")
    return SshKey(folder, "alice"), SshKey(folder, "mallory")


def verified(tmp_path: Path, lines: str, signature: str, *principals: str, data: bytes = DATA) -> str:
    allowed = tmp_path / "allowed_signers"
    allowed.write_text(lines)
    return signed_by(
        data,
        signature,
        allowed_signers=allowed,
        principals=principals,
        namespace=NAMESPACE,
        moment=MOMENT,
    )


@needs_ssh_keygen
def test_who_signed_is_told(tmp_path: Path, keys) -> None:
    alice = keys[0]
    signature = sign(DATA, str(alice.path), NAMESPACE)
    line = alice.allowed("alice@example.org", f'namespaces="{NAMESPACE}"')
    assert verified(tmp_path, line, signature, "alice@example.org") == "alice@example.org"
    assert verified(tmp_path, line, signature, "bob@example.org", "alice@example.org") == "alice@example.org"
    # Patterns on either side, as OpenSSH has them.
    assert verified(tmp_path, line, signature, "*@example.org") == "alice@example.org"
    pattern = alice.allowed("*@example.org")
    assert verified(tmp_path, pattern, signature, "release@example.org") == "release@example.org"


@needs_ssh_keygen
@pytest.mark.parametrize(
    ("principals", "options", "wanted", "problem"),
    [
        ("alice@example.org", "", "bob@example.org", "signed by alice@example.org, not by bob@example.org"),
        ("alice@example.org", 'valid-before="20260101"', "alice@example.org", "signed by nobody"),
        ("alice@example.org", 'valid-after="20270101"', "alice@example.org", "signed by nobody"),
        ("alice@example.org", 'namespaces="git"', "alice@example.org", ""),
    ],
)
def test_whoever_is_not_wanted_is_refused(
    tmp_path: Path, keys, principals: str, options: str, wanted: str, problem: str
) -> None:
    signature = sign(DATA, str(keys[0].path), NAMESPACE)
    with pytest.raises(IntegrityError) as raised:
        verified(tmp_path, keys[0].allowed(principals, options), signature, wanted)
    assert problem in raised.value.what


@needs_ssh_keygen
def test_another_text_another_namespace_and_another_key_are_refused(tmp_path: Path, keys) -> None:
    alice, mallory = keys
    line = alice.allowed("alice@example.org")
    for signature, data in [
        (sign(DATA, str(alice.path), NAMESPACE), b"another text"),
        (sign(DATA, str(alice.path), "git"), DATA),
        (sign(DATA, str(mallory.path), NAMESPACE), DATA),
        ("-----BEGIN SSH SIGNATURE-----\nnonsense\n-----END SSH SIGNATURE-----\n", DATA),
        ("", DATA),
    ]:
        with pytest.raises(IntegrityError):
            verified(tmp_path, line, signature, "alice@example.org", data=data)


@needs_ssh_keygen
def test_a_public_key_signs_by_the_agent(tmp_path: Path, keys) -> None:
    alice = keys[0]
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", str(alice.path)], env=environment, check=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSH_AUTH_SOCK", str(socket))
            signature = sign(DATA, alice.public.strip(), NAMESPACE)
    finally:
        agent.terminate()
        agent.wait()
    assert verified(tmp_path, alice.allowed("alice@example.org"), signature, "alice@example.org")


@needs_ssh_keygen
def test_what_cannot_sign_is_said_in_a_line(tmp_path: Path, keys) -> None:
    (tmp_path / "no key").write_text("nonsense")
    for key in (tmp_path / "absent", tmp_path / "no key"):
        with pytest.raises(UsageError) as raised:
            sign(DATA, str(key), NAMESPACE)
        assert "\n" not in str(raised.value)
        assert str(key) in str(raised.value)


def test_without_ssh_keygen_nothing_is_verified_and_nothing_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_keygen, "PROGRAM", "no-such-program")
    with pytest.raises(
        IntegrityError, match=r"there is no no-such-program here .*; install OpenSSH's client"
    ):
        verified(tmp_path, "", "", "alice@example.org")
    with pytest.raises(UsageError, match="there is no no-such-program"):
        sign(DATA, "key", NAMESPACE)


def test_without_the_file_of_signers_nothing_is_verified(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        signed_by(
            DATA,
            "",
            allowed_signers=tmp_path / "absent",
            principals=("a",),
            namespace=NAMESPACE,
            moment=MOMENT,
        )


HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
STATEMENTS = st.builds(
    Statement,
    schema=st.just(SCHEMA),
    name=st.from_regex(r"[a-z][a-z0-9/]{0,9}", fullmatch=True),
    tag=st.sampled_from(["v1", "latest"]),
    req_id=HEX.map(lambda text: text[:40]),
    full_id=HEX.map(lambda text: text[:40]),
    lock_digest=HEX,
    extras=st.dictionaries(st.sampled_from(["bytecode", "image"]), HEX),
    serial=st.integers(1, 10**6),
    previous=st.just("") | HEX,
    time=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
        lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
)


@given(STATEMENTS, STATEMENTS)
def test_statements_come_back_as_they_were_and_differ_in_their_bytes(one: Statement, two: Statement) -> None:
    """What is verified is what is read: no two statements have the same signed bytes."""
    assert decode(encode(Signed(statement=one, signature="x")), "here").statement == one
    assert (canonical(one) == canonical(two)) == (one == two)


def test_the_signed_bytes_are_these() -> None:
    statement = Statement(
        schema=1,
        name="team/torch",
        tag="v1",
        req_id="a" * 40,
        full_id="b" * 40,
        lock_digest="c" * 64,
        extras={},
        serial=1,
        previous="",
        time="2026-12-01T00:00:00Z",
    )
    assert canonical(statement).decode() == (
        f'{{"extras":{{}},"full_id":"{"b" * 40}","lock_digest":"{"c" * 64}","name":"team/torch",'
        f'"previous":"","req_id":"{"a" * 40}","schema":1,"serial":1,"tag":"v1",'
        '"time":"2026-12-01T00:00:00Z"}'
    )


CUT = STATEMENTS.map(lambda one: encode(Signed(statement=one, signature=""))[:-9])


@given(st.binary(max_size=200) | CUT)
def test_what_is_no_statement_is_told_in_a_line(data: bytes) -> None:
    with pytest.raises(IntegrityError) as raised:
        decode(data, "here")
    assert raised.value.where == "here"


def test_deep_and_long_documents_are_no_statements() -> None:
    for data in (b"[" * 10_000, b'{"statement":' + b"[" * 50_000, b'"' + b"x" * 10**6 + b'"'):
        with pytest.raises(IntegrityError):
            decode(data, "here")
