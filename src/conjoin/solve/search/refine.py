"""A second look at an answer in which something that people asked for fell far.

The solver decides greedily: where `boto3` and `s3fs` cannot both be the newest, it may keep the newest boto3
and fall back to an s3fs of years ago that did not depend on it yet. Both are solutions, and nobody wants that
one. So where a project that was asked for by name fell by more than a third of its releases, it is tried
whether it can stay above that, and the answer in which the deepest fall is less deep is taken. Python and the
conda packages that the conda side wants stay as they are. What this costs is bounded: a few rounds for each
of the projects that fell deepest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import NoSolution
from conjoin.solve.candidates.project_candidates import ProjectPool
from conjoin.solve.search.conda_side import CondaSolver
from conjoin.solve.search.joint import Answer, solve_jointly
from conjoin.solve.search.provider import PypiWorld
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import PypiRequirement, Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["reconsidered"]

_FAR = 1 / 3
"""Of the releases that could be chosen, by how many a project may fall without a second look."""
_MOST_TRIALS = 3


async def reconsidered(
    answer: Answer,
    requirements: Requirements,
    world: PypiWorld,
    solver: CondaSolver,
    conda_first: Sequence[RepoDataRecord],
) -> Answer:
    """Return the answer, or a better one where something that was asked for fell far.

    :param conda_first: as :func:`solve_jointly` takes it.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    if requirements.strategy != "highest" or solver.steering is not None or world.pins is not None:
        return answer
    pools = world.loaded()
    fall = _Fall(requirements, world, answer)
    rounds = answer.rounds
    constraints = requirements.constraints
    for name in fall.far(answer)[:_MOST_TRIALS]:
        floor = PypiRequirement(name, specifier=f">={fall.floor(name)}")
        tried = replace(requirements, constraints=(*constraints, floor))
        try:
            other = await solve_jointly(tried, world, solver, conda_first, trial=True)
        except NoSolution:
            continue
        rounds += other.rounds
        if any(world.loaded().get(project) is not pool for project, pool in pools.items()):
            break  # an owner nobody had thought of: ordinals moved, and nothing can be compared
        if _keeps(answer, other, conda_first) and fall.depths(other) < fall.depths(answer):
            answer, constraints = other, tried.constraints
    return msgspec.structs.replace(answer, rounds=rounds)


class _Fall:
    """How far what was asked for by name fell, as a part of the releases there are for the Python."""

    def __init__(self, requirements: Requirements, world: PypiWorld, answer: Answer) -> None:
        self._world = world
        self._pools = world.loaded()
        self._names = {item.name for item in requirements.pypi if not item.url and not item.marker}
        builds = {(str(r.version), str(r.build)) for r in answer.conda if r.name.normalized == "python"}
        self._python = world.pythons.mask(lambda known: (known.conda_version, known.build) in builds)
        self._usable: dict[PypiName, list[int]] = {}

    def far(self, answer: Answer) -> list[PypiName]:
        """Return the projects that fell far, the deepest fall first."""
        depths = {name: self._depth(name, ordinal) for name, ordinal in self._chosen(answer).items()}
        return sorted(
            (name for name in depths if depths[name] > _FAR), key=lambda name: (-depths[name], name)
        )

    def depths(self, answer: Answer) -> list[float]:
        """Return how far each fell, the deepest fall first: what is compared."""
        return sorted(
            (self._depth(name, ordinal) for name, ordinal in self._chosen(answer).items()), reverse=True
        )

    def floor(self, name: PypiName) -> str:
        """Return the version above which a project has not fallen far."""
        usable = self._usable_of(name)
        lowest = usable[int(len(usable) * (1 - _FAR))]
        return self._pools[name].ordinals.version(lowest).public

    def _chosen(self, answer: Answer) -> dict[PypiName, int]:
        return {
            item.chosen.project: item.chosen.ordinal
            for item in answer.pypi
            if item.chosen.project in self._names and item.chosen.project in self._pools
        }

    def _depth(self, name: PypiName, chosen: int) -> float:
        pool = self._pools[name]
        # Which releases could be chosen takes time to find out, and most projects did not fall at all.
        if len(pool.ordinals) - chosen <= len(pool.ordinals) * _FAR:
            return (len(pool.ordinals) - chosen) / len(pool.ordinals)
        usable = self._usable_of(name)
        return sum(ordinal > chosen for ordinal in usable) / len(usable) if usable else 0.0

    def _usable_of(self, name: PypiName) -> list[int]:
        if name not in self._usable:
            pool = self._pools[name]
            excluded = self._world.excluded(pool)
            self._usable[name] = [
                ordinal
                for ordinal in pool.ordinals.allowed("")
                if ordinal not in excluded and self._is_usable(pool, ordinal)
            ]
        return self._usable[name]

    def _is_usable(self, pool: ProjectPool, ordinal: int) -> bool:
        return any(
            self._world.mask(candidate) & self._python
            and self._world.knowledge.unusable(candidate.file) is None
            for candidate in pool.at(ordinal)
        )


def _keeps(answer: Answer, other: Answer, conda_first: Sequence[RepoDataRecord]) -> bool:
    """Tell whether another answer has this one's Python and, of what the conda side wants, all it has."""
    wanted = {_identity(record) for record in conda_first}
    ours = {_identity(r) for r in answer.conda if _identity(r) in wanted or r.name.normalized == "python"}
    return ours <= {_identity(record) for record in other.conda}


def _identity(record: RepoDataRecord) -> tuple[str, str, str]:
    return record.name.normalized, str(record.version), str(record.build)
