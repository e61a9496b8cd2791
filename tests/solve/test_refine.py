"""Where what was asked for fell far although it need not, the better answer is taken, and never another."""

from __future__ import annotations

from pathlib import Path

import pytest

from solving import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.python("3.11.1", "3.12.1")
    return made


def _family(world: World, count: int = 12) -> None:
    """``files`` needs the release before last of ``core``; its oldest one needs nothing."""
    world.wheel("files", "0.1")
    for number in range(1, count):
        world.wheel("files", f"1.{number}", ["core<1.2"])
    for number in range(4):
        world.wheel("core", f"1.{number}")


def test_nothing_falls_to_its_oldest_release_to_keep_another_at_its_newest(world: World) -> None:
    _family(world)
    assert world.solve(pypi=["core", "files"]).wheels == {"core": "1.1", "files": "1.11"}


def test_what_the_user_bounds_is_no_fall(world: World) -> None:
    _family(world)
    assert world.solve(pypi=["core>=1.3", "files"]).wheels == {"core": "1.3", "files": "0.1"}
    assert world.solve(pypi=["core", "files<1"]).wheels == {"core": "1.3", "files": "0.1"}


def test_what_nobody_asked_for_may_fall(world: World) -> None:
    """`files` comes along with `app`, which does not mind: what the user named keeps its newest release."""
    _family(world)
    world.wheel("app", "1.0", ["files"])
    assert world.solve(pypi=["app", "core"]).wheels["core"] == "1.3"


def test_the_strategy_of_the_user_counts_more(world: World) -> None:
    _family(world)
    assert world.solve(pypi=["core", "files"], strategy="lowest").wheels == {"core": "1.0", "files": "0.1"}


def test_what_the_conda_side_wants_stays(world: World) -> None:
    """`files` could be newer with an older core, but that comes from conda, in conda's newest version."""
    _family(world)
    world.conda("core", "1.3", ["python"])
    world.conda("core", "1.1", ["python"])
    solved = world.solve(["python", "core"], ["files", "core"])
    assert solved.conda["core"] == "1.3"
    assert solved.wheels == {"files": "0.1"}


def test_a_fall_that_cannot_be_helped_stays(world: World) -> None:
    for number in range(1, 12):
        world.wheel("files", f"1.{number}", ["nobody-has-this"] if number > 1 else [])
    solved = world.solve(pypi=["files"])
    assert solved.wheels == {"files": "1.1"}
    assert solved.rounds <= 15
