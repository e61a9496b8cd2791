"""What is told of a conflict is small, and what counts; it is never asked for where it has no end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.solve.report.format import Explanation
from conjoin.solve.report.unsat_core import quickxplain
from solving import World

SIZE = 8  # packages, and versions of each


@given(st.lists(st.sets(st.integers(0, 15), min_size=1), min_size=1, max_size=4))
def test_what_is_left_refuses_and_nothing_of_it_can_be_left_out(reasons: list[set[int]]) -> None:
    asked: list[list[int]] = []

    async def refuse(items: Sequence[int]) -> bool:
        asked.append(list(items))
        return any(reason <= set(items) for reason in reasons)

    found = asyncio.run(quickxplain(range(16), refuse))
    assert set(found) in reasons
    assert not any(reason < set(found) for reason in reasons)
    assert len(asked) <= 16 * (len(found) + 1)


def test_a_search_without_time_returns_what_refuses() -> None:
    async def refuse(items: Sequence[int]) -> bool:
        return 7 in items

    assert 7 in asyncio.run(quickxplain(range(100), refuse, deadline=0.0))


def _entangled(world: World, seed: int) -> list[str]:
    """Fill a channel with packages that need narrow ranges of each other; return four of their names."""
    chance = random.Random(seed)
    names = [f"p{number}" for number in range(SIZE)]
    for name in names:
        for version in range(1, SIZE + 1):
            needs = []
            for _ in range(chance.randint(1, 3)):
                other = chance.choice(names)
                if other != name:
                    low = chance.randint(1, SIZE)
                    needs.append(f"{other} >={low},<={min(SIZE, low + chance.randint(0, 2))}")
            world.conda(name, str(version), needs)
    return chance.sample(names, 4)


@pytest.mark.parametrize("strategy", ["highest", "lowest"])
@pytest.mark.parametrize("seed", [6, 9, 13])  # py-rattler 0.28 alone takes gigabytes for these, and aborts
def test_a_conflict_of_conda_packages_alone_is_told_within_a_page(
    tmp_path: Path, seed: int, strategy: str
) -> None:
    world = World(tmp_path)
    asked = _entangled(world, seed)
    with pytest.raises(Explanation) as caught:
        world.solve(asked, strategy=strategy)
    assert 0 < len(caught.value.reasons.splitlines()) <= 20
    assert any(name in caught.value.reasons for name in asked)
    assert caught.value.what
