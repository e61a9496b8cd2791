"""A package that somebody needs otherwise than the request itself says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from conjoin.solve.report.causes import said_by
from conjoin.solve.report.reasons import Demand
from conjoin.spec.names import name_of_spec
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["ruled_out"]

_ONE_MINOR = re.compile(r"(?:>=)?3\.(?P<minor>\d+)(?:\.\*|(?:\.\w+)?,<3\.(?P<next>\d+)(?:\.0a0)?)")


def ruled_out(
    demand: Demand, asked: Requirements, theirs: Sequence[RepoDataRecord]
) -> tuple[str, str | None] | None:
    """Tell which other word of a request speaks of a package that a dependency needs otherwise.

    :param theirs: the records of whoever needs it.
    :return: a sentence and what would help; None where the request does not speak of it.
    """
    if not demand.who:
        return None
    whose = demand.who.partition(" ")[0]
    typed = [item for item in asked.conda if item.name == demand.name and (item.version or item.build)]
    if demand.name == "python" and (asked.python or typed):
        wish = f"Python {asked.python}" if asked.python else str(typed[0])
        what = demand.chain[-1] if demand.chain else whose
        minors = _pythons(what, theirs)
        if len(minors) > 1 and not any(_names(wish, minor) for minor in minors):
            text = f"conda's {what} is for Python {', '.join(minors[:-1])} or {minors[-1]}"
            return f"{text}, and you asked for {wish}", f"ask for Python {minors[-1]}, or leave {whose} out"
        other = f"Python {minors[0]}" if len(minors) == 1 else "another Python"
    elif typed:
        wish, other = str(typed[0]), f"another {demand.name}"
    else:
        return None
    return (
        f"{said_by(demand)} {demand.what}, and you asked for {wish}",
        f"ask for {other}, or leave {whose} out",
    )


def _names(wish: str, minor: str) -> bool:
    return re.search(rf"(?<![\d.]){re.escape(minor)}(?!\d)", wish) is not None


def _pythons(what: str, records: Iterable[RepoDataRecord]) -> list[str]:
    """Return the Pythons that builds are for, the oldest first; none where one is for more than a minor."""
    from rattler import MatchSpec

    spec = MatchSpec(what.rpartition("::")[2], strict=False)
    minors = set()
    for record in records:
        needs = (text for text in record.depends if name_of_spec(text) == "python" and " " in text)
        if (need := next(needs, None)) is None or not spec.matches(record):
            continue
        found = _ONE_MINOR.fullmatch(need.split()[1])
        if found is None or (found["next"] and int(found["next"]) != int(found["minor"]) + 1):
            return []
        minors.add(int(found["minor"]))
    return [f"3.{minor}" for minor in sorted(minors)]
