from __future__ import annotations

import pytest

from conjoin.errors import UsageError
from conjoin.store.layout import (
    alias_key,
    complete_key,
    lock_key,
    package_key,
    parse_lock_key,
    parse_package_key,
    parse_pointer_key,
    plain_name,
    pointer_key,
    toolkit_file_key,
)

REQ_ID, FULL_ID, SHA256 = "1" * 40, "a2" * 20, "0f" * 32
TIME = "20261120T201500.123456Z"

NOT_PLAIN = ["", ".hidden", "../up", "a/b", "a b", "a\n", "-x", "a%2fb", "ä"]


def test_what_is_written_is_read_back() -> None:
    assert parse_lock_key(lock_key(REQ_ID, FULL_ID)) == (REQ_ID, FULL_ID)
    assert parse_package_key(package_key(SHA256, "a-1.0-0.conda")) == SHA256
    key = pointer_key(REQ_ID, "ada@host-1", TIME, FULL_ID)
    assert parse_pointer_key(key) == (REQ_ID, "ada@host-1", TIME, FULL_ID)


def test_other_keys_are_not_taken_for_one() -> None:
    keys = [
        lock_key(REQ_ID, FULL_ID),
        package_key(SHA256, "a-1.0-0.conda"),
        pointer_key(REQ_ID, "ada", TIME, FULL_ID),
        complete_key(REQ_ID, FULL_ID, "linux-64"),
        alias_key("team/torch", "v1"),
        toolkit_file_key("linux-64", SHA256, "uv"),
        f"envs/{REQ_ID}/{FULL_ID}/lock.json/more",
        f"envs/{REQ_ID}/{FULL_ID[:-1]}/lock.json",
        f"elsewhere/{lock_key(REQ_ID, FULL_ID)}",
    ]
    assert [key for key in keys if parse_lock_key(key)] == keys[:1]
    assert [key for key in keys if parse_package_key(key)] == keys[1:2]
    assert [key for key in keys if parse_pointer_key(key)] == keys[2:3]


@pytest.mark.parametrize("file", [*NOT_PLAIN, "me@host"])
def test_a_file_keeps_to_its_folder(file: str) -> None:
    """What a lock may not name, a store does not keep either."""
    for key in (lambda: package_key(SHA256, file), lambda: toolkit_file_key("linux-64", SHA256, file)):
        with pytest.raises(UsageError, match="not a plain name"):
            key()


@pytest.mark.parametrize("user", NOT_PLAIN)
def test_a_user_keeps_to_its_folder(user: str) -> None:
    with pytest.raises(UsageError, match="not a plain name"):
        plain_name(user)


@pytest.mark.parametrize("sha256", ["", SHA256[:-1], SHA256 + "0", SHA256.upper(), SHA256[:-1] + "\n"])
def test_a_digest_is_one(sha256: str) -> None:
    with pytest.raises(UsageError, match="not a sha256"):
        package_key(sha256, "a-1.0-0.conda")


@pytest.mark.parametrize("text", ["", REQ_ID[:-1], REQ_ID + "0", "A2" * 20])
def test_an_id_is_one(text: str) -> None:
    with pytest.raises(UsageError, match="not an id"):
        lock_key(REQ_ID, text)
