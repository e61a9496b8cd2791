"""The grammars of ids, digests and file names, each spelled once."""

from __future__ import annotations

import pytest

from conjoin.bootstrap import grammar as bootstrap_grammar
from conjoin.spec import grammars
from conjoin.spec.grammars import ENVIRONMENT_ID, is_id, is_plain_file_name, is_sha256

_ID = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("text", ["", _ID[:-1], _ID + "0", _ID.upper(), _ID + "\n", "g" * 40, "١" * 40])
def test_what_is_no_id(text: str) -> None:
    assert not is_id(text)


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "a" * 64 + "\n", "a" * 40])
def test_what_is_no_sha256(text: str) -> None:
    assert not is_sha256(text)


def test_an_id_a_sha256_and_the_name_of_an_environment() -> None:
    assert is_id(_ID)
    assert is_sha256("0f" * 32)
    found = ENVIRONMENT_ID.fullmatch(f"{_ID}:{'f' * 40}")
    assert found is not None
    assert found.groups() == (_ID, "f" * 40)
    assert ENVIRONMENT_ID.fullmatch(f"{_ID}:{_ID}\n") is None


@pytest.mark.parametrize(
    "name",
    [
        "numpy-2.1.3-py312h58c1407_0.conda",
        "_libgcc_mutex-0.1-conda_forge.tar.bz2",
        "x264-1!164.3095-h166bdaf_2.tar.bz2",
        "tzdata-2024b-hc8b5060_0.conda",
        "libcxx-19.1.4=0~rc1-0.conda",
        "torch-2.5.1+cu121-cp312-cp312-linux_x86_64.whl",
        "pytz-1!2024.1-py2.py3-none-any.whl",
    ],
)
def test_names_that_packages_have(name: str) -> None:
    assert is_plain_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "-rf",
        "a/b",
        "a\\b",
        "a b",
        "a\n",
        "a\x00",
        "a%2fb",
        "me@host",
        "ä",
        "C:x",
        "~",
    ],
)
def test_names_that_leave_their_folder_or_hide_in_it(name: str) -> None:
    assert not is_plain_file_name(name)


def test_the_bootstrap_s_copies_are_the_same() -> None:
    """It has the standard library alone, and so cannot import them."""
    names = ["ENVIRONMENT_ID", "HEX_64", "PLAIN_FILE_NAME"]
    assert [getattr(bootstrap_grammar, name).pattern for name in names] == [
        getattr(grammars, name).pattern for name in names
    ]
