from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from conjoin.errors import UsageError
from conjoin.spec.syntax.pypi_requirement import (
    canonical_marker,
    canonical_specifier,
    hash_digest,
    pypi_requirement,
    requirement_of_url,
)

RELEASES = st.lists(st.integers(0, 3).map(str), min_size=1, max_size=4).map(".".join)
VERSIONS = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", "", "1!"]),
    RELEASES,
    st.sampled_from(["", "", "a0", "rc1", ".post1", ".dev0"]),
)
CLAUSES = st.one_of(
    st.builds(str.__add__, st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "==="]), VERSIONS),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), RELEASES),
    st.builds("~={}.{}".format, RELEASES, RELEASES),
)
SPECIFIERS = st.lists(CLAUSES, max_size=4).map(",".join)


@given(SPECIFIERS, st.lists(VERSIONS, min_size=1, max_size=10))
def test_the_canonical_specifier_contains_the_versions_the_original_contains(text, versions):
    original, canonical = SpecifierSet(text), SpecifierSet(canonical_specifier(text))
    for version in versions:
        assert original.contains(version, prereleases=True) == canonical.contains(version, prereleases=True)
    assert original.prereleases == canonical.prereleases


@given(SPECIFIERS, st.sets(st.sampled_from(["B_b", "a.a", "C"])))
def test_the_canonical_form_is_its_own_canonical_form(specifier, extras):
    once = pypi_requirement(f"Some.Name[{','.join(extras)}]{specifier} ; python_version<'3.12'")
    assert pypi_requirement(str(once)) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Requests [socks,Security] >= 2.0 , <3", "requests[security,socks]<3,>=2"),
        ("a==2.2.0", "a==2.2"),
        ("a==2.2", "a==2.2"),
        ("a == 1.0.*", "a==1.0.*"),
        ("a~=1.0", "a~=1.0"),
        ("a===1.0", "a===1.0"),
        ("a>=1,>=1.0", "a>=1"),
        ("a (>=v1.0)", "a>=1"),
        ("a ; python_version<'3.10'  and os_name=='nt'", 'a ; python_version < "3.10" and os_name == "nt"'),
        ("a_B.c @ https://host.example/a-1.tar.gz", "a-b-c @ https://host.example/a-1.tar.gz"),
        ("a @ git+https://u:p@host.example/a@main#egg=a", "a @ git+https://host.example/a@main"),
        (
            "a @ git+ssh://git@host.example/a#subdirectory=x",
            "a @ git+ssh://git@host.example/a#subdirectory=x",
        ),
    ],
)
def test_spellings(text, expected):
    ours = pypi_requirement(text)
    assert str(ours) == expected
    assert Requirement(str(ours))


def test_a_hash_in_a_url_is_a_hash_of_the_requirement():
    digest = "AB" * 32
    ours = pypi_requirement(f"a @ https://host.example/a.whl#sha256={digest}")
    assert ours.hashes == (f"sha256:{digest.lower()}",)
    assert ours.url == "https://host.example/a.whl"


def test_other_hashes_than_sha256_are_refused():
    with pytest.raises(UsageError, match="expected sha256:<64 hex digits>"):
        hash_digest("md5:" + "0" * 32)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("git+https://host.example/r.git@v1#egg=Foo_bar", "foo-bar"),
        ("https://host.example/foo_x-1.0-py3-none-any.whl", "foo-x"),
        ("https://host.example/foo_x-1.0.tar.gz", "foo-x"),
    ],
)
def test_a_bare_url_is_named_by_its_fragment_or_file(text, name):
    assert requirement_of_url(text).name == name


@pytest.mark.parametrize("place", ["./sub/x.whl", "sub/x.whl", "file:sub/x.whl", "file:./sub/x.whl"])
def test_a_path_behind_the_name_starts_from_its_file(tmp_path, place):
    ours = pypi_requirement(f"x @ {place} ; os_name == 'posix'", folder=tmp_path)
    assert str(ours) == f'x @ {(tmp_path / "sub" / "x.whl").as_uri()} ; os_name == "posix"'


def test_a_folder_is_named_by_its_pyproject(tmp_path):
    (tmp_path / "proj").mkdir()
    (tmp_path / "proj" / "pyproject.toml").write_text('[project]\nname = "The_Proj"\n')
    ours = requirement_of_url("./proj[fast] ; python_version < '3.12'", folder=tmp_path)
    assert str(ours) == f'the-proj[fast] @ {(tmp_path / "proj").as_uri()} ; python_version < "3.12"'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a=1.2", "one '=' is conda's spelling"),
        ("a b", "is not a PyPI requirement"),
        ("==1", "is not a PyPI requirement"),
        ("", "is not a PyPI requirement"),
        ("a>=1.2.*", "is not a PyPI requirement"),
        ("a;python>'3'", "is not a PyPI requirement"),
    ],
)
def test_what_is_no_requirement_is_refused_with_what_was_expected(text, what):
    with pytest.raises(UsageError, match=what) as caught:
        pypi_requirement(text)
    assert "PEP 508" in str(caught.value.advice)


def test_a_url_that_names_no_project_is_refused():
    with pytest.raises(UsageError, match="does not say which project it is; write 'NAME @ git"):
        requirement_of_url("git+https://host.example/r")
    with pytest.raises(UsageError, match="does not exist"):
        requirement_of_url("./no/such/folder")


def test_specifiers_and_markers_by_themselves():
    assert canonical_specifier(">=1.0 , <2.0") == "<2,>=1"
    assert canonical_marker("os_name=='nt'") == 'os_name == "nt"'
    with pytest.raises(UsageError, match="is not a version specifier"):
        canonical_specifier("about 1")
    with pytest.raises(UsageError, match="is not a marker"):
        canonical_marker("on mondays")


@given(st.text(max_size=40))
def test_no_text_whatever_ends_in_anything_but_an_answer_or_a_usage_error(text):
    with suppress(UsageError):
        assert Requirement(str(pypi_requirement(text)))
