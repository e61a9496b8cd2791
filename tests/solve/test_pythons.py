"""Markers taken apart hold for the same Pythons as whole ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.version import Version

from conjoin.index.pypi.dependency import Condition, is_meaningful
from conjoin.solve.candidates.pythons import PythonBuild, PythonPool, comparisons, named_extra
from conjoin.spec.platform import marker_environment

BUILDS = [
    PythonBuild(Version(version), version, f"h_{number}_{ending}", implementation)
    for number, (version, ending, implementation) in enumerate(
        [("3.8.20", "cpython", "cp"), ("3.9.1", "73_pypy", "pp"), ("3.12.1", "cp312", "cp")]
    )
]

VARIABLES = ("python_version", "python_full_version", "sys_platform", "platform_system", "os_name", "extra")
VALUES = ("3.8", "3.9.1", "3.12.*", "linux", "win32", "Linux", "posix", "fast", "Fast_IO", "v1", "2.0", "")
OPERATORS = ("==", "!=", "<", ">=", "~=", "===", "in", "not in")

single = st.tuples(
    st.sampled_from(VARIABLES), st.sampled_from(OPERATORS), st.sampled_from(VALUES), st.booleans()
)


def _spelled(comparison: tuple[str, str, str, bool]) -> str:
    variable, operator, value, turned = comparison
    return f"'{value}' {operator} {variable}" if turned else f"{variable} {operator} '{value}'"


@given(
    st.lists(single, min_size=1, max_size=4),
    st.lists(st.sampled_from(("and", "or")), min_size=3, max_size=3),
    st.sampled_from(["", "fast", "Fast_IO", "v1"]),
)
def test_a_marker_holds_for_the_pythons_that_packaging_says(
    parts: list[tuple[str, str, str, bool]], joints: list[str], of_extra: str
) -> None:
    text = _spelled(parts[0])
    for joint, part in zip(joints, parts[1:], strict=False):
        text += f" {joint} {_spelled(part)}"
    if of_extra:
        text = f"({text}) and extra == '{of_extra}'"
    if not is_meaningful(text):
        return
    condition = Condition(str(Marker(text)))
    for extra in ("", "fast", "fast-io"):
        pool = PythonPool(BUILDS, "linux-64")
        expected = 0
        for index, build in enumerate(pool.builds):
            name = "pypy" if build.implementation == "pp" else "cpython"
            environment = marker_environment("linux-64", str(build.version), name)
            expected |= Marker(condition).evaluate({**environment, "extra": extra}) << index
        assert pool.marker(condition, extra) == expected, condition


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("os_name == 'a' and extra == 'b'", ('os_name == "a"', 'extra == "b"')),
        ("'a' in os_name", ('"a" in os_name',)),
        (
            "(os_name == 'a' or os_name == 'b') and extra == 'c'",
            ('os_name == "a" or os_name == "b"', 'extra == "c"'),
        ),
    ],
)
def test_a_conjunction_is_taken_apart(text: str, expected: tuple[str, ...]) -> None:
    assert comparisons(Condition(str(Marker(text)))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "os_name == 'a' or extra == 'b'",
        "os_name == 'a' and (extra == 'b' or extra == 'c')",
        "platform_version == 'x and y'",
        "(os_name == 'a' or os_name == 'b') and (os_name == 'c' or os_name == 'd') and extra == 'e'",
        "(os_name == 'a' or os_name == '(') and extra == 'e'",
    ],
)
def test_anything_else_stays_whole(text: str) -> None:
    condition = Condition(str(Marker(text)))
    assert comparisons(condition) == (condition,)


@pytest.mark.parametrize(
    ("comparison", "extra"),
    [
        ('extra == "Fast_IO"', "fast-io"),
        ('extra == "v1"', None),
        ('extra == "2"', None),
        ('os_name == "x"', None),
    ],
)
def test_an_extra_is_recognised_unless_it_reads_like_a_version(comparison: str, extra: str | None) -> None:
    assert named_extra(Condition(comparison)) == extra
