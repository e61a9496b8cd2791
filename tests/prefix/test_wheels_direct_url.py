"""PEP 610: what was asked for by URL says so in the words of the standard; what an index has says nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.wheels import direct_url

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA = "ab" * 32
OTHER = "cd" * 32


def locked(**fields: Any) -> LockedPackage:
    return LockedPackage(
        kind="pypi", name="app", version="1.0", file="app-1.0-py3-none-any.whl", sha256=SHA, **fields
    )


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (
            locked(source_url=f"git+https://git.example/team/app.git@{COMMIT}#subdirectory=python"),
            {
                "url": "https://git.example/team/app.git",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT},
                "subdirectory": "python",
            },
        ),
        (
            locked(direct=True, source_url="file:///home/ada/app", source_sha256=OTHER),
            {"url": "file:///home/ada/app", "dir_info": {}},
        ),
        (
            locked(editable=True, direct=True, source_url="file:///home/ada/app"),
            {"url": "file:///home/ada/app", "dir_info": {"editable": True}},
        ),
        (
            locked(
                direct=True,
                source_url="https://files.example/app-1.0.tar.gz#subdirectory=python",
                source_sha256=OTHER,
            ),
            {
                "url": "https://files.example/app-1.0.tar.gz",
                "archive_info": {"hash": f"sha256={OTHER}", "hashes": {"sha256": OTHER}},
                "subdirectory": "python",
            },
        ),
        (
            locked(direct=True, url="https://files.example/app-1.0-py3-none-any.whl"),
            {
                "url": "https://files.example/app-1.0-py3-none-any.whl",
                "archive_info": {"hash": f"sha256={SHA}", "hashes": {"sha256": SHA}},
            },
        ),
    ],
    ids=["git", "folder", "editable", "sdist", "wheel"],
)
def test_what_was_asked_for_by_url(package: LockedPackage, expected: dict[str, Any]) -> None:
    said = direct_url(package)
    assert said is not None
    assert json.loads(said) == expected
    assert said == direct_url(package)


def test_what_an_index_has_says_nothing() -> None:
    assert direct_url(locked(url="https://index.example/files/app-1.0-py3-none-any.whl")) is None
    assert direct_url(locked(source_url="https://index.example/app-1.0.tar.gz", source_sha256=OTHER)) is None


def test_nobody_s_password_is_said() -> None:
    said = direct_url(locked(direct=True, url="https://ada:geheim@files.example/app-1.0-py3-none-any.whl"))
    assert said is not None
    assert b"geheim" not in said
    said = direct_url(locked(source_url=f"git+https://ada:geheim@git.example/app.git@{COMMIT}"))
    assert said is not None
    assert b"geheim" not in said
