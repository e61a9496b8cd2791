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
from itertools import combinations
from typing import Protocol, TypeAlias

from conjoin.errors import NoSolution
from conjoin.solve.platforms.bounds import Bounds, Key, Rank, ranks_of
from conjoin.solve.platforms.dispute import Blame, Dispute, cannot_agree, cannot_all_agree, too_many
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.requirements import Requirements

__all__ = ["Member", "alike"]

MOST_SOLVES = 300
MOST_SECONDS = 600.0
"""Beyond either limit the search is given up."""

Answers: TypeAlias = Mapping[str, PlatformSolution]
_PYTHON: Key = ("conda", "python")


class Member(Protocol):
    """One of the platforms."""

    @property
    def platform(self) -> str:
        """Its name."""

    async def solve_within(self, bounds: Bounds, *, may_build: bool) -> PlatformSolution:
        """Return its answer with versions where they have to lie; raises NoSolution."""

    async def versions(self, key: Key, bounds: Bounds) -> set[Rank]:
        """Return the versions of a package that there are for it."""

    def could_build(self) -> bool:
        """Tell whether there are source distributions that were not tried yet."""


async def alike(
    members: Sequence[Member],
    answers: Answers,
    requirements: Requirements,
    progress: Callable[[str], None],
) -> dict[str, PlatformSolution]:
    """Return an answer for each platform, with the same version of each package wherever it is installed.

    :param answers: of each platform alone.
    :raises NoSolution: where there is none, with the package that stands in the way.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    search = _Search(members, requirements, progress)
    # In an order of their own: which platform was typed first must not decide.
    found = await search.run({platform: answers[platform] for platform in sorted(answers)})
    return {platform: found[platform] for platform in answers}


class _Search:
    def __init__(
        self, members: Sequence[Member], requirements: Requirements, progress: Callable[[str], None]
    ) -> None:
        self._members = {member.platform: member for member in members}
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
        could = {name for name in answers if self._members[name].could_build()}
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
                answer = await self._members[platform].solve_within(held, may_build=may_build)
            except NoSolution:
                self._known[key] = None
                break
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
            raise too_many(list(self._disputed), f"{MOST_SOLVES} solves or {MOST_SECONDS:.0f} s")

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

    async def _disputes(self, bounds: Blame, answers: Answers) -> list[Dispute]:
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

    async def _dispute(self, key: Key, ranks: Mapping[str, Rank], bounds: Blame) -> Dispute:
        held = Bounds(bounds, self._owners)
        there = [await self._members[platform].versions(key, held) for platform in ranks]
        common = {rank for rank in set.intersection(*there) if held.admit(key, rank)}
        strategy = self._requirements.strategy
        upwards = strategy == "highest" or (strategy == "lowest-direct" and key not in self._asked)
        return Dispute(key, ranks, tuple(sorted(common, reverse=not upwards)), upwards)

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
                    return cannot_agree(next(each for each in found if each.key == dispute.key))
        return cannot_all_agree(list(self._disputed), list(answers))
