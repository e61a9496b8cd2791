"""This host's Python is chosen without the solver exactly as the solver would choose it."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin import Requirements
from conjoin.solve.host_python import HostPythonSource, as_records
from conjoin.solve.search.conda_side import CondaSolver, Unsatisfiable
from conjoin.solve.solution import ChosenPython

PLATFORM = "linux-64"

_releases = st.sampled_from(
    ["3.8.0", "3.9.10", "3.10.2", "3.11", "3.11.0", "3.11.7", "3.11.10", "3.12.1", "3.13.0", "3.13.0rc1"]
)
_builds = st.sampled_from(["cp311", "cp313t", "pypy310_pp73"])
_sources = st.builds(
    lambda pairs: HostPythonSource(PLATFORM, [ChosenPython("cp", *pair) for pair in pairs]),
    st.lists(st.tuples(_releases, _builds), min_size=1, max_size=6, unique=True),
)
_numbers = st.sampled_from(["3", "3.8", "3.9", "3.11", "3.11.0", "3.11.7", "3.12", "3.13", "4"])
_parts = st.one_of(
    st.builds(str.__add__, st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "~="]), _numbers),
    st.builds(lambda text: f"{text}.*", _numbers),
    st.builds(lambda text: f"!={text}.*", _numbers),
    _numbers,
)
_expressions = st.one_of(
    st.just(""),
    st.lists(_parts, min_size=1, max_size=3).map(",".join),
    st.lists(_parts, min_size=2, max_size=2).map("|".join),
)


def _asked(python: str, *, newer: str | None = None, strategy: str = "highest") -> Requirements:
    return Requirements.build(
        pypi=["x"], python=python, python_source="host", exclude_newer=newer, strategy=strategy
    )


def _solver(asked: Requirements, source: HostPythonSource) -> CondaSolver:
    return CondaSolver(asked, None, PLATFORM, {}, python_source=source)


@given(_sources, _expressions)
def test_what_is_admitted_is_what_py_rattler_admits(source: HostPythonSource, python: str) -> None:
    asked = _asked(python)
    admitted = source.admitted(asked)
    if admitted is not None:
        assert as_records(admitted) == _solver(asked, source).admitted_pythons(source.records())
        for early, made in zip(admitted, as_records(admitted), strict=True):
            assert str(early.name.normalized) == made.name.normalized
            assert (str(early.version), str(early.build)) == (str(made.version), str(made.build))


@given(_sources, _expressions)
def test_the_newest_is_what_the_solver_chooses(source: HostPythonSource, python: str) -> None:
    asked = _asked(python)
    newest = source.newest(asked)
    if newest is not None:
        assert as_records([newest]) == asyncio.run(_solver(asked, source).solve())


def test_the_usual_expressions_need_no_py_rattler() -> None:
    source = HostPythonSource(
        PLATFORM, [ChosenPython("cp", "3.11.7", "cp311"), ChosenPython("cp", "3.9.1", "cp39")]
    )
    for python in ("", "3.11", "3.11.7", ">=3.8", ">=3.8,<3.12", "!=3.9.1"):
        newest = source.newest(_asked(python))
        assert newest is not None, python
        assert str(newest.version) == "3.11.7", python


def test_where_the_solver_has_more_to_weigh_it_is_asked() -> None:
    two = [ChosenPython("cp", "3.13.0", "cp313"), ChosenPython("cp", "3.13.0", "cp313t")]
    source = HostPythonSource(PLATFORM, [*two, ChosenPython("cp", "3.12.1", "cp312")])
    assert source.newest(_asked("")) is None
    assert source.newest(_asked("3.12", newer="2026-01-01")) is None
    assert source.newest(_asked("3.12", strategy="lowest")) is None
    assert source.newest(_asked("3.10")) is None
    assert source.admitted(_asked("3.10|3.12")) is None
    with pytest.raises(Unsatisfiable):
        asyncio.run(_solver(_asked("3.10"), source).solve())
