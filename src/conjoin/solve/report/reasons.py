"""The solver's account of a conflict, read: who wants what, along which chain, and where it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec

from conjoin.solve.candidates.encoding import NO_SUCH_SUBDIR

__all__ = ["Demand", "End", "demands", "plain"]

End: TypeAlias = Literal["", "nobody has it", "conflict", "excluded"]
"""How a requirement fares: what it wants exists nowhere, exists but contradicts something said before, or is
ruled out; empty where there is something for it."""

_INDENT = " │├└─"
_WIDTH = 3
_REQUIREMENT = re.compile(
    r"(?P<what>.+?),? (?:which )?(?:can be installed with any of the following options"
    r"|cannot be installed because there are no viable options):$"
)
_ABSENT = re.compile(
    r"(?:No candidates were found for (?P<root>.+?)|(?P<what>.+?), for which no candidates.*)\.?$"
)
_CONSTRAINT = re.compile(
    r"(?P<what>.+?),? which conflicts with any installable versions previously reported\.?$"
)
_SIDE = " (PyPI)"


class Demand(msgspec.Struct):
    """One requirement.

    :ivar what: the requirement, without its side.
    :ivar side: ``pypi`` or ``conda``.
    :ivar who: the package that has it (``numpy 2.1.0``), empty for the request.
    :ivar chain: the requirements above it, the one that was asked for first.
    :ivar branch: which of the request's requirements it hangs on, by number.
    :ivar end: how it fares.
    :ivar excluded: why, where it is ruled out.
    :ivar verb: ``needs``; or ``admits only``, where it bounds what others ask for.
    :ivar options: what there is for it.
    """

    what: str
    side: Literal["pypi", "conda"]
    who: str = ""
    who_side: Literal["pypi", "conda"] = "conda"
    chain: tuple[str, ...] = ()
    branch: int = 0
    end: End = ""
    excluded: str = ""
    verb: str = "needs"
    options: list[str] = msgspec.field(default_factory=list)

    @property
    def name(self) -> str:
        """The package it is about, without channel and extras."""
        return re.split(r"[\s\[<>=!~,;@]", self.what.rpartition("::")[2], maxsplit=1)[0]

    @property
    def narrows(self) -> bool:
        """Whether it says more than a name."""
        return self.what.removesuffix(" *") != self.name


def demands(account: str) -> list[Demand]:
    """Return the requirements that an account speaks of, in its order.

    :param account: the solver's tree, translated by :mod:`conjoin.solve.report.translate`.
    """
    found: list[Demand] = []
    above: list[tuple[int, Demand | str]] = []
    branch = -1
    for line in account.splitlines():
        text = line.lstrip(_INDENT)
        level = (len(line) - len(text)) // _WIDTH
        while above and above[-1][0] >= level:
            above.pop()
        parent = above[-1][1] if above else None
        if parent is None:
            branch += 1
        _read_end(text, parent)
        if constraint := _CONSTRAINT.match(text):
            demand = _demand(constraint["what"], above, branch)
            demand.end, demand.verb = "conflict", "admits only"
            found.append(demand)
            continue
        match = _REQUIREMENT.match(text)
        absent = None if match else _ABSENT.match(text)
        if match or absent:
            what = match["what"] if match else (absent["root"] or absent["what"]) if absent else ""
            demand = _demand(what, above, branch)
            demand.end = "nobody has it" if absent else ""
            found.append(demand)
            above.append((level, demand))
        elif text != "The following packages are incompatible":
            above.append((level, re.sub(" would (?:require|constrain)$", "", text)))
    return found


def _read_end(text: str, parent: Demand | str | None) -> None:
    if not isinstance(parent, Demand):
        return
    if "conflicts with the versions reported above" in text:
        parent.end = "conflict"
    elif " is excluded because " in text:
        parent.end, parent.excluded = "excluded", text.partition(" is excluded because ")[2]
    parent.options.append(re.split(r",? (?:which |would |is excluded)", text)[0].removesuffix(_SIDE))


def _demand(what: str, above: list[tuple[int, Demand | str]], branch: int) -> Demand:
    who = above[-1][1] if above and isinstance(above[-1][1], str) else ""
    return Demand(
        _bare(what),
        "pypi" if what.endswith(_SIDE) else "conda",
        _bare(who),
        "pypi" if who.endswith(_SIDE) else "conda",
        tuple(each.what for _, each in above if isinstance(each, Demand)),
        branch,
    )


def _bare(text: str) -> str:
    return text.removesuffix(_SIDE).removesuffix(" *")


_TOGETHER = "these cannot be had together:"
_WORDS = (
    ("The following packages are incompatible", _TOGETHER),
    (", which can be installed with any of the following options:", ", for which there is"),
    (" can be installed with any of the following options:", ", for which there is"),
    (", which cannot be installed because there are no viable options:", ", for which nothing fits:"),
    (" cannot be installed because there are no viable options:", ", for which nothing fits:"),
    (", which conflicts with the versions reported above.", ": contradicts the above"),
    (", for which no candidates were found.", ": nothing that can be used"),
    (", which conflicts with any installable versions previously reported", ": contradicts the above"),
    (" would require", " needs"),
    (" would constrain", " admits only"),
)


def plain(account: str) -> str:
    """Return an account in plain words, each line once; nothing where it only repeats the cause."""
    lines: list[str] = []
    for line in _plain_lines(account):
        # The solver repeats a version for each of its builds.
        if lines and line.lstrip(_INDENT) == lines[-1].lstrip(_INDENT):
            if "└" in line:
                lines[-1] = line
        else:
            lines.append(line)
    if not any(line.startswith("├") for line in lines):
        lines = _without_head(lines)
    lines = [line for line in lines if NO_SUCH_SUBDIR not in line]
    return "" if len(lines) == 1 and lines[0].startswith("No candidates were found") else "\n".join(lines)


def _without_head(lines: list[str]) -> list[str]:
    """Return a tree of one branch: it contradicts nothing but itself."""
    if lines[:1] != [_TOGETHER]:
        return lines
    return [line[_WIDTH:] for line in lines[1:]]


def _plain_lines(account: str) -> Iterator[str]:
    for line in account.splitlines():
        shown = line
        for theirs, ours in _WORDS:
            shown = shown.replace(theirs, ours)
        shown = re.sub(r" \*(?=[,:]| needs|$)", "", shown)
        yield shown
