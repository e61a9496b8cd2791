from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from conjoin.errors import UsageError
from conjoin.forge.translate import conda_dependencies, conda_name_of, conda_specifier, conda_version
from conjoin.spec.names import CondaName, pypi_name
from conjoin.spec.platform import marker_environment

LINUX_311 = marker_environment("linux-64", "3.11.7")


@pytest.mark.parametrize(
    ("pep440", "conda"),
    [
        ("", ""),
        (">=1.2", ">=1.2"),
        ("==1.2", "==1.2"),
        ("==1.2.*", "1.2.*"),
        ("!=1.2.*", "!=1.2.*"),
        ("!=1.2", "!=1.2"),
        ("~=1.4", ">=1.4,1.*"),
        ("~=1.4.2", ">=1.4.2,1.4.*"),
        ("~=1!2.3", ">=1!2.3,1!2.*"),
        ("<2", "<2dev0"),
        ("<2.0", "<2dev0"),
        ("<2.0rc1", "<2.0rc1"),
        ("<=2", "<=2"),
        (">1.7", ">1.7,!=1.7.post*"),
        ("===1.0", "==1.0"),
        ("==1.0+cu118", "==1.0+cu118"),
        ("<3,>=1.26", "<3dev0,>=1.26"),
        (">=1.0.dev1", ">=1.0dev1"),
    ],
)
def test_specifiers_in_condas_words(pep440, conda):
    assert conda_specifier(SpecifierSet(pep440)) == conda


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        (["requests"], ["requests"]),
        (["Typing.Extensions>=4"], ["typing_extensions >=4"]),
        (["torch==2.1"], ["pytorch ==2.1"]),
        (["tzdata"], ["python-tzdata"]),
        (["zope-interface"], ["zope.interface"]),
        (["tomli; python_version<'3.11'"], []),
        (["tomli; python_version>='3.11'"], ["tomli"]),
        (["colorama; sys_platform=='win32'"], []),
        (["pytest; extra=='test'"], []),
        (["b", "a", "b"], ["a", "b"]),
        (["uvicorn[standard]>=0.1"], ["uvicorn >=0.1"]),
    ],
)
def test_requirements_in_condas_words(requires, expected):
    assert conda_dependencies(requires, LINUX_311) == expected


def test_extras_become_what_the_other_distribution_asks_for_with_them():
    known = {
        pypi_name("app"): [
            "base",
            "fast>1; extra == 'speed'",
            "app[more]; extra == 'speed'",
            "m; extra == 'more'",
        ]
    }
    found = conda_dependencies(["app[speed]"], LINUX_311, known=known)
    assert found == ["app", "fast >1,!=1.post*", "m"]


def test_the_users_names_go_before_the_known_ones():
    names = {pypi_name("torch"): CondaName("my-torch")}
    assert conda_name_of(pypi_name("torch"), names) == "my-torch"


def test_dependencies_on_urls_and_invalid_requirements_are_refused():
    with pytest.raises(UsageError, match="from a URL"):
        conda_dependencies(["x @ https://files.example/x.whl"], LINUX_311)
    with pytest.raises(UsageError, match="not a requirement"):
        conda_dependencies(["x ~~ 1"], LINUX_311)


numbers = st.integers(0, 12)
releases = st.lists(numbers, min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
suffixes = st.sampled_from(["", "", "", "a1", "b2", "rc1", ".dev1", ".post1", "a1.dev2"])
versions = st.builds(lambda release, suffix: release + suffix, releases, suffixes)


@given(versions, versions)
def test_condas_order_of_translated_versions_is_pep_440s(one, two):
    from rattler import Version as CondaVersion

    left, right = Version(one), Version(two)
    # 1.0.post1 against 1.0.0.1: conda's "post" is greater than any number there. Nobody releases both.
    if (left.post is None) != (right.post is None) and len(left.release) != len(right.release):
        return
    # 1a1 against 1.0a1, which no project spells both ways: conda attaches the letter to its own component.
    if len(left.release) != len(right.release) and (left.is_prerelease or right.is_prerelease):
        return
    ours, theirs = CondaVersion(conda_version(one)), CondaVersion(conda_version(two))
    assert (ours < theirs) == (left < right)
    assert (ours == theirs) == (left == right)


operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~="])


@given(operators, releases, st.booleans(), versions)
def test_a_translated_specifier_admits_what_pep_440s_does(operator, release, wildcard, version):
    from rattler import Version as CondaVersion
    from rattler.version import VersionSpec

    if operator == "~=":
        release += ".1"
    wanted = SpecifierSet(f"{operator}{release}{'.*' if wildcard and operator in ('==', '!=') else ''}")
    candidate = Version(version)
    components = len(Version(release).release)
    if len(candidate.release) != components and (candidate.is_prerelease or candidate.is_postrelease):
        return  # see the test above
    matches = VersionSpec(conda_specifier(wanted)).matches(CondaVersion(conda_version(version)))
    assert matches == wanted.contains(candidate, prereleases=True)
