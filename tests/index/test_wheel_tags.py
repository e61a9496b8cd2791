from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import compatible_tags, cpython_tags, parse_tag

from conjoin.index.pypi.wheel_tags import PythonAbi, supported, why_not

LINUX = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64")
MACOS = ("macosx_13_0_arm64", "macosx_13_0_universal2", "macosx_11_0_arm64")
CP311 = PythonAbi("cp", 3, 11)

pythons = st.builds(
    PythonAbi,
    st.just("cp"),
    st.just(3),
    st.integers(8, 15),
    st.booleans(),
).filter(lambda python: not python.free_threaded or python.minor >= 13)
interpreters = st.one_of(
    st.builds("cp3{}".format, st.integers(0, 16)),
    st.builds("py3{}".format, st.integers(0, 16)),
    st.sampled_from(
        ["py3", "py2", "cp3", "cp27", "pp310", "pp3", "py", "cp", "jy3", "cp3x", "py03", "cp308"]
    ),
)
abis = st.one_of(
    st.sampled_from(["none", "abi3", "abi3t", "cp37m", "pypy310_pp73"]),
    st.builds("cp3{}".format, st.integers(8, 16)),
    st.builds("cp3{}t".format, st.integers(13, 16)),
)
platforms = st.sampled_from([*LINUX, *MACOS, "any", "win_amd64", "musllinux_1_2_x86_64"])


def sets(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(part, min_size=1, max_size=3).map(".".join)


def packaging_order(python: PythonAbi, platform_tags: tuple[str, ...]) -> dict[object, int]:
    version = (python.major, python.minor)
    own = f"cp{python.major}{python.minor}"
    tags = [
        *cpython_tags(version, [f"{own}t" if python.free_threaded else own], list(platform_tags)),
        *compatible_tags(version, own, list(platform_tags)),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(tags)))}


@given(
    st.lists(st.builds("{}-{}-{}".format, sets(interpreters), sets(abis), sets(platforms)), min_size=1),
    pythons,
    st.sampled_from([LINUX, MACOS, LINUX[1:]]),
)
def test_accepts_and_orders_exactly_as_packaging_does(
    wheels: list[str], python: PythonAbi, platform_tags: tuple[str, ...]
) -> None:
    order = packaging_order(python, platform_tags)
    theirs = {
        wheel: min((order[tag] for tag in parse_tag(wheel) if tag in order), default=None) for wheel in wheels
    }
    ours = {wheel: supported(wheel, python, platform_tags) for wheel in wheels}
    assert {wheel for wheel in wheels if ours[wheel] is None} == {
        wheel for wheel in wheels if theirs[wheel] is None
    }
    accepted = [wheel for wheel in ours if ours[wheel] is not None]
    for one in accepted:
        for other in accepted:
            assert (ours[one] < ours[other]) == (theirs[one] < theirs[other]), (one, other)  # type: ignore[operator]


@pytest.mark.parametrize("python", [PythonAbi("cp", 3, minor, free) for minor in (13, 15) for free in (0, 1)])
def test_every_tag_that_packaging_lists_is_accepted_in_the_same_order(python: PythonAbi) -> None:
    order = packaging_order(python, LINUX)
    ranks = [supported(str(tag), python, LINUX) for tag in sorted(order, key=order.__getitem__)]
    assert None not in ranks
    assert ranks == sorted(ranks, key=lambda rank: rank or 0)
    assert len(set(ranks)) == len(order)


def test_a_wheel_for_pypy_needs_pypy() -> None:
    tags = "pp310-pypy310_pp73-manylinux_2_17_x86_64"
    assert supported(tags, PythonAbi("pp", 3, 10), LINUX) is not None
    assert supported(tags, PythonAbi("cp", 3, 10), LINUX) is None
    assert supported("cp310-cp310-manylinux_2_17_x86_64", PythonAbi("pp", 3, 10), LINUX) is None
    assert supported("py3-none-any", PythonAbi("pp", 3, 10), LINUX) is not None


@pytest.mark.parametrize(
    ("tags", "platform_tags", "reason"),
    [
        ("cp311-cp311-manylinux_2_34_x86_64", LINUX, "needs glibc 2.34, the target has 2.28"),
        ("cp311-cp311-macosx_11_0_arm64", LINUX, "is for macOS arm64"),
        ("cp311-cp311-macosx_14_0_arm64", MACOS, "needs macOS 14.0, the target has 13.0"),
        ("cp311-cp311-win_amd64", LINUX, "is for Windows (win_amd64)"),
        ("cp311-cp311-musllinux_1_2_x86_64", LINUX, "is for Linux x86_64 with musl"),
        ("cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64", LINUX, "is for Linux aarch64"),
        ("cp38-cp38-manylinux2014_x86_64", LINUX, "is for CPython 3.8, not CPython 3.11"),
        (
            "cp312-abi3-manylinux2014_x86_64",
            LINUX,
            "is for CPython 3.12 or later with the GIL, not CPython 3.11",
        ),
        ("cp313-cp313t-linux_x86_64", LINUX, "is for free-threaded CPython 3.13, not CPython 3.11"),
        ("py2-none-any", LINUX, "is for Python 2, not CPython 3.11"),
    ],
)
def test_a_refusal_is_told_in_words(tags: str, platform_tags: tuple[str, ...], reason: str) -> None:
    assert supported(tags, CP311, platform_tags) is None
    assert why_not(tags, [CP311], platform_tags) == reason
