"""The error of a request that nothing satisfies: the likeliest cause, then who asks for what, as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from conjoin.errors import NoSolution
from conjoin.net.urls import without_secrets
from conjoin.solve.report.causes import causes, each_once, together
from conjoin.solve.report.derivation import (
    Branch,
    Demand,
    Derivation,
    Ground,
    Option,
    Package,
    derive,
    outline,
)
from conjoin.solve.report.unsat_core import SECONDS, UnsatCore, find_core
from conjoin.solve.search.conda_side import Unsatisfiable
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.requirements import Requirements

__all__ = ["LONGEST_TEXT", "Explanation", "explain", "shown_demand", "shown_package", "tree_lines"]

LONGEST_TEXT = 1000
"""Characters of a tree: beyond, fewer versions are told."""
_LINES = 12
_MOST_LINES = 20
_LONGEST_LINE = 240
_LONGEST_WORD = 200
"""Characters: a channel may have a name of any length."""
_MOST_VERSIONS = 5
_TOLD = (4, 2, 1)
"""Of how many versions of each requirement is told where all are too many, tried in this order."""
_GROUNDS: Mapping[Ground, str] = {
    "contradicts": "contradicts the above",
    "too new": "newer than --exclude-newer",
    "hidden by channel priority": "hidden by the channels before its own (strict channel priority)",
    "of another channel": "of another channel",
    "ruled out by a bound": "outside the bounds of the request",
    "needs what cannot be read": "needs what is no conda requirement",
}

_Item = TypeVar("_Item")


class Explanation(NoSolution):
    """No environment can satisfy the requirements.

    :ivar causes: one sentence each, the likeliest first.
    :ivar branches: who asks for what, and what there is for it, as data.
    :ivar reasons: the same as lines of text; empty where they only repeat the cause.
    :ivar absent: what the first cause says that nothing meets, of which channels and indexes may know more.
    :ivar core: what it is about, None where no solver was asked.
    """

    def __init__(
        self,
        what: str,
        causes: tuple[str, ...],
        advice: str | None,
        *,
        branches: Sequence[Branch] = (),
        reasons: str = "",
        absent: Sequence[Demand] = (),
        core: UnsatCore | None = None,
    ) -> None:
        super().__init__(_bounded(what), advice=_bounded(advice) if advice else advice)
        self.causes = tuple(_bounded(cause) for cause in causes)
        self.branches = tuple(branches)
        self.reasons = reasons
        self.absent = tuple(absent)
        self.core = core

    def told(self, causes: Sequence[str], advice: str | None) -> Explanation:
        """Return it with other causes, once more is known."""
        return Explanation(
            causes[0],
            tuple(causes),
            advice or self.advice,
            branches=self.branches,
            reasons=self.reasons,
            core=self.core,
        )


def _bounded(text: str) -> str:
    """Return a sentence whose words have an end, whatever a channel calls its packages."""
    words = (word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}..." for word in text.split(" "))
    return " ".join(words)


async def explain(error: Unsatisfiable) -> Explanation:
    """Return why nothing satisfies a request.

    :raises Unreachable: where an index or a channel cannot be reached.
    """
    core = await find_core(error.resolvo, error.question)
    return _explanation(core, error.requirements, error.provider)


def _explanation(core: UnsatCore, requirements: Requirements, provider: PypiProvider | None) -> Explanation:
    whole = derive(core, provider)
    if whole.is_proof:
        core = replace(core, specs=whole.specs)
    told, lines = _readable(core, whole, provider)
    # Of a proof for some versions alone it is not known whether the others come to the same end.
    shown = whole if whole.is_proof else told
    found = causes(shown, whole, core, requirements, provider) if shown.is_proof else []
    if found and not found[0].is_chained:
        lines = []
    if not whole.is_proof and not core.is_smallest:
        lines = [*lines[: _MOST_LINES - 1], _how_far(core)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], f"... and {len(lines) - _MOST_LINES + 1} lines more"]
    first = found[0] if found else together(whole.branches)
    return Explanation(
        first.text,
        tuple(dict.fromkeys(cause.text for cause in each_once(found))),
        first.advice,
        branches=told.branches,
        reasons="\n".join(lines),
        absent=[first.absent] if first.absent else (),
        core=core,
    )


def _readable(
    core: UnsatCore, whole: Derivation, provider: PypiProvider | None
) -> tuple[Derivation, list[str]]:
    """Return the first tree that is short enough to be read, else the shortest; a proof before all others."""
    best = whole, tree_lines(whole.branches)
    if not whole.is_proof and not core.is_smallest:
        return best  # fewer versions may have no solution for reasons that have no part in this
    for most in _TOLD:
        if best[0].is_proof and _length(best[1]) <= LONGEST_TEXT and len(best[1]) <= _LINES:
            break
        derivation = derive(core, provider, most)
        lines = tree_lines(derivation.branches)
        if derivation.is_proof and (not best[0].is_proof or _length(lines) < _length(best[1])):
            best = derivation, lines
    # Of a proof that goes on for pages, nobody reads the first.
    return best if len(best[1]) <= _MOST_LINES else (best[0], tree_lines(outline(core, provider).branches))


def _length(lines: Sequence[str]) -> int:
    return sum(map(len, lines))


def _how_far(core: UnsatCore) -> str:
    return (
        f"the search for less was stopped after {SECONDS:.0f} s: {len(core.specs)} of {core.asked}"
        f" requirements and {len(core.records)} packages were left by then"
    )


def tree_lines(branches: Sequence[Branch]) -> list[str]:
    """Return a tree as lines of text; none where it would say no more than that something is absent."""
    if len(branches) == 1:
        only = branches[0]
        lines = [] if only.is_absent else [_line(only), *_below(only, "")]
    else:
        lines = ["these cannot be had together:"] if branches else []
        for branch, mark, indent in _marked(branches, ""):
            lines += [f"{mark}{_line(branch)}", *_below(branch, indent)]
    return [line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..." for line in lines]


def shown_demand(demand: Demand) -> str:
    """Return a demand with its side, where that is PyPI's."""
    where = f" from {without_secrets(demand.channel).rstrip('/')}" if demand.channel else ""
    return f"{demand.what} (PyPI)" if demand.side == "pypi" else f"{demand.what}{where}"


