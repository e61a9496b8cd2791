"""Random small worlds over both ecosystems: a solution is found exactly when one exists, and is valid."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import conjoin.solve.request
import conjoin.solve.search.window
from brute_force import NAMES, SmallWorld, build_world, exists, is_valid, worlds
from conjoin.errors import NoSolution
from fuzzing import examples
from solving import always_search


@pytest.mark.slow
@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(small=worlds, width=st.sampled_from([0, 1, 16]))
def test_a_solution_is_found_exactly_when_oneexists(
    small: SmallWorld, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
        if width:
            # However little of each project the solver is shown at first.
            always_search(patch)
            patch.setattr(conjoin.solve.search.window, "_WIDTH", width)
            patch.setattr(conjoin.solve.search.window, "_WIDER", 2)
        world = build_world(small, Path(folder))
        conda = ["python", *(f"{name} >={low},<={high}" for name, low, high in small.ask_conda)]
        pypi = [f"{name}>={low},<={high}" for name, low, high in small.ask_pypi]
        try:
            solved = world.solve(conda, pypi)
        except NoSolution:
            assert not exists(small)
            return
        chosen = {name: int(version) for name, version in solved.conda.items() if name in NAMES}
        wheels = {name: int(version) for name, version in solved.wheels.items()}
        assert is_valid(small, solved.python, chosen, wheels)
