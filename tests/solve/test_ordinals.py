"""Ordinals: PEP 440 is evaluated over the list of versions, exactly as packaging does it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from conjoin.solve.candidates.ordinals import Ordinals, ranges_of

releases = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
suffixes = st.sampled_from(["", "a1", "b2", "rc1", ".post1", ".dev0", "rc1.dev2", ".post1.dev1"])
locals_ = st.sampled_from(["", "+cu116", "+local.1"])
epochs = st.sampled_from(["", "1!"])
public = st.builds(lambda *parts: "".join(parts), epochs, releases, suffixes)
versions = st.builds(lambda *parts: "".join(parts), public, locals_)


@st.composite
def specifiers(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["ordered", "equal", "prefix", "compatible", "arbitrary"]))
    if kind == "ordered":
        return draw(st.sampled_from([">=", "<=", ">", "<"])) + draw(public)
    if kind == "equal":
        return draw(st.sampled_from(["==", "!="])) + draw(versions)
    if kind == "prefix":
        return draw(st.sampled_from(["==", "!="])) + draw(epochs) + draw(releases) + ".*"
    if kind == "compatible":
        return "~=" + draw(epochs) + draw(releases) + "." + str(draw(st.integers(0, 3)))
    return "===" + draw(versions)


@given(st.lists(versions, max_size=40), st.lists(specifiers(), max_size=3))
def test_a_specifier_allows_exactly_what_packaging_accepts(texts: list[str], parts: list[str]) -> None:
    ordinals = Ordinals(map(Version, texts))
    specifier = SpecifierSet(",".join(parts))
    expected = [ordinals.of(version) for version in ordinals.versions if specifier.contains(version, True)]
    assert list(ordinals.allowed(str(specifier))) == expected


@given(st.sets(st.integers(1, 60)))
def test_ranges_describe_exactly_the_ordinals(numbers: set[int]) -> None:
    expression = ranges_of(sorted(numbers))
    described = set()
    for part in expression.split("|"):
        if part.startswith("=="):
            described.add(int(part[2:]))
        else:
            low, high = part.split(",")
            described.update(range(int(low[2:]), int(high[2:]) + 1))
    assert described - {0} == numbers


def test_an_impossible_specifier_gives_an_ordinal_that_nothing_has() -> None:
    assert Ordinals([Version("1")]).expression(">=2") == "==0"


def test_no_specifier_gives_no_expression() -> None:
    assert Ordinals([Version("1")]).expression("") == ""


def test_around_widens_a_range_to_the_grain_and_leaves_prereleases_of_the_bound_out() -> None:
    ordinals = Ordinals(map(Version, ["1.0", "1.1", "2.0rc1", "2.0", "2.1"]))
    assert ordinals.around(Version("1.1"), Version("2.0"), 1) == ">=2,<=2"
    assert ordinals.around(Version("1.1"), None, 1) == ">=2,<=5"
    assert ordinals.around(Version("1.1"), Version("2.0"), 4) == ">=0,<=4"
    assert ordinals.around(Version("3"), None, 4) == "==0"
