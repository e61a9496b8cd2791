"""Several platforms with one version of each package: a search over what each of them answers alone.

A bound says where the versions of a package lie, on whatever platform has it. To begin with there are none,
and each platform has its own answer. Where these differ in a package, its versions are cut in parts that
together are all of them, the most promising part first; the platforms whose answer lies outside are solved
again, and so on. Every part leaves out an answer that was there, so it ends; the parts leave out nothing, so
it finds what there is, unless it is given up for the time it takes.

Where a platform has no answer, the fewest bounds that are to blame are found out, and the search goes back to
the last cut that has to do with them, however many it made since (conflict-directed backjumping).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol, TypeAlias

from conjoin.errors import NoSolution
from conjoin.solve.platforms.shared import PlatformAnswer
from conjoin.solve.preferences.bounds import Bound, Bounds, Key, Rank, ranks_of
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.requirements import Requirements

__all__ = ["PlatformSolver", "solve_same_versions"]

MOST_SOLVES = 300
MOST_SECONDS = 600.0
"""Beyond either limit the search is given up."""

Answers: TypeAlias = Mapping[str, PlatformSolution]
_PYTHON: Key = ("conda", "python")
Blame: TypeAlias = frozenset[Bound]
"""Bounds that not every platform has an answer within."""
_MOST_NAMES = 5
_DROP = "drop --same-versions"


class PlatformSolver(Protocol):
    """One of the platforms."""

    @property
    def platform(self) -> str:
        """Its name."""

    async def solve_within(self, bounds: Bounds, *, may_build: bool) -> PlatformAnswer:
        """Return its answer with versions where they have to lie; raises NoSolution."""


async def solve_same_versions(
    members: Sequence[PlatformSolver],
    answers: Mapping[str, PlatformAnswer],
    requirements: Requirements,
    progress: Callable[[str], None],
) -> dict[str, PlatformSolution]:
    """Return an answer for each platform, with the same version of each package wherever it is installed.

    :param answers: of each platform alone.
    :raises NoSolution: where there is none, with the package that stands in the way.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    search = _Search(members, answers, requirements, progress)
    # In an order of their own: which platform was typed first must not decide.
    found = await search.run({platform: answers[platform].solution for platform in sorted(answers)})
    return {platform: found[platform] for platform in answers}


@dataclass(frozen=True)
class _Dispute:
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


