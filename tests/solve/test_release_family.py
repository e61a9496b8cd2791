from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from conjoin.solve.candidates.release_family import Lockstep
from conjoin.spec.names import PypiName

versions = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "1!"]),
    st.lists(st.integers(0, 12), min_size=2, max_size=4).map(lambda parts: ".".join(map(str, parts))),
    st.sampled_from(["", "a1", "rc2", ".post3", ".dev4"]),
    st.sampled_from(["", "+cpu", "+cu124.1"]),
).map(Version)


@given(versions, st.booleans(), st.integers(-1, 3))
def test_what_is_expected_of_a_release_is_a_specifier_that_its_own_version_meets(
    version: Version, exact: bool, bumped: int
) -> None:
    lockstep = Lockstep(PypiName("other"), exact, -1 if exact or bumped >= len(version.release) else bumped)
    specifier = SpecifierSet(lockstep.specifier(version))
    assert specifier.contains(version, prereleases=True)
    low, high = lockstep.bounds(version)
    assert low <= version
    assert high is None or high > version


@pytest.mark.parametrize(
    ("version", "bumped", "expected"),
    [
        ("1.34.121", 1, ">=1.34.121,<1.35"),
        ("1.34.121", -1, ">=1.34.121"),
        ("2.5.1+cu124", 0, ">=2.5.1,<3"),
        ("1!2.5", 1, ">=1!2.5,<1!2.6"),
    ],
)
def test_specifiers(version: str, bumped: int, expected: str) -> None:
    lockstep = Lockstep(PypiName("other"), exact=False, bumped=bumped)
    assert SpecifierSet(lockstep.specifier(Version(version))) == SpecifierSet(expected)


def test_an_exact_one_names_the_local_version() -> None:
    lockstep = Lockstep(PypiName("torch"), exact=True, bumped=-1)
    assert lockstep.specifier(Version("2.5.1+cu124")) == "==2.5.1+cu124"
