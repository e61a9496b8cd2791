"""Builds that wait for builds: each once, and none for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.build.jobs import BuildTurns
from conjoin.errors import Unreachable
from conjoin.index.pypi.core_metadata import MetadataUnusable


def test_a_failure_of_the_network_is_not_remembered_and_an_answer_is() -> None:
    async def asked() -> list[object]:
        turns = BuildTurns()
        answers: list[object] = []

        async def work() -> int:
            answers.append("asked")
            if len(answers) == 1:
                raise Unreachable("no network")
            await asyncio.sleep(0)
            return 7

        with pytest.raises(Unreachable):
            await turns.once("a", "a", work)
        answers += await asyncio.gather(*(turns.once("a", "a", work) for _ in range(3)))
        return answers

    assert asyncio.run(asked()) == ["asked", "asked", 7, 7, 7]


@given(
    st.lists(st.frozensets(st.integers(0, 5), max_size=3), min_size=6, max_size=6),
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
)
def test_it_always_ends_and_fails_exactly_where_something_needs_itself(
    needs: list[frozenset[int]], asked: list[int]
) -> None:
    """Whatever needs whatever, and whoever asks: what needs no cycle is built, once; the rest is told."""
    done: list[int] = []

    def in_a_cycle(each: int, above: frozenset[int] = frozenset()) -> bool:
        return each in above or any(in_a_cycle(other, above | {each}) for other in needs[each])

    async def build(turns: BuildTurns, each: int) -> int:
        async def work() -> int:
            await asyncio.sleep(0)
            await asyncio.gather(*(build(turns, other) for other in sorted(needs[each])))
            done.append(each)
            return each

        made: Callable[[], Awaitable[int]] = work
        return await turns.once(str(each), f"p{each}", made)

    async def all_of_them() -> list[int | BaseException]:
        turns = BuildTurns()
        work = [build(turns, each) for each in asked]
        return await asyncio.wait_for(asyncio.gather(*work, return_exceptions=True), 30)

    for each, answer in zip(asked, asyncio.run(all_of_them()), strict=True):
        if in_a_cycle(each):
            assert isinstance(answer, MetadataUnusable)
            assert " needs p" in answer.reason
        else:
            assert answer == each
    assert len(done) == len(set(done))
