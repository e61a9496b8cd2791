"""Random small worlds in which all of PEP 440, 508 and 592 count at once: found exactly when one exists."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import conjoin.solve.request
from fuzzing import examples
from rules_worlds import NAMES, File, Need, RulesWorld, built, exists, reached, solved, worlds
from solving import always_search

_YANKED_LOCAL = RulesWorld(
    wheels={("a", "1.0+cpu"): File(yanked=True), ("a", "1.1a1"): File()},
    conda={},
    asked=(Need("a", "==1.0"),),
)

_LOCKSTEP = RulesWorld(
    # `>=1.0` of 1.0 says nothing of `>=1.0+cpu`, which is no PEP 440.
    wheels={
        ("a", "1.0"): File((Need("b", ">=1.0"),)),
        ("a", "1.0+cpu"): File((Need("b", ">1.0"), Need("c"))),
        ("b", "1.0"): File(),
    },
    conda={},
    asked=(Need("a", "==1.0"),),
)


@pytest.mark.slow
@settings(
    max_examples=examples(120),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    small=worlds,
    width=st.sampled_from([0, 1, 16]),
    strategy=st.sampled_from(["highest", "highest", "lowest"]),
    prefer_conda=st.booleans(),
)
@example(small=_YANKED_LOCAL, width=16, strategy="highest", prefer_conda=False)
@example(small=_LOCKSTEP, width=1, strategy="highest", prefer_conda=False)
def test_all_rules_at_once_have_a_solution_exactly_when_one_exists(
    small: RulesWorld, width: int, strategy: str, prefer_conda: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
        if width:
            # However little of each project the solver is shown at first.
            always_search(patch)
            patch.setattr(conjoin.solve.search.window, "_WIDTH", width)
            patch.setattr(conjoin.solve.search.window, "_WIDER", 2)
        found = solved(built(small, Path(folder)), small, strategy, prefer_conda=prefer_conda)
    if found is None:
        assert not exists(small)
        return
    conda = {name: version for name, version in found.conda.items() if name in NAMES}
    # Nothing that breaks a rule, and nothing that nobody asked for.
    assert reached(small, found.python, conda, found.wheels) == {*conda, *found.wheels}
