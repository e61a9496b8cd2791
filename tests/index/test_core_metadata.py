from __future__ import annotations

import pytest
from packaging.version import Version

from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.spec.names import PypiName

HEAD = "Metadata-Version: 2.1\nName: Tiny.Lib\nVersion: 1.0\n"


def parse(text: str) -> object:
    return parse_core_metadata(text.encode(), PypiName("tiny-lib"), Version("1.0.0"))


def test_what_resolving_needs_is_read() -> None:
    known = parse_core_metadata(
        (
            HEAD + "Requires-Python: >=3.8\nProvides-Extra: Fast_IO\nProvides-Extra: -\n"
            "Requires-Dist: numpy (<2,>=1.26)\nRequires-Dist: x ; extra == 'fast-io'\n\nRequires-Dist: no\n"
        ).encode(),
        PypiName("tiny-lib"),
        Version("1.0.0"),
    )
    assert known.name == "tiny-lib"
    assert known.version == Version("1.0")
    assert known.requires_dist == ("numpy (<2,>=1.26)", "x ; extra == 'fast-io'")
    assert known.requires_python == ">=3.8"
    assert known.provides_extras == {"fast-io"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names the project ''"),
        ("<html><body>Not here</body></html>", "names the project ''"),
        (HEAD.replace("Tiny.Lib", "other"), "names the project 'other'"),
        (HEAD.replace("Name: Tiny.Lib\n", ""), "names the project ''"),
        (HEAD.replace("1.0\n", "1.1\n"), "names the version '1.1'"),
        (HEAD.replace("1.0\n", "one\n"), "invalid"),
        (HEAD + "Requires-Dist: numpy >= >= 2\n", "not PEP 508"),
        (HEAD + "Requires-Dist: \n", "not PEP 508"),
        (HEAD + "Requires-Python: three\n", "Requires-Python is invalid"),
        (HEAD + "Name: second\n", "unreadable Name"),
    ],
)
def test_metadata_that_says_something_else_or_nonsense_is_unusable(text: str, reason: str) -> None:
    with pytest.raises(MetadataUnusable, match=reason) as caught:
        parse(text)
    assert "\n" not in caught.value.reason


def test_the_one_legacy_form_is_repaired() -> None:
    known = parse(HEAD + "Requires-Dist: numpy (>=1.7.*)\nRequires-Python: >=3.6.*\n")
    assert known.requires_dist == ("numpy (>=1.7)",)  # type: ignore[attr-defined]
    assert known.requires_python == ">=3.6"  # type: ignore[attr-defined]


def test_crlf_headers_end_where_the_description_begins() -> None:
    known = parse((HEAD + "Requires-Dist: a\n\nName: evil\n").replace("\n", "\r\n"))
    assert known.requires_dist == ("a",)  # type: ignore[attr-defined]
