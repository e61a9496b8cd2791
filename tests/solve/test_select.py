"""The answer that needs no search: when there is one, that it is the right one, and when there is none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from packaging.version import Version

import conjoin.solve.request
import conjoin.solve.search.joint
from conjoin.solve.search import select
from conjoin.solve.search.conda_side import CondaSolver
from fuzzing import examples
from rules_worlds import NAMES, Chosen, RulesWorld, built, reached, solved, worlds
from sdists import make_building_sdist
from solving import World, always_search
from worlds import make_wheel, rewrite_zip


class Searches:
    """How often the solver was asked for both sides together."""

    def __init__(self) -> None:
        self.count = 0


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Searches:
    counted, real = Searches(), CondaSolver.solve

    async def solve(self: CondaSolver, *arguments: Any, **options: Any) -> Any:
        counted.count += options.get("source") is not None
        return await real(self, *arguments, **options)

    monkeypatch.setattr(CondaSolver, "solve", solve)
    return counted


@pytest.fixture
def plain(world: World) -> World:
    world.python("3.12.1")
    return world


def test_everything_in_its_best_version_needs_no_search(plain: World, searches: Searches) -> None:
    for version in ("1.0", "2.0"):
        plain.wheel(
            "app", version, ["lib>=1", "tool; python_version > '3'", "other; sys_platform == 'win32'"]
        )
        plain.wheel("lib", version, ["tool<2"])
        plain.wheel("tool", version)
    assert plain.solve(["python"], ["app"]).wheels == {"app": "2.0", "lib": "2.0", "tool": "1.0"}
    assert searches.count == 0


def test_what_was_asked_by_a_choice_that_fell_counts_no_more(plain: World, searches: Searches) -> None:
    """`app` falls because of `tight`; what app 2.0 asked of `lib` must not hold `lib` down."""
    for version in ("0.7", "0.8", "0.9", "1.0"):
        plain.wheel("app", version, ["lib"])
    plain.wheel("app", "2.0", ["lib<2", "gone"])
    plain.wheel("gone", "1.0")
    plain.wheel("tight", "1.0", ["app<2"])
    for version in ("1.0", "2.0"):
        plain.wheel("lib", version)
    solved = plain.solve(["python"], ["app", "tight"])
    assert solved.wheels == {"app": "1.0", "lib": "2.0", "tight": "1.0"}
    assert searches.count == 0


def test_a_release_whose_twin_is_not_there_yet_is_passed_over(plain: World, searches: Searches) -> None:
    for version in ("0.7", "0.8", "0.9", "1.0", "2.0"):
        plain.wheel("app", version, [f"app-core=={version}"])
    plain.wheel("app-core", "1.0")
    assert plain.solve(["python"], ["app"]).wheels == {"app": "1.0", "app-core": "1.0"}
    assert searches.count == 0


def test_choices_that_do_not_agree_are_searched(plain: World, searches: Searches) -> None:
    plain.wheel("app", "1.0", ["lib"])
    plain.wheel("app", "2.0", ["lib>=2"])
    plain.wheel("tool", "1.0", ["lib<2"])
    plain.wheel("lib", "1.0")
    plain.wheel("lib", "2.0")
    assert plain.solve(["python"], ["app", "tool"]).wheels == {"app": "1.0", "lib": "1.0", "tool": "1.0"}
    assert searches.count > 0


def test_extras_and_what_they_ask_of_their_own_project(plain: World, searches: Searches) -> None:
    extras = {"all": ["app[net,gone]"], "net": ["lib<2"]}
    plain.wheel("app", "1.0", ["tool"], extras=extras)
    for name in ("lib", "tool"):
        for version in ("1.0", "2.0"):
            plain.wheel(name, version)
    solved = plain.solve(["python"], ["app[all]"])
    assert solved.wheels == {"app": "1.0", "lib": "1.0", "tool": "2.0"}
    [app] = [wheel for wheel in solved.solution.wheels if wheel.name == "app"]
    assert app.extras == ("all", "net")
    assert any("no extra 'gone'" in warning for warning in solved.solution.warnings)
    assert searches.count == 0


def test_constraints_overrides_and_requirements_of_some_pythons(plain: World, searches: Searches) -> None:
    for version in ("1.0", "2.0", "3.0"):
        plain.wheel("lib", version)
        plain.wheel("tool", version, [f"lib=={version}"])
    wheels = plain.solve(["python"], ["tool"], constraints=["tool<3"]).wheels
    assert wheels == {"tool": "2.0", "lib": "2.0"}
    wheels = plain.solve(["python"], ["tool"], overrides=["lib<2"]).wheels
    assert wheels == {"tool": "3.0", "lib": "1.0"}
    wheels = plain.solve(["python"], ["tool", "lib<3; python_version > '3.11'"]).wheels
    assert wheels == {"tool": "2.0", "lib": "2.0"}
    assert plain.solve(["python"], ["tool", "lib<3; python_version < '3.11'"]).wheels["tool"] == "3.0"


def test_a_wheel_of_no_use_is_passed_over(plain: World, searches: Searches) -> None:
    plain.page_options = {"requires_python": False}
    plain.wheel("app", "1.0", ["lib"])
    plain.wheel("app", "2.0", ["lib"], requires_python=">=3.13")
    plain.wheel("lib", "1.0")
    plain.wheel("lib", "2.0", tags="cp311-cp311-manylinux_2_17_x86_64")
    assert plain.solve(["python"], ["app"]).wheels == {"app": "1.0", "lib": "1.0"}
    assert searches.count == 0


def test_what_the_conda_side_has_serves_where_it_is_allowed(plain: World, searches: Searches) -> None:
    plain.conda("numpy", "1.26.4", ["python"])
    plain.conda("numpy", "2.1.0", ["python"])
    plain.wheel("numpy", "2.2.0")
    plain.wheel("model", "1.0", ["numpy>=2"])
    plain.wheel("model", "2.0", ["numpy<2"])
    solved = plain.solve(["python", "numpy"], ["model<2"])
    assert (solved.conda["numpy"], solved.wheels) == ("2.1.0", {"model": "1.0"})
    assert searches.count == 0
    solved = plain.solve(["python", "numpy"], ["model>=2"])
    assert (solved.conda["numpy"], solved.wheels) == ("1.26.4", {"model": "2.0"})
    assert searches.count > 0


def test_a_conda_package_with_the_best_version_joins_where_nothing_has_to_move(
    plain: World, searches: Searches
) -> None:
    plain.conda("openssl", "3.0", [])
    plain.conda("openssl", "3.5", [])
    plain.conda("cffi", "2.0", ["python"])
    plain.conda("cryptography", "48.0", ["python", "cffi", "openssl >=3.5"])
    plain.wheel("cryptography", "47.0", ["cffi"])
    plain.wheel("cffi", "2.0")
    plain.wheel("app", "1.0", ["cffi", "cryptography"])
    solved = plain.solve(["python"], ["app"])
    assert solved.wheels == {"app": "1.0"}
    assert {name: solved.conda[name] for name in ("cryptography", "cffi")} == {
        "cryptography": "48.0",
        "cffi": "2.0",
    }
    assert searches.count == 0
    solved = plain.solve(["python", "openssl 3.0"], ["app"])
    assert solved.wheels == {"app": "1.0", "cffi": "2.0", "cryptography": "47.0"}
    assert searches.count > 0


def test_what_a_conda_package_brings_along_is_weighed_against_better_wheels(
    plain: World, searches: Searches
) -> None:
    plain.conda("cffi", "2.0", ["python"])
    plain.conda("cryptography", "48.0", ["python", "cffi"])
    plain.wheel("cryptography", "47.0")
    plain.wheel("cffi", "2.1")
    plain.wheel("app", "1.0", ["cffi", "cryptography"])
    plain.solve(["python"], ["app"])
    assert searches.count > 0


def test_many_conda_packages_are_left_to_the_solver(plain: World, searches: Searches) -> None:
    """For each that joins the conda side is solved again; beyond some, one search is cheaper."""
    names = [f"lib{number}" for number in range(5)]
    for name in names:
        plain.conda(name, "2.0", ["python"])
        plain.wheel(name, "1.0")
    assert plain.solve(["python"], names[:4]).wheels == {}
    assert searches.count == 0
    solved = plain.solve(["python"], names)
    assert (solved.wheels, {name: solved.conda[name] for name in names}) == ({}, dict.fromkeys(names, "2.0"))
    assert searches.count > 0


def test_a_conda_package_that_is_needed_no_more_does_not_stay(plain: World, searches: Searches) -> None:
    """`app` falls, and with it what asked for `lib`."""
    plain.conda("lib", "2.0", ["python"])
    plain.wheel("lib", "1.0")
    for version in ("0.7", "0.8", "0.9", "1.0"):
        plain.wheel("app", version)
    plain.wheel("app", "2.0", ["lib"])
    plain.wheel("tight", "1.0", ["app<2"])
    solved = plain.solve(["python"], ["app", "tight"])
    assert solved.wheels == {"app": "1.0", "tight": "1.0"}
    assert "lib" not in solved.conda


def test_what_only_a_source_has_is_weighed_by_the_solver(plain: World, searches: Searches) -> None:
    plain.add(make_building_sdist(plain.root / "sdists", "old", "1.0"))
    plain.wheel("app", "1.0", ["old"])
    assert plain.solve(["python"], ["app"]).wheels == {"app": "1.0", "old": "1.0"}
    assert searches.count > 0


def test_a_dependency_on_a_url_is_for_the_user_alone(plain: World, searches: Searches) -> None:
    lib = plain.wheel("lib", "1.0")
    plain.wheel("app", "1.0", ["lib"])
    plain.wheel("app", "2.0", [f"lib @ {lib.as_uri()}"])
    assert plain.solve(["python"], ["app"]).wheels == {"app": "1.0", "lib": "1.0"}
    assert searches.count > 0
    searches.count = 0
    solved = plain.solve(["python"], ["app", f"lib @ {lib.as_uri()}"])
    assert solved.wheels == {"app": "2.0", "lib": "1.0"}
    assert searches.count == 0


def test_a_better_version_for_another_python_is_weighed_by_the_solver(
    plain: World, searches: Searches
) -> None:
    plain.python("3.11.9")
    plain.wheel("app", "1.0")
    plain.wheel("app", "2.0", requires_python="<3.12")
    solved = plain.solve(["python"], ["app"])
    assert (solved.python, solved.wheels) == ("3.11.9", {"app": "2.0"})
    assert searches.count > 0
    searches.count = 0
    assert plain.solve(["python 3.12.*"], ["app"]).wheels == {"app": "1.0"}


def test_little_is_read_one_after_the_other(plain: World, searches: Searches) -> None:
    """Releases without a twin, too many of them: the solver reads them side by side."""
    for minor in range(60):
        plain.wheel("app", f"1.{minor}", ["twin==1.0"] if minor < 20 else [f"twin==2.{minor}"])
    plain.wheel("twin", "1.0")
    assert plain.solve(["python"], ["app"]).wheels == {"app": "1.19", "twin": "1.0"}
    assert searches.count > 0


@pytest.mark.parametrize("strategy", ["lowest", "lowest-direct"])
def test_another_strategy_is_the_solvers(plain: World, searches: Searches, strategy: str) -> None:
    plain.wheel("app", "1.0")
    plain.wheel("app", "2.0")
    assert plain.solve(["python"], ["app"], strategy=strategy).wheels == {"app": "1.0"}
    assert searches.count > 0


@pytest.mark.slow
@settings(
    max_examples=examples(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(small=worlds)
def test_it_is_the_answer_that_a_search_finds_and_no_wheel_could_be_better(
    small: RulesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on
    found: list[bool] = []
    real = conjoin.solve.search.joint.greedy_answer

    async def watched(*arguments: Any) -> Any:
        answer = await real(*arguments)
        found.append(answer is not None)
        return answer

    with tempfile.TemporaryDirectory() as folder:
        world = built(small, Path(folder))
        with monkeypatch.context() as patch:
            patch.setattr(conjoin.solve.search.joint, "greedy_answer", watched)
            answer = solved(world, small)
        if answer is None or not any(found):
            return
        with monkeypatch.context() as patch:
            always_search(patch)
            searched = solved(world, small)
    conda = {name: version for name, version in answer.conda.items() if name in NAMES}
    assert searched is not None
    assert (searched.conda, searched.wheels) == (answer.conda, answer.wheels)
    for name, version in answer.wheels.items():
        for other, higher in small.wheels:
            if other == name and Version(higher) > Version(version):
                better: Chosen = {**answer.wheels, name: higher}
                assert reached(small, answer.python, conda, better) != {*conda, *better}


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is picked at the end of each repetition of the walk."""
    counted: list[object] = []
    real = select._Turn.picks

    async def picks(self: select._Turn, roots: Any) -> Any:
        counted.append(await real(self, roots))
        return counted[-1]

    monkeypatch.setattr(select._Turn, "picks", picks)
    return counted


