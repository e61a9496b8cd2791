"""URLs of git repositories, read as pip reads them."""

from __future__ import annotations

import pytest

from conjoin.build.sources.git import GitUrl
from conjoin.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("git+https://git.example/a/b.git", GitUrl("https://git.example/a/b.git")),
        ("git+https://git.example/a/b.git@v1", GitUrl("https://git.example/a/b.git", "v1")),
        ("git+https://git.example/a/b@feature/x", GitUrl("https://git.example/a/b", "feature/x")),
        ("git+ssh://git@git.example/a/b.git@v1", GitUrl("ssh://git@git.example/a/b.git", "v1")),
        ("git+ssh://git@git.example:2222/b.git", GitUrl("ssh://git@git.example:2222/b.git")),
        ("git+file:///home/ada/b@v1", GitUrl("file:///home/ada/b", "v1")),
        ("git+https://git.example/b@v1#subdirectory=x/y", GitUrl("https://git.example/b", "v1", "x/y")),
        ("git+https://git.example/b@v1#egg=b&subdirectory=x", GitUrl("https://git.example/b", "v1", "x")),
    ],
)
def test_parts(text: str, expected: GitUrl) -> None:
    assert GitUrl.parse(text) == expected
    assert GitUrl.parse(str(expected)) == expected


def test_a_whole_commit_is_pinned_and_a_part_of_one_is_not() -> None:
    assert GitUrl("https://git.example/b", "a" * 40).is_pinned
    assert not GitUrl("https://git.example/b", "a" * 12).is_pinned


@pytest.mark.parametrize(
    "text", ["git+ext::sh -c id", "git+ftp://git.example/b", "git+/home/ada/b", "git+a@b:c"]
)
def test_other_schemes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the URL of a git repository"):
        GitUrl.parse(text)


@pytest.mark.parametrize("folder", ["..", "../x", "a/../../b", "%2e%2e/x", "a\\b"])
def test_a_subdirectory_does_not_lead_out(folder: str) -> None:
    with pytest.raises(UsageError, match="leads out"):
        GitUrl.parse(f"git+https://git.example/b#subdirectory={folder}")