def shown_package(package: Package) -> str:
    """Return a package with its versions, and with its side, where that is PyPI's."""
    versions = package.versions
    if len(versions) > _MOST_VERSIONS:
        versions = (*versions[:2], "...", *versions[-2:])
    text = f"{package.name} {' | '.join(versions)}".strip()
    return f"{text} (PyPI)" if package.side == "pypi" else text


def _line(branch: Branch) -> str:
    demand = branch.demand
    shown = shown_demand(demand)
    if demand.kind == "replaces":
        beside = f"no conda {demand.name} beside the wheel"
        return beside if branch.is_open else f"{beside}, but that is asked for too"
    if demand.kind == "admits only":
        return shown if branch.is_open else f"{shown}: contradicts the above"
    if branch.is_against_request:
        return f"{shown}: you asked for {' and '.join(each.what for each in branch.against)}"
    if branch.is_absent:
        return f"{shown}: nothing that can be used"
    return f"{shown}, for which there is" if branch.is_open else f"{shown}, for which nothing fits:"


def _below(branch: Branch, indent: str) -> Iterator[str]:
    if branch.is_against_request:
        return
    items: list[Option | str] = list(branch.options)
    if branch.untold and branch.options and not branch.is_open:
        items.append(f"{branch.untold} version{'s' * (branch.untold > 1)} more, with no solution either")
    for item, mark, inner in _marked(items, indent):
        if isinstance(item, str):
            yield f"{mark}{item}"
            continue
        yield f"{mark}{shown_package(item.package)}{_fate(item)}"
        for below, below_mark, below_indent in _marked(item.branches, inner):
            yield f"{below_mark}{_line(below)}"
            yield from _below(below, below_indent)


def _fate(option: Option) -> str:
    if option.ground:
        return f": {_GROUNDS[option.ground]}"
    if not option.branches:
        return ""
    is_bound = all(each.demand.kind == "admits only" for each in option.branches)
    return " admits only" if is_bound else " needs"


def _marked(items: Sequence[_Item], indent: str) -> Iterator[tuple[_Item, str, str]]:
    """Yield items, each with the mark before it and the indent of what stands below it."""
    for number, item in enumerate(items, start=1):
        last = number == len(items)
        yield item, f"{indent}{'└─ ' if last else '├─ '}", f"{indent}{'   ' if last else '│  '}"