def test_a_walk_that_stayed_consistent_is_the_answer_and_not_repeated(
    plain: World, searches: Searches, turns: list[object]
) -> None:
    for version in ("1.0", "2.0"):
        plain.wheel("app", version, ["lib>=1", "tool"])
        plain.wheel("lib", version, ["tool"])
        plain.wheel("tool", version)
    assert plain.solve(["python"], ["app"]).wheels == {"app": "2.0", "lib": "2.0", "tool": "2.0"}
    assert (searches.count, turns) == (0, [])


def test_a_walk_that_gave_something_up_is_repeated_until_nothing_changes(
    plain: World, searches: Searches, turns: list[object]
) -> None:
    """`tool` was picked for `app`, before `lib` asked for an older one."""
    for version in ("1.0", "2.0"):
        plain.wheel("app", version, ["lib", "tool"])
        plain.wheel("lib", version, ["last"])
        plain.wheel("last", version, ["tool<2"])
        plain.wheel("tool", version)
    solved = plain.solve(["python"], ["app"])
    assert solved.wheels == {"app": "2.0", "lib": "2.0", "last": "2.0", "tool": "1.0"}
    assert searches.count == 0
    assert len(turns) > 0


def test_another_wheel_of_a_version_stands_in_for_one_that_is_unusable(
    plain: World, searches: Searches
) -> None:
    tags = "cp312-cp312-manylinux_2_17_x86_64"
    broken = make_wheel(plain.root / "broken", "app", "2.0", tags=tags)
    plain.add(rewrite_zip(broken, {"app-2.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: other\n"}))
    plain.wheel("app", "2.0", ["lib"])
    for name in ("app", "lib"):
        plain.wheel(name, "1.0")
    assert plain.solve(["python"], ["app"]).wheels == {"app": "2.0", "lib": "1.0"}
    assert searches.count == 0
