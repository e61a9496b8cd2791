"""Looking ahead: reading the metadata that the solver will most likely ask for, before it asks.

Nothing here decides anything. A wrong guess costs a request; a right one saves a round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from conjoin.index.pypi.project import Sdist
from conjoin.solve.candidates.metadata import Dependency
from conjoin.solve.candidates.project_candidates import Candidate, ProjectPool
from conjoin.solve.candidates.pythons import Mask
from conjoin.solve.search.provider import PypiWorld
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.requirements import PypiRequirement

__all__ = ["LookAhead"]

_FIRST_LOOK = 16
"""Metadata read at once when the solver first asks for a candidate that was not foreseen: a round of solving
costs as much as reading some twenty."""
_MOST_AT_ONCE = 64
"""Metadata read at once for one project that keeps coming back: boto3 has 2,000 releases."""
_MOST_IN_VAIN = 8
"""Releases of one project passed over for asking for what nobody has; more of them are the solver's."""
_MOST_LEVELS = 100
"""Depth at which following dependencies stops; real chains are under 20."""


class _Guess(msgspec.Struct):
    """What is expected of one project."""

    allowed: set[int]
    extras: set[str] = msgspec.field(default_factory=set)
    candidate: Candidate | None = None
    followed: set[str] = msgspec.field(default_factory=set)

    @property
    def still_stands(self) -> bool:
        """Whether the candidate is one of those that are allowed."""
        return self.candidate is not None and self.candidate.ordinal in self.allowed


