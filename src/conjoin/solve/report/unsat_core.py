"""Why specs cannot be met: the few packages that a conflict is about, and the solver's words on those alone.

The solver's own account of a whole request is of no use to people, and may have no end (see
:mod:`conjoin.solve.search.unsat_probe`). So the request is narrowed down first: to names that have no
solution among themselves, whatever else they depend on, and none of which can be left out; then to the
requirements that count; then to as few versions as make an account that can be read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from conjoin.solve.report.subproblem import Part, Stock, Whole
from conjoin.solve.search.resolvo import Question, Refused, Resolvo
from conjoin.solve.search.unsat_probe import WayOut

__all__ = ["LONGEST_TEXT", "account", "smallest"]

LONGEST_TEXT = 1000
"""Characters: beyond, an account of fewer versions is asked for."""
_LINES = 12
_LONGEST_WORD = 200
_ENDLESS = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")
_SECONDS = 5.0
"""For the search; then, whatever it has found by then is told."""
_FEW = 2
"""Versions of each requirement to search among first; all, where what is found does not hold for all."""
_MOST_RECORDS = 30_000
"""Among which a search is quick."""
_TOLD = (0, 4, 2, 1)
"""Of how many versions an account is asked for, in this order; 0 for all."""
_MOST_LINES = 20_000
"""Of the solver's account before it has merged what is alike."""

_Item = TypeVar("_Item")


async def account(resolvo: Resolvo, question: Question) -> str:
    """Return why a question has no answer: the solver's tree, of what the conflict is about.

    :param question: one that is known to have none.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    whole = Whole(question, resolvo.channels, resolvo.platform)
    deadline = time.monotonic() + _SECONDS
    stock = await Stock.lead_to(question, whole, _FEW)
    names, specs = await _core(resolvo, question, stock, stock.by_nearness(), deadline)
    if not await _holds_for_all(resolvo, replace(question, specs=specs), whole, names):
        stock = await Stock.lead_to(question, whole, 0)
        nearest = [*names, *(name for name in stock.by_nearness() if name not in names)]
        if stock.size <= _MOST_RECORDS:
            other = await _core(resolvo, question, stock, nearest, deadline)
            names, specs = other if time.monotonic() < deadline else (names, specs)
    told = replace(question, specs=specs)
    shortest = ""
    for count in _TOLD:
        part = await _readable(resolvo, (await Stock.lead_to(told, whole, count, names)).part(told, names))
        if part is None:
            continue
        text = _ENDLESS.sub(lambda word: f"{word[0][:_LONGEST_WORD]}...", await _text(resolvo, part))
        if not shortest or len(text) < len(shortest):
            shortest = text
        if len(text) <= LONGEST_TEXT and text.count("\n") <= _LINES:
            break
    return shortest or (await Stock.lead_to(told, whole, 1, names)).part(told, names).outline()


async def _holds_for_all(resolvo: Resolvo, question: Question, whole: Whole, names: Sequence[str]) -> bool:
    """Tell whether a question about some names has no answer among all versions either."""
    stock = await Stock.lead_to(question, whole, 0, names)
    return await _is_refused(resolvo, stock.part(question, names))


async def _readable(resolvo: Resolvo, part: Part) -> Part | None:
    """Return a part of which an account can be asked: one that has an end, and tells of the conflict."""
    for each in (part, part.without_circles()):
        if each.lines(_MOST_LINES) < _MOST_LINES and await _is_refused(resolvo, each):
            return each
    return None


async def _core(
    resolvo: Resolvo, question: Question, stock: Stock, order: Sequence[str], deadline: float
) -> tuple[list[str], list[str]]:
    """Return the names and the specs of a question that are enough for it to have no answer in a stock.

    :param order: all names, those that probably matter first.
    """

    async def names_refuse(names: Sequence[str]) -> bool:
        return await _is_refused(resolvo, stock.part(question, names))

    names = await smallest(order, names_refuse, deadline)

    async def specs_refuse(specs: Sequence[str]) -> bool:
        return await _is_refused(resolvo, stock.part(replace(question, specs=specs), names))

    asked = stock.part(question, names).question.specs
    needed = await smallest(asked, specs_refuse, deadline)
    return names, [spec for spec in asked if spec in needed]


async def _is_refused(resolvo: Resolvo, part: Part) -> bool:
    way_out = WayOut(part.question.strategy)
    asked = replace(
        part.question, specs=way_out.specs(part.question.specs), sources=[*part.question.sources, way_out]
    )
    return way_out.was_taken(await resolvo.ask(asked, without_channels=True))


async def smallest(
    items: Sequence[_Item],
    refuse: Callable[[Sequence[_Item]], Awaitable[bool]],
    deadline: float = float("inf"),
) -> list[_Item]:
    """Return items that refuse together, none of which can be left out.

    Each of them is found by bisection, so it takes about log2 of the number of items for each.

    :param items: those that probably matter first; together they refuse.
    :param refuse: tells whether some items do; where they do, so do more.
    :param deadline: of ``time.monotonic()``; after it, more items than are needed may be returned.
    """
    needed: list[_Item] = []
    left = list(items)
    while left and not await refuse(needed):
        count = 1
        while count < len(left) and not await refuse([*needed, *left[:count]]):
            count *= 2
        low, high = count // 2, min(count, len(left))  # so many do not suffice, and so many do
        while high - low > 1:
            if time.monotonic() > deadline:
                return [*needed, *left[:high]]
            middle = (low + high) // 2
            if await refuse([*needed, *left[:middle]]):
                high = middle
            else:
                low = middle
        needed.append(left[high - 1])
        left = left[: high - 1]
    return needed


async def _text(resolvo: Resolvo, part: Part) -> str:
    try:
        await resolvo.ask(part.question, without_channels=True)
    except Refused as error:
        return str(error)
    return ""