class _Search:
    def __init__(
        self,
        members: Sequence[PlatformSolver],
        answers: Mapping[str, PlatformAnswer],
        requirements: Requirements,
        progress: Callable[[str], None],
    ) -> None:
        self._members = {member.platform: member for member in members}
        self._latest = dict(answers)
        self._requirements = requirements
        self._progress = progress
        self._asked = {
            _PYTHON,
            *(("pypi", str(item.name)) for item in requirements.pypi),
            *((kind, str(item.name)) for item in requirements.conda for kind in ("conda", "pypi")),
        }
        self._owners: dict[PypiName, frozenset[CondaName]] = {}
        self._known: dict[tuple[str, Blame, bool], PlatformSolution | None] = {}
        self._blamed: dict[tuple[str, bool], list[Blame]] = {}
        self._building: frozenset[str] = frozenset()
        self._solves = 0
        self._deadline = time.monotonic() + MOST_SECONDS
        self._disputed: dict[Key, None] = {}

    async def run(self, answers: Answers) -> Answers:
        """Find answers that agree, at first without building what others built."""
        built = {name for name, each in answers.items() if any(wheel.source for wheel in each.wheels)}
        could = {name for name in answers if self._latest[name].left_sources_aside}
        for building in dict.fromkeys((frozenset(built), frozenset(built | could))):
            self._building = building
            found = await self._straight(answers) or await self._thorough(answers)
            if found is not None:
                return found
        raise await self._explanation(answers)

    async def _straight(self, answers: Answers) -> Answers | None:
        """Take the most promising part each time; None where that leads nowhere.

        What was asked for is settled one by one, for it bears on the rest; the rest all at once.
        """
        bounds: Blame = frozenset()
        while True:
            settled = await self._settled(bounds, answers)
            if isinstance(settled, frozenset):
                return None
            disputes = await self._disputes(bounds, settled)
            if not disputes:
                return settled
            asked = [each for each in disputes if each.key in self._asked]
            for dispute in asked[:1] or disputes:
                if dispute.meeting is None:
                    return None
                bounds |= dispute.parts()[0]
            answers = settled

    async def _thorough(self, answers: Answers, only: Key | None = None) -> Answers | None:
        """Look everywhere.

        :param only: the one package that has to agree, None for all.
        """
        found = await self._within(frozenset(), answers, only)
        return None if isinstance(found, frozenset) else found

    async def _within(self, bounds: Blame, answers: Answers, only: Key | None) -> Answers | Blame:
        """Return answers that agree within bounds, or which of the bounds rule them out."""
        settled = await self._settled(bounds, answers)
        if isinstance(settled, frozenset):
            return settled
        disputes = [each for each in await self._disputes(bounds, settled) if only in (None, each.key)]
        if not disputes:
            return settled
        blame: Blame = frozenset()
        for part in disputes[0].parts():
            found = await self._within(bounds | part, settled, only)
            if not isinstance(found, frozenset):
                return found
            if not found & part:
                return found
            blame |= found - part
        return blame

    async def _settled(self, bounds: Blame, answers: Answers) -> Answers | Blame:
        """Solve again where an answer lies outside; return the answers, or what is to blame."""
        held = Bounds(bounds, self._owners)
        outside = [platform for platform, answer in answers.items() if held.broken_by(answer)]
        found = await asyncio.gather(*(self._solve(platform, bounds) for platform in outside))
        for platform, answer in zip(outside, found, strict=True):
            if answer is None:
                return await self._to_blame(platform, bounds)
        return {**answers, **{name: each for name, each in zip(outside, found, strict=True) if each}}

    async def _solve(self, platform: str, bounds: Blame) -> PlatformSolution | None:
        may_build = platform in self._building
        blamed = self._blamed.setdefault((platform, may_build), [])
        if any(each <= bounds for each in blamed):
            return None
        key = (platform, bounds, may_build)
        while key not in self._known:
            self._count()
            held = Bounds(bounds, dict(self._owners))
            try:
                latest = await self._members[platform].solve_within(held, may_build=may_build)
            except NoSolution:
                self._known[key] = None
                break
            self._latest[platform], answer = latest, latest.solution
            self._note_owners(answer)
            if not Bounds(bounds, self._owners).broken_by(answer):
                self._known[key] = answer
            else:
                # A conda package that nobody knew to provide the project: once it is known, it is bound.
                assert self._owners != held.owners, f"{platform}: an answer lies outside its bounds"
        return self._known[key]

    def _count(self) -> None:
        self._solves += 1
        if self._solves > MOST_SOLVES or time.monotonic() > self._deadline:
            raise _too_many(list(self._disputed), f"{MOST_SOLVES} solves or {MOST_SECONDS:.0f} s")

    async def _to_blame(self, platform: str, bounds: Blame) -> Blame:
        """Return the bounds without which a platform has an answer: were any one less, it had."""
        needed = bounds
        for bound in sorted(bounds, key=lambda each: (each.key, each.comparison)):
            if len(needed) > 1 and await self._solve(platform, needed - {bound}) is None:
                needed -= {bound}
        blamed = self._blamed[platform, platform in self._building]
        if needed not in blamed:
            blamed.append(needed)
        return needed

    async def _disputes(self, bounds: Blame, answers: Answers) -> list[_Dispute]:
        """Return the packages in which answers differ: Python, what was asked for, then all others."""
        for answer in answers.values():
            self._note_owners(answer)
        ranks: dict[Key, dict[str, Rank]] = {}
        for platform, answer in answers.items():
            for key, rank in ranks_of(answer, self._owners).items():
                ranks.setdefault(key, {})[platform] = rank
        differing = sorted(
            (
                key
                for key, found in ranks.items()
                if any(rank != min(found.values()) for rank in found.values())
            ),
            key=lambda key: (key != _PYTHON, key not in self._asked, key),
        )
        for key in differing:
            if key not in self._disputed:
                self._progress(f"{key[1]}: looking for one version for all platforms")
            self._disputed[key] = None
        return [await self._dispute(key, ranks[key], bounds) for key in differing]

    async def _dispute(self, key: Key, ranks: Mapping[str, Rank], bounds: Blame) -> _Dispute:
        held = Bounds(bounds, self._owners)
        there = [await self._latest[platform].versions(key, held) for platform in ranks]
        common = {rank for rank in set.intersection(*there) if held.admit(key, rank)}
        strategy = self._requirements.strategy
        upwards = strategy == "highest" or (strategy == "lowest-direct" and key not in self._asked)
        return _Dispute(key, ranks, tuple(sorted(common, reverse=not upwards)), upwards)

    def _note_owners(self, answer: PlatformSolution) -> None:
        for package in answer.conda:
            for project in package.provides:
                self._owners[project] = self._owners.get(project, frozenset()) | {package.name}

    async def _explanation(self, answers: Answers) -> NoSolution:
        """Return the error, with the package and the platforms that cannot agree, as few as possible."""
        self._solves, self._deadline = 0, time.monotonic() + MOST_SECONDS
        disputes = await self._disputes(frozenset(), answers)
        for dispute in disputes:
            apart = [pair for pair in combinations(dispute.ranks, 2) if dispute.apart(*pair)]
            for platforms in [*apart, tuple(dispute.ranks)]:
                among = {platform: answers[platform] for platform in platforms}
                if await self._thorough(among, dispute.key) is None:
                    found = await self._disputes(frozenset(), among)
                    return _cannot_agree(next(each for each in found if each.key == dispute.key))
        return _cannot_all_agree(list(self._disputed), list(answers))


def _cannot_agree(dispute: _Dispute) -> NoSolution:
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


def _cannot_all_agree(keys: Sequence[Key], platforms: Sequence[str]) -> NoSolution:
    """Return the error for packages each of which could have one version everywhere, but not all of them."""
    return NoSolution(
        f"no versions of {_names(keys)} fit together on {_listed(platforms)}",
        advice=f"loosen what bounds {keys[0][1]}, name fewer platforms, or {_DROP}",
    )


def _too_many(keys: Sequence[Key], limit: str) -> NoSolution:
    """Return the error for a search that was given up."""
    return NoSolution(
        f"gave up after {limit}: too many versions of {_names(keys)} to try on each platform",
        advice=f"add bounds for {keys[0][1]}, name fewer platforms, or {_DROP}",
    )


def _names(keys: Sequence[Key]) -> str:
    more = len(keys) - _MOST_NAMES
    names = [name for _, name in keys[:_MOST_NAMES]]
    return _listed([*names, f"{more} more"] if more > 0 else names)


def _some(dispute: _Dispute) -> str:
    best = [str(rank[1]) for rank in reversed(dispute.common)]
    return ", ".join([*best[:3], *(["..."] if len(best) > 3 else [])])


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