class LookAhead:
    """Follows requirements greedily, highest version first, the way most solutions turn out.

    :param settled: conda packages that the conda side wants anyway; where their bridge is allowed, no wheel
        is guessed.
    """

    def __init__(self, world: PypiWorld, settled: dict[CondaName, str]) -> None:
        self._world = world
        self._settled = settled
        self._guesses: dict[PypiName, _Guess] = {}
        self._returns: dict[PypiName, int] = {}
        self._direct = {requirement.name for requirement in world.wishes.bounds}
        self.python: Mask = 0

    def expect_python(self, version: str, build: str) -> None:
        """Set the Python build that is expected to be chosen."""
        self.python = self._world.pythons.mask(
            lambda known: known.conda_version == version and known.build == build
        )
        for known in self._world.pythons.members(self.python):
            self._world.expected_minor = known.minor

    async def follow(self, dependencies: Iterable[Dependency | PypiRequirement]) -> None:
        """Read the metadata of the expected candidates of these dependencies, and of theirs, and so on.

        :raises Unreachable: where an index cannot be reached.
        """
        frontier = list(dependencies)
        for _ in range(_MOST_LEVELS):
            if not frontier:
                return
            touched = await self._demand(frontier)
            await self._settle(touched)
            frontier = [
                dependency
                for name in sorted(touched)
                for dependency in self._newly_needed(self._guesses[name])
            ]

    async def _demand(self, dependencies: list[Dependency | PypiRequirement]) -> set[PypiName]:
        pools = await self._world.pools(dependency.name for dependency in dependencies)
        touched: set[PypiName] = set()
        for dependency, pool in zip(dependencies, pools, strict=True):
            allowed = set(pool.ordinals.allowed(dependency.specifier))
            guess = self._guesses.get(pool.name)
            if guess is None:
                guess = self._guesses[pool.name] = _Guess(allowed)
            else:
                guess.allowed = guess.allowed & allowed or allowed
            guess.extras.update(dependency.extras)
            touched.add(pool.name)
        return touched

    async def _settle(self, names: set[PypiName]) -> None:
        """Guess a candidate for each project; where its metadata speaks against it, the next."""
        first: dict[PypiName, Candidate] = {}
        for name in sorted(names):
            guess = self._guesses[name]
            if guess.still_stands:
                continue
            guess.candidate = None
            guess.followed.clear()
            pool = await self._world.pool(name)
            if not self._is_settled(pool, guess.allowed):
                first.update((name, candidate) for candidate in islice(self._hopeful(pool, guess.allowed), 1))
        # For nearly all of them the first will do: what is read of these is asked for at once.
        await self._world.learn(first.values())
        needs = (self._applying(candidate) for candidate in first.values())
        await self._world.pools(each.name for needed in needs for each in needed)
        left = []
        for name, candidate in first.items():
            if await self._will_do(candidate):
                self._guesses[name].candidate = candidate
            else:
                left.append(name)
        if left:
            await asyncio.gather(*(self._settle_one(name) for name in left))

    async def _will_do(self, candidate: Candidate) -> bool:
        known = self._world.knowledge.known(candidate.file) is not None
        return known and self._fits(candidate) and not await self._world.is_in_vain(self._applying(candidate))

    async def _settle_one(self, name: PypiName) -> None:
        guess = self._guesses[name]
        pool = await self._world.pool(name)
        width, in_vain = 1, 0
        hopeful = self._hopeful(pool, guess.allowed)
        while batch := list(islice(hopeful, width)):
            await self._world.learn(batch)
            for candidate in batch:
                if self._world.knowledge.known(candidate.file) is None or not self._fits(candidate):
                    continue
                if in_vain < _MOST_IN_VAIN and await self._world.is_in_vain(self._applying(candidate)):
                    in_vain += 1
                    continue
                guess.candidate = candidate
                return
            width = min(2 * width, _MOST_AT_ONCE)

    def _is_settled(self, pool: ProjectPool, allowed: set[int]) -> bool:
        return not self._settled.keys().isdisjoint(pool.owners) and any(
            self._settled.get(bridge.conda) in bridge.spellings and bridge.ordinal in allowed
            for bridge in pool.bridges
        )

    def _hopeful(self, pool: ProjectPool, allowed: set[int]) -> Iterator[Candidate]:
        return (
            candidate
            for candidate in self._in_order(pool, sorted(allowed))
            if self._fits(candidate)
            and self._world.knowledge.unusable(candidate.file) is None
            and not isinstance(candidate.file, Sdist)  # a guess is not worth a build
        )

    def _in_order(self, pool: ProjectPool, ordinals: Sequence[int]) -> Iterator[Candidate]:
        """Yield candidates in the order in which the strategy prefers them."""
        strategy = self._world.wishes.strategy
        lowest = strategy == "lowest" or (strategy == "lowest-direct" and pool.name in self._direct)
        return pool.upwards(ordinals) if lowest else pool.downwards(ordinals)

    def _fits(self, candidate: Candidate) -> bool:
        mask = self._world.mask(candidate)
        return bool(mask & self.python) if self.python else bool(mask)

    def _newly_needed(self, guess: _Guess) -> list[Dependency]:
        needed: list[Dependency] = []
        if guess.candidate is None:
            return needed
        for extra in ["", *sorted(guess.extras)]:
            if extra not in guess.followed:
                guess.followed.add(extra)
                needed += self._applying(guess.candidate, extra)
        return needed

    def _applying(self, candidate: Candidate, extra: str = "") -> list[Dependency]:
        known = self._world.knowledge.known(candidate.file)
        python = self.python or self._world.pythons.all
        return [
            dependency
            for dependency in (known.dependencies if known else ())
            if dependency.marker is None or self._world.pythons.marker(dependency.marker, extra) & python
        ]

    def next_of(self, candidates: Iterable[Candidate], pools: dict[PypiName, ProjectPool]) -> list[Candidate]:
        """Return what to read when the solver has chosen these unknown candidates.

        A project that comes back keeps coming back (boto3 and its kin unroll a release a round), so each
        time twice as many of its next candidates are read at once.
        """
        wanted: list[Candidate] = []
        for candidate in candidates:
            wanted.append(candidate)
            returns = self._returns[candidate.project] = self._returns.get(candidate.project, 0) + 1
            pool = pools[candidate.project]
            below = (
                other
                for other in self._in_order(pool, range(1, len(pool.ordinals) + 1))
                if self._fits(other)
                and self._world.knowledge.is_open(other.file)
                and not isinstance(other.file, Sdist)
            )
            most = min(_FIRST_LOOK * 2 ** (returns - 1), _MOST_AT_ONCE)
            wanted.extend(islice(below, most))
        return wanted

    async def glance(self, candidates: Iterable[Candidate]) -> None:
        """Read the best candidate of each dependency of these candidates, one level deep.

        Where releases of several projects belong together, the next release of one is judged by its own
        release of the others.
        """
        found = {
            (dependency.name, dependency.specifier)
            for candidate in candidates
            if (known := self._world.knowledge.known(candidate.file))
            for dependency in known.dependencies
            if dependency.marker is None or self._world.pythons.marker(dependency.marker) & self.python
        }
        demands = sorted(found)
        pools = await self._world.pools(name for name, _ in demands)
        best: list[Candidate] = []
        for (_, specifier), pool in zip(demands, pools, strict=True):
            allowed = set(pool.ordinals.allowed(specifier))
            if not self._is_settled(pool, allowed):
                best.extend(islice(self._hopeful(pool, allowed), 1))
        await self._world.learn(best)

    def most_returned(self) -> PypiName | None:
        """Return the project that came back most often, None where none did."""
        return max(self._returns, key=lambda name: self._returns[name], default=None)
