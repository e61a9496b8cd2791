"""The answer that needs no search: everything in its best version, and nothing that speaks against it.

Most requests have one. It is found by looking: of each project that is asked for take the best candidate that
all who ask for it allow, and read what that one asks for, until nothing changes any more. What comes out is a
solution in which no single package could be better while the others stay; where the greedy choices do not
agree, there is none to be had this way, and the solver searches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from conjoin.index.pypi.project import Sdist
from conjoin.solve.candidates.encoding import Meaning, applies, as_dependency
from conjoin.solve.candidates.metadata import Dependency
from conjoin.solve.candidates.project_candidates import Bridge, Candidate, ProjectPool
from conjoin.solve.candidates.pythons import Mask
from conjoin.solve.search.conda_side import CondaSolver, Unsatisfiable
from conjoin.solve.search.provider import PypiWorld
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Greedy", "greedy_answer"]

_MOST_TURNS = 30
"""Each turn follows every requirement once; what has not come to rest by then goes round in circles."""
_MOST_LEVELS = 100
"""Depth at which following dependencies stops; real chains are under 20."""
_MOST_ADDED = 4
"""Conda packages that are added for one project each: for each of them the conda side is solved again."""
_MOST_READ = 16
"""Metadata read one after the other, beyond what was read ahead; the search reads many at once."""


class Greedy(msgspec.Struct, frozen=True):
    """An answer.

    :ivar conda: the conda side's own solution, and what was added to it.
    """

    conda: tuple[RepoDataRecord, ...]
    pypi: tuple[Meaning, ...]


class _Asked(msgspec.Struct):
    """What is asked of one project."""

    specifiers: set[str] = msgspec.field(default_factory=set)
    extras: set[str] = msgspec.field(default_factory=set)


class _Unclear(Exception):
    """The greedy choices do not agree, or the solver has more to weigh than versions."""


async def greedy_answer(
    requirements: Requirements,
    world: PypiWorld,
    solver: CondaSolver,
    conda_first: Sequence[RepoDataRecord],
    python: Mask,
) -> Greedy | None:
    """Return what is chosen beside the conda side's own solution, which stays as it is.

    :param conda_first: the solution of the conda side alone.
    :param python: the one Python build in it.
    :returns: None where that takes a search.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    # With something to stay near to, or other versions than the highest, the best is not this simple.
    if requirements.strategy != "highest" or solver.steering is not None or solver.bounds is not None:
        return None
    if world.pins is not None or requirements.prefer_conda or python.bit_count() != 1:
        return None
    if any(item.marker for item in requirements.constraints):
        return None
    try:
        search = _Greedy(world, _CondaSide(solver, conda_first), python)
        return await search.answer([as_dependency(item) for item in requirements.pypi])
    except _Unclear:
        return None


class _CondaSide:
    """The conda packages that stand, to which others may be added but of which none may move.

    :ivar records: all of them.
    :ivar versions: their versions by their names.
    """

    def __init__(self, solver: CondaSolver, first: Sequence[RepoDataRecord]) -> None:
        self._solver = solver
        self._first = first
        self._specs: dict[Bridge, str] = {}
        self._stand(first)

    def _stand(self, records: Sequence[RepoDataRecord]) -> None:
        self.records = tuple(records)
        self.versions = {record.name.normalized: str(record.version) for record in records}

    async def add(self, bridge: Bridge) -> set[CondaName]:
        """Add the package of a bridge, and what it needs; return the names that are new.

        :raises _Unclear: where something would have to move.
        """
        alternatives = "|".join(f"=={spelling}" for spelling in bridge.spellings)
        self._specs[bridge] = f"{bridge.conda} {alternatives}"
        try:
            if len(self._specs) > _MOST_ADDED:
                raise _Unclear
            found = await self._solver.solve(sorted(self._specs.values()), preferred=self._first)
        except Unsatisfiable:
            raise _Unclear from None
        if not {_identity(each) for each in self._first} <= {_identity(each) for each in found}:
            raise _Unclear
        before = self.versions.keys()
        self._stand(found)
        return {CondaName(name) for name in self.versions.keys() - before}

    def was_added(self, name: CondaName) -> bool:
        """Tell whether a package is here for the PyPI side alone."""
        return all(each.name.normalized != name for each in self._first)

    def is_all_needed(self, chosen: Iterable[Candidate | Bridge]) -> bool:
        """Tell whether everything that was added still serves."""
        return self._specs.keys() <= {each for each in chosen if isinstance(each, Bridge)}


def _identity(record: RepoDataRecord) -> tuple[str, str, str]:
    return record.name.normalized, str(record.version), str(record.build)


