"""Two requirements that contradict each other, found in the solver's account."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from conjoin.solve.report.reasons import Demand

__all__ = ["Clash", "clash"]


class Clash(msgspec.Struct, frozen=True):
    """Two requirements on one package, of which only one can be met.

    :ivar one: the one the account speaks of first.
    """

    one: Demand
    other: Demand


def clash(asked: Sequence[Demand]) -> Clash | None:
    """Return the contradiction that an account ends in, None where it cannot be told.

    Of several requirements on the package those count that say more than its name; a bridge's own on the
    conda package it stands for counts least: nobody typed it.
    """
    for end in asked:
        if end.end != "conflict":
            continue
        others = [
            each
            for each in asked
            if each.name == end.name and each is not end and (each.who, each.what) != (end.who, end.what)
        ]
        others.sort(key=lambda each: (_is_bridge(each), not each.narrows, each.branch == end.branch))
        if others:
            first, second = sorted((others[0], _typed(end, asked)), key=asked.index)
            return Clash(first, second)
    return None


def _typed(end: Demand, asked: Sequence[Demand]) -> Demand:
    """Return the requirement that a bridge was taken for, where that one says more than a name."""
    if not _is_bridge(end):
        return end
    above = (each for each in asked if each.side == "pypi" and each.name == end.name and each.narrows)
    return next((each for each in above if (*each.chain, f"{each.what}") == end.chain), end)


def _is_bridge(demand: Demand) -> bool:
    return demand.side == "conda" and demand.who_side == "pypi" and demand.who.split(" ")[0] == demand.name
