"""Large conflicts are told in few words: py-rattler's own account of these would take gigabytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from conjoin.solve.report.format import LONGEST_TEXT, Explanation
from solving import World

COUNT = 8  # projects, and versions of each


def _entangled(world: World, seed: int) -> list[str]:
    """Fill a world with projects that need narrow ranges of each other; return four of their names."""
    chance = random.Random(seed)
    names = [f"p{number}" for number in range(COUNT)]
    for name in names:
        for version in range(1, COUNT + 1):
            needs = []
            for _ in range(chance.randint(1, 3)):
                other = chance.choice(names)
                if other != name:
                    low = chance.randint(1, COUNT)
                    needs.append(f"{other}>={low},<={min(COUNT, low + chance.randint(0, 2))}")
            world.wheel(name, str(version), needs)
    return chance.sample(names, 4)


@pytest.mark.parametrize("strategy", ["highest", "lowest"])
@pytest.mark.parametrize("seed", [6, 9, 13])  # three of those on which py-rattler 0.28 alone takes gigabytes
def test_a_conflict_of_many_versions_is_told_within_a_page(tmp_path: Path, seed: int, strategy: str) -> None:
    world = World(tmp_path)
    world.python("3.12.1")
    asked = _entangled(world, seed)
    with pytest.raises(Explanation) as caught:
        world.solve(pypi=asked, strategy=strategy)
    assert 0 < len(caught.value.reasons) <= 2 * LONGEST_TEXT
    assert any(name in caught.value.reasons for name in asked)


def test_an_account_of_few_versions_is_whole(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.python("3.12.1")
    for version in ("1.0", "2.0", "3.0"):
        world.wheel("app", version, ["lib<2"])
    world.wheel("lib", "1.0")
    world.wheel("lib", "2.0")
    with pytest.raises(Explanation) as caught:
        world.solve(pypi=["app", "lib>=2"])
    assert all(version in caught.value.reasons for version in ("1.0", "2.0", "3.0"))