class _Greedy:
    def __init__(self, world: PypiWorld, conda: _CondaSide, python: Mask) -> None:
        self._world = world
        self._conda = conda
        self._python = python
        self._picked: dict[tuple[PypiName, frozenset[str]], Candidate | Bridge] = {}
        self._read = 0
        self._needed: dict[tuple[str, str], tuple[Dependency, ...]] = {}

    async def answer(self, roots: Sequence[Dependency]) -> Greedy:
        chosen: dict[PypiName, Candidate | Bridge] = {}
        for _ in range(_MOST_TURNS):
            asked = await self._follow(roots, chosen)
            again = {name: await self._pick(name, each) for name, each in asked.items()}
            if again == chosen and again.keys() == asked.keys():
                if not self._conda.is_all_needed(chosen.values()):
                    break
                meanings = (
                    Meaning(chosen[name], extra, self._needs(chosen[name], extra))
                    for name, each in sorted(asked.items())
                    for extra in ("", *sorted(each.extras))
                )
                return Greedy(self._conda.records, tuple(meanings))
            chosen = again
        raise _Unclear

    async def _follow(
        self, roots: Sequence[Dependency], chosen: dict[PypiName, Candidate | Bridge]
    ) -> dict[PypiName, _Asked]:
        """Return what is asked of each project by the roots and by all that is chosen because of them.

        :param chosen: what is not in there is chosen on the way, by what was asked of it until then.
        """
        asked: dict[PypiName, _Asked] = {}
        followed: set[tuple[PypiName, str]] = set()
        frontier = [each for each in roots if self._is_needed(each, "")]
        for _ in range(_MOST_LEVELS):
            if not frontier:
                return asked
            await self._world.pools({each.name for each in frontier})
            touched: dict[PypiName, None] = {}
            for dependency in frontier:
                specifier, extras = self._world.demanded(dependency)
                if self._world.is_foreign_url(dependency):
                    raise _Unclear
                one = asked.setdefault(dependency.name, _Asked())
                one.specifiers.add(specifier)
                one.extras.update(extras)
                touched[dependency.name] = None
            frontier = []
            for name in sorted(touched):
                if name not in chosen:
                    chosen[name] = await self._pick(name, asked[name])
                for extra in ("", *sorted(asked[name].extras)):
                    if (name, extra) not in followed:
                        followed.add((name, extra))
                        frontier += self._needs(chosen[name], extra)
        raise _Unclear

    def _needs(self, chosen: Candidate | Bridge, extra: str) -> tuple[Dependency, ...]:
        """Return what a choice depends on; of an extra, what that adds."""
        if isinstance(chosen, Bridge):
            return ()
        key = (chosen.file.url, extra)
        if key not in self._needed:
            known = self._world.knowledge.known(chosen.file)
            assert known is not None
            self._needed[key] = tuple(each for each in known.dependencies if self._is_needed(each, extra))
        return self._needed[key]

    def _is_needed(self, dependency: Dependency, extra: str) -> bool:
        return bool(applies(dependency, extra, self._world.pythons) & self._python)

    async def _pick(self, name: PypiName, asked: _Asked) -> Candidate | Bridge:
        """Return the best of a project that all who ask for it allow.

        :raises _Unclear: where there is none, or where versions alone do not tell which is the best.
        """
        key = (name, frozenset(asked.specifiers))
        if key not in self._picked:
            pool = await self._world.pool(name)
            allowed = set.intersection(*(set(pool.ordinals.allowed(each)) for each in key[1]))
            self._picked[key] = await self._best(pool, sorted(allowed - self._world.excluded(pool)))
        picked = self._picked[key]
        if isinstance(picked, Bridge) and asked.extras:
            raise _Unclear  # what its extras ask for may move the conda side
        return picked

    async def _best(self, pool: ProjectPool, allowed: Sequence[int]) -> Candidate | Bridge:
        if not self._conda.versions.keys().isdisjoint(pool.owners):
            bridge = self._settled_bridge(pool, allowed)
            higher = (each for ordinal in allowed if ordinal > bridge.ordinal for each in pool.at(ordinal))
            if self._conda.was_added(bridge.conda) and any(self._serves(each) for each in higher):
                raise _Unclear  # perhaps what brought it should fall
            return bridge
        for ordinal in reversed(allowed):
            candidate = await self._readable(pool, ordinal)
            if candidate is not None and not await self._world.is_in_vain(self._needs(candidate, "")):
                return candidate
            if ordinal in pool.bridged:
                return await self._added(pool, ordinal)
        raise _Unclear

    async def _added(self, pool: ProjectPool, ordinal: int) -> Bridge:
        """Return the bridge to a conda package that has what no wheel has."""
        [bridge, *others] = [each for each in pool.bridges if each.ordinal == ordinal]
        if others:
            raise _Unclear
        names = await self._conda.add(bridge)
        # What it brings may serve others, too: they are looked at again.
        self._picked.clear()
        if found := await self._world.ownership.discover(names, self._world.loaded()):
            self._world.forget(found)
            raise _Unclear
        return bridge

    async def _readable(self, pool: ProjectPool, ordinal: int) -> Candidate | None:
        """Return the wheel of a version that serves the Python, with its metadata read.

        :raises _Unclear: where the version is worth another Python, or a build.
        """
        while usable := [each for each in pool.at(ordinal) if self._serves(each)]:
            fitting = [each for each in usable if self._world.mask(each) & self._python]
            if not fitting or isinstance(fitting[0].file, Sdist):
                raise _Unclear
            if self._world.knowledge.known(fitting[0].file):
                return fitting[0]
            self._read += 1
            if self._read > _MOST_READ:
                raise _Unclear
            # One that turns out to be unusable is gone then, and another of its version may stand in for it.
            await self._world.learn(fitting)
        return None

    def _settled_bridge(self, pool: ProjectPool, allowed: Sequence[int]) -> Bridge:
        """Return the bridge to a package that the conda side wants anyway."""
        for bridge in pool.bridges:
            if self._conda.versions.get(bridge.conda) in bridge.spellings and bridge.ordinal in allowed:
                return bridge
        raise _Unclear

    def _serves(self, candidate: Candidate) -> bool:
        """Tell whether a candidate serves any Python."""
        return self._world.knowledge.unusable(candidate.file) is None and bool(self._world.mask(candidate))
