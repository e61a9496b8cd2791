"""Keeps requested versions high: an answer in which something that was asked for fell far is refined.

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
from conjoin.solve.candidates.encoding import Answer
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.search.conda_side import CondaSolver
from conjoin.solve.search.joint import solve_jointly
from conjoin.solve.search.provider import PypiProvider
from conjoin.solve.search.select import identity
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import PypiRequirement, Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["refined"]

_FAR = 1 / 3
"""Of the releases that could be chosen, by how many a project may fall before that is looked at again."""
_MOST_TRIALS = 3


async def refined(
    answer: Answer,
    requirements: Requirements,
    provider: PypiProvider,
    solver: CondaSolver,
    conda_first: Sequence[RepoDataRecord],
) -> Answer:
    """Return the answer, or a better one where something that was asked for fell far.

    :param conda_first: as :func:`solve_jointly` takes it.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    if requirements.strategy != "highest" or solver.steering is not None or provider.pins is not None:
        return answer
    pools = provider.projects.loaded()
    fall = _Fall(requirements, provider, answer)
    rounds = answer.rounds
    constraints = requirements.constraints
    for name in fall.far(answer)[:_MOST_TRIALS]:
        floor = PypiRequirement(name, specifier=f">={fall.floor(name)}")
        tried = replace(requirements, constraints=(*constraints, floor))
        try:
            other = await solve_jointly(tried, provider, solver, conda_first, trial=True)
        except NoSolution:
            continue
        rounds += other.rounds
        if any(provider.projects.loaded().get(project) is not pool for project, pool in pools.items()):
            break  # an owner nobody had thought of: ordinals moved, and nothing can be compared
        if _keeps(answer, other, conda_first) and fall.depths(other) < fall.depths(answer):
            answer, constraints = other, tried.constraints
    return msgspec.structs.replace(answer, rounds=rounds)


class _Fall:
    """How far what was asked for by name fell, as a part of the releases there are for the Python."""

    def __init__(self, requirements: Requirements, provider: PypiProvider, answer: Answer) -> None:
        self._provider = provider
        self._pools = provider.projects.loaded()
        self._names = {item.name for item in requirements.pypi if not item.url and not item.marker}
        self._python = provider.pythons.among(answer.conda)
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
            excluded = self._provider.projects.excluded(pool)
            self._usable[name] = [
                ordinal
                for ordinal in pool.ordinals.allowed("")
                if ordinal not in excluded and self._is_usable(pool, ordinal)
            ]
        return self._usable[name]

    def _is_usable(self, pool: ProjectCandidates, ordinal: int) -> bool:
        return any(
            self._provider.metadata.mask(candidate) & self._python
            and self._provider.metadata.unusable(candidate.file) is None
            for candidate in pool.at(ordinal)
        )


def _keeps(answer: Answer, other: Answer, conda_first: Sequence[RepoDataRecord]) -> bool:
    """Tell whether another answer has this one's Python and, of what the conda side wants, all it has."""
    wanted = {identity(record) for record in conda_first}
    ours = {identity(r) for r in answer.conda if identity(r) in wanted or r.name.normalized == "python"}
    return ours <= {identity(record) for record in other.conda}
