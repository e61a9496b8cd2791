from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from rattler import Version, VersionSpec

from conjoin.errors import UsageError
from conjoin.spec.syntax.python_version import joined, python_version, requires_python

PYTHONS = [f"{major}.{minor}.{patch}" for major in (2, 3, 4) for minor in range(14) for patch in range(4)]
BOUNDS = st.sampled_from([version.removesuffix(".0") for version in PYTHONS])
CLAUSES = st.one_of(
    st.builds(str.__add__, st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "~="]), BOUNDS),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), st.sampled_from(["3", "3.10", "3.9", "4"])),
)


@given(st.lists(CLAUSES, min_size=1, max_size=3).map(",".join))
def test_requires_python_allows_as_conda_expression_the_pythons_pep_440_allows(text):
    allowed = VersionSpec(requires_python(text) or "*", strict=True)
    assert [v for v in PYTHONS if allowed.matches(Version(v))] == list(SpecifierSet(text).filter(PYTHONS))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", "3.*"),
        ("3.11", "3.11.*"),
        ("3.11.*", "3.11.*"),
        ("=3.11", "3.11.*"),
        ("3.11.7", "==3.11.7"),
        ("==3.11.7", "==3.11.7"),
        (">=3.10, <3.13", ">=3.10,<3.13"),
        ("3.13.0rc1", "==3.13.0rc1"),
        ("3.10.*|3.12.*", "3.10.*|3.12.*"),
        ("", ""),
        ("*", ""),
    ],
)
def test_what_the_option_python_means(text, expected):
    assert python_version(text) == expected


@pytest.mark.parametrize("text", ["python", "3.x", "py311", "python3.11", "3,11,", "3.11 py"])
def test_what_is_no_python_version_is_refused(text):
    with pytest.raises(UsageError, match="is not a Python version; expected a version such as"):
        python_version(text)


def test_a_requires_python_that_is_none_is_refused():
    with pytest.raises(UsageError, match="expected PEP 440"):
        requires_python("3.11")


def test_several_sources_are_joined():
    assert joined((">=3.9", "3.11.*|3.12.*", "", ">=3.9")) == ">=3.9,(3.11.*|3.12.*)"
    assert joined(()) == ""
