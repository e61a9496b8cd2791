from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rattler import Version, VersionSpec
from rattler.exceptions import InvalidVersionSpecError

from conjoin.errors import UsageError
from conjoin.spec.syntax.conda_version import (
    VersionAndBuild,
    conda_version,
    conda_version_and_build,
    conjunction,
)

RELEASES = st.lists(st.integers(0, 3).map(str), min_size=1, max_size=4).map(".".join)
VERSIONS = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", "", "", "0!", "1!"]),
    RELEASES,
    st.sampled_from(["", "", "", "", "a1", "rc1", ".post1", ".dev0", "a", "_0"]),
    st.sampled_from(["", "", "", "+l1"]),
)
BOUNDS = st.one_of(
    st.builds(str.__add__, st.sampled_from(["", "==", "!=", ">=", "<=", ">", "<", "=", "~="]), VERSIONS),
    # rattler's VersionSpec reads `==1.2.*` as `==1.2`, its MatchSpec as `1.2.*`: the latter is what people
    # type, so it is left out here and compared in test_conda_requirement.
    st.builds(
        lambda operator, release, star: operator + release + star,
        st.sampled_from(["", "!=", ">=", "<", "="]),
        RELEASES,
        st.sampled_from([".*", "*"]),
    ),
)
FLAT = st.builds(
    lambda alternatives, space: f"{space}|{space}".join(f"{space},{space}".join(a) for a in alternatives),
    st.lists(st.lists(BOUNDS, min_size=1, max_size=3), min_size=1, max_size=3),
    st.sampled_from(["", " "]),
)
EXPRESSIONS = FLAT | st.builds("({}),{}".format, FLAT, BOUNDS) | st.builds("{}|({})".format, BOUNDS, FLAT)


@given(EXPRESSIONS, st.lists(VERSIONS, min_size=1, max_size=12))
def test_the_canonical_form_matches_the_versions_the_original_matches(text, versions):
    try:
        original = VersionSpec(text)
    except InvalidVersionSpecError:
        assume(False)
    canonical = VersionSpec(conda_version(text) or "*", strict=True)
    for version in map(Version, versions):
        assert original.matches(version) == canonical.matches(version), (text, str(canonical), version)


@given(EXPRESSIONS)
def test_the_canonical_form_is_its_own_canonical_form(text):
    once = conda_version(text)
    assert conda_version(once) == once


@given(st.lists(st.lists(BOUNDS, min_size=1, max_size=3), min_size=1, max_size=3), st.randoms())
def test_the_order_of_typing_means_nothing(alternatives, random):
    typed = "|".join(",".join(one) for one in alternatives)
    for one in alternatives:
        random.shuffle(one)
    random.shuffle(alternatives)
    assert conda_version("|".join(",".join(one) for one in alternatives)) == conda_version(typed)


@given(st.lists(EXPRESSIONS, min_size=1, max_size=3), VERSIONS)
def test_a_conjunction_allows_what_all_of_its_parts_allow(texts, version):
    parts = [conda_version(text) for text in texts]
    both = VersionSpec(conjunction(parts) or "*", strict=True)
    expected = all(VersionSpec(part or "*").matches(Version(version)) for part in parts)
    assert both.matches(Version(version)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("*", ""),
        (">=*", ""),
        ("1.26", "==1.26"),
        ("==1.26", "==1.26"),
        ("==1.26.0", "==1.26"),
        ("=1.26", "1.26.*"),
        ("1.26*", "1.26.*"),
        ("1.26.*", "1.26.*"),
        ("=1.26.*", "1.26.*"),
        ("==1.26.*", "1.26.*"),
        ("1.26.0.*", "1.26.0.*"),
        ("~=1.20", "~=1.20"),
        ("<2, >=1.2.0", ">=1.2,<2"),
        ("!=1.5,<2,>=1", ">=1,<2,!=1.5"),
        (">=1.2.*", ">=1.2"),
        ("!=1.2*", "!=1.2.*"),
        ("1.3|1.2", "==1.2|==1.3"),
        ("1.2|1.2.0", "==1.2"),
        ("1.2|*", ""),
        (">=1,*", ">=1"),
        ("(>=1|<0.5),<2", "<2,(>=1|<0.5)"),
        ("((1.2))", "==1.2"),
        ("2024.01.0", "==2024.1"),
        ("0!1.0", "==1"),
        ("1!2.0", "==1!2"),
        ("1.0RC1", "==1.0rc1"),
    ],
)
def test_spellings(text, expected):
    assert conda_version(text) == expected


@pytest.mark.parametrize(
    ("text", "version", "build"),
    [
        ("=1.26=py311*", "==1.26", "py311*"),
        ("=1.26.*=py311*", "1.26.*", "py311*"),
        ("==1.26.4=py311_0", "==1.26.4", "py311_0"),
        (" 1.26.4 py311_0", "==1.26.4", "py311_0"),
        (" >=1.2, <2 py*", ">=1.2,<2", "py*"),
        ("=*=*mkl", "", "*mkl"),
        (" 1.2.* *", "1.2.*", ""),
        (" * *_cp311", "", "*_cp311"),
    ],
)
def test_a_build_may_follow_the_version(text, version, build):
    assert conda_version_and_build(text) == VersionAndBuild(version, build)


@pytest.mark.parametrize(
    "text",
    ["1.*.3", "===1.2", ">1.2.*", "<=1.2.*", "~=1.2.*", ">=1.2|", "(", ")", "1..2", "^1.2", "1.2;x", "!~=1",
     "=1.2=", "a b c", "1.2 py", ",", "!=*", "1-2_3", "(" * 5000 + "1" + ")" * 5000],
)  # fmt: skip
def test_what_is_no_version_is_refused_with_advice(text):
    with pytest.raises(UsageError) as caught:
        conda_version(text)
    assert caught.value.advice


@given(st.text(max_size=30))
@example("20000000000000000000")
@example("1!2.18446744073709551616")
def test_no_text_whatever_ends_in_anything_but_an_answer_or_a_usage_error(text):
    with suppress(UsageError):
        assert VersionSpec(conda_version(text) or "*", strict=True)
