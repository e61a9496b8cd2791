"""The scenarios of packse, a conformance suite for resolvers: ours gives every answer that is expected.

The scenarios of packse itself lie beside the project, where they are; those below ``packse`` are our own, for
the kinds that are not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from conjoin.errors import NoSolution
from packse import Scenario, scenarios_below

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "packse"
OURS = Path(__file__).parent / "packse"

EXCEPTIONS: dict[str, tuple[str, Mapping[str, str]]] = {
    "requires_python/python-patch-override-no-patch": (
        "uv takes `--python 3.9` for 3.9.0, since it resolves for an interpreter that may come later. Here "
        "Python is a package of the environment: 3.9 asks for any 3.9, and the 3.9.21 that is chosen and "
        "locked does satisfy >=3.9.4.",
        {"a": "1.0.0"},
    ),
}
"""Where our rules differ on purpose: why, and what we answer instead."""

_ONE_FOR_EACH = (
    "uv looks for one answer for all platforms at once, and two requirements far apart do not split it. Here "
    "every platform has an answer of its own, so there is one."
)
NOT_HERE: dict[str, tuple[str, str]] = {
    "requires_python/python-less-than-current": (
        "uv leaves upper bounds of Requires-Python out of account. Here Python takes part in the solve, and "
        "falls where a bound wants it to; where it is pinned, the bound is true.",
        "requires_python/upper-bound",
    ),
    "fork/non-local-fork-marker-transitive": (_ONE_FOR_EACH, "fork/other-bound-below"),
    "fork/non-local-fork-marker-direct": (_ONE_FOR_EACH, "fork/other-bound-below-direct"),
    "fork/preferences-dependent-forking-conflicting": (_ONE_FOR_EACH, "fork/second-choice-conflicts"),
}
"""The same for scenarios of packse that do not lie beside the project; ours that shows our answer."""


def _found(scenario: Scenario, root: Path) -> dict[str, dict[str, str]]:
    """Resolve a scenario; return name and version of its wheels by platform."""
    lock = scenario.resolve(root)
    assert scenario.mistakes(lock) == []
    assert set(lock.platforms) == set(scenario.platforms)
    for locked in lock.platforms.values():
        python = next(package.version for package in locked.packages if package.name == "python")
        assert python == scenario.expected.get("python", python)
    return {
        platform: {package.name: package.version for package in locked.packages if package.kind == "pypi"}
        for platform, locked in lock.platforms.items()
    }


def _answers(scenario: Scenario, root: Path) -> None:
    expected = scenario.expected
    if not expected["satisfiable"]:
        with pytest.raises(NoSolution):
            scenario.resolve(root)
        return
    for platform, found in _found(scenario, root).items():
        wanted = expected.get("platforms", {}).get(platform, expected.get("packages"))
        assert wanted is None or found == dict(wanted)


@pytest.mark.skipif(not SHARED.exists(), reason="no packse scenarios beside the project")
@pytest.mark.parametrize("scenario", scenarios_below(SHARED), ids=lambda scenario: scenario.identity)
def test_packse(scenario: Scenario, tmp_path: Path) -> None:
    if scenario.identity not in EXCEPTIONS:
        _answers(scenario, tmp_path)
        return
    _, answer = EXCEPTIONS[scenario.identity]
    assert all(found == answer for found in _found(scenario, tmp_path).values())


@pytest.mark.skipif(not SHARED.exists(), reason="no packse scenarios beside the project")
def test_exceptions_are_few_and_of_scenarios_that_exist() -> None:
    scenarios = {scenario.identity for scenario in scenarios_below(SHARED)}
    assert len(scenarios) >= 63
    assert set(EXCEPTIONS) <= scenarios
    assert len(EXCEPTIONS) <= 1


def test_exceptions_elsewhere_are_few_and_shown_by_scenarios_of_ours() -> None:
    assert {shown for _, shown in NOT_HERE.values()} <= {each.identity for each in scenarios_below(OURS)}
    assert not set(NOT_HERE) & {each.identity for each in scenarios_below(SHARED)}
    assert len(NOT_HERE) <= 4


@pytest.mark.parametrize("scenario", scenarios_below(OURS), ids=lambda scenario: scenario.identity)
def test_ours(scenario: Scenario, tmp_path: Path) -> None:
    _answers(scenario, tmp_path)
