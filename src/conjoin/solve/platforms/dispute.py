"""A package in which several platforms differ: how its versions are cut in parts, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from conjoin.errors import NoSolution
from conjoin.solve.platforms.bounds import Bound, Key, Rank

__all__ = ["Blame", "Dispute", "cannot_agree", "cannot_all_agree", "too_many"]

Blame: TypeAlias = frozenset[Bound]
"""Bounds that not every platform has an answer within."""

_MOST_NAMES = 5
_DROP = "drop --same-versions"


@dataclass(frozen=True)
class Dispute:
    """A package in which answers differ.

    :ivar ranks: its version on each platform that has it.
    :ivar common: versions that there are for all of these, within the bounds, best last.
    """

    key: Key
    ranks: Mapping[str, Rank]
    common: tuple[Rank, ...]
    upwards: bool

    @property
    def meeting(self) -> Rank | None:
        """The best version that all of them have and nobody has to rise to, None where there is none."""
        modest = min(self.ranks.values()) if self.upwards else max(self.ranks.values())
        below = [rank for rank in self.common if (rank <= modest if self.upwards else rank >= modest)]
        return below[-1] if below else None

    def parts(self) -> list[Blame]:
        """Return bounds that together admit every version, and each of them not all the answers."""
        inside, beyond = ("<=", ">") if self.upwards else (">=", "<")
        modest = min(self.ranks.values()) if self.upwards else max(self.ranks.values())
        meeting = self.meeting
        rest = frozenset({Bound(self.key, beyond, modest)})
        if meeting is None:
            return [rest, frozenset({Bound(self.key, inside, modest)})]
        parts = [frozenset({Bound(self.key, inside, meeting)}), rest]
        if meeting != modest:
            parts.append(frozenset({Bound(self.key, beyond, meeting), Bound(self.key, inside, modest)}))
        return parts

    def apart(self, one: str, other: str) -> bool:
        """Tell whether two platforms have different versions."""
        return bool(self.ranks[one] != self.ranks[other])


def cannot_agree(dispute: Dispute) -> NoSolution:
    """Return the error for a package of which no version will do for all platforms that have it.

    :param dispute: without any bounds.
    """
    name, platforms = dispute.key[1], _listed(list(dispute.ranks))
    both = "both" if len(dispute.ranks) == 2 else "all of"
    alone = ", ".join(f"{platform} takes {rank[1]}" for platform, rank in dispute.ranks.items())
    if not dispute.common:
        what = f"there is no version of {name} for {both} {platforms}: alone, {alone}"
    else:
        what = (
            f"no version of {name} that there is for {both} {platforms} ({_some(dispute)})"
            f" fits the rest of the request: alone, {alone}"
        )
    return NoSolution(what, advice=f"loosen what bounds {name}, name fewer platforms, or {_DROP}")


def cannot_all_agree(keys: Sequence[Key], platforms: Sequence[str]) -> NoSolution:
    """Return the error for packages each of which could have one version everywhere, but not all of them."""
    return NoSolution(
        f"no versions of {_names(keys)} fit together on {_listed(platforms)}",
        advice=f"loosen what bounds {keys[0][1]}, name fewer platforms, or {_DROP}",
    )


def too_many(keys: Sequence[Key], limit: str) -> NoSolution:
    """Return the error for a search that was given up."""
    return NoSolution(
        f"gave up after {limit}: too many versions of {_names(keys)} to try on each platform",
        advice=f"add bounds for {keys[0][1]}, name fewer platforms, or {_DROP}",
    )


def _names(keys: Sequence[Key]) -> str:
    more = len(keys) - _MOST_NAMES
    names = [name for _, name in keys[:_MOST_NAMES]]
    return _listed([*names, f"{more} more"] if more > 0 else names)


def _some(dispute: Dispute) -> str:
    best = [str(rank[1]) for rank in reversed(dispute.common)]
    return ", ".join([*best[:3], *(["..."] if len(best) > 3 else [])])


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
