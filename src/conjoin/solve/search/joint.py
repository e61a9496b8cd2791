"""The joint solve: conda and PyPI in one satisfiability problem (design, section 5).

Where every package can be had in its best version, that is the answer, and nothing is searched (see
:mod:`conjoin.solve.search.greedy`). Else the loop, in one paragraph: show the solver every candidate, with
the dependencies known so far; read the metadata of those it chose; repeat until it chooses only what is
known. Unknown dependencies count as none, so every round is a relaxation: unsatisfiable means unsatisfiable,
and a solution without unknowns is one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import NoSolution
from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.solve.candidates.encoding import Meaning
from conjoin.solve.candidates.project_candidates import Candidate
from conjoin.solve.candidates.pythons import Mask
from conjoin.solve.preferences.update import Steering
from conjoin.solve.search.conda_side import CondaSolver, Unsatisfiable
from conjoin.solve.search.greedy import greedy_answer
from conjoin.solve.search.prefetch import LookAhead
from conjoin.solve.search.provider import PypiWorld
from conjoin.solve.search.records import PypiRecords
from conjoin.spec.names import CondaName
from conjoin.spec.requirements import PypiRequirement, Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Answer", "solve_jointly"]

MAX_ROUNDS = 200
MAX_SECONDS = 300.0
"""Beyond either limit the request is given up, naming the project that unrolled."""
_TRIAL_ROUNDS = 8


class Answer(msgspec.Struct, frozen=True):
    """The records of a solution: conda's own, and what ours stand for."""

    conda: tuple[RepoDataRecord, ...]
    pypi: tuple[Meaning, ...]
    rounds: int


async def solve_jointly(
    requirements: Requirements,
    world: PypiWorld,
    solver: CondaSolver,
    conda_first: Sequence[RepoDataRecord],
    *,
    trial: bool = False,
) -> Answer:
    """Solve conda and PyPI together.

    :param conda_first: the solution of the conda side alone, which is preferred where it can be kept.
    :param trial: give up soon, and without reasons.
    :raises Unsatisfiable: where nothing satisfies them.
    :raises NoSolution: where a limit is reached.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    records = PypiRecords(world)
    given = [PypiRequirement(name) for name in sorted(world.pins.wheels)] if world.pins else []
    asked = sorted([*(item for item in requirements.pypi if not item.marker), *given])
    conditional = [item for item in requirements.pypi if item.marker]
    always = [item for item in requirements.constraints if not item.marker]
    partly = [item for item in requirements.constraints if item.marker]
    await world.pools(item.name for item in given)
    ahead = await _look_ahead(requirements, world, conda_first)
    if not trial and (greedy := await greedy_answer(requirements, world, solver, conda_first, ahead.python)):
        return Answer(greedy.conda, greedy.pypi, 1)
    deadline = time.monotonic() + MAX_SECONDS
    expecting, forgotten = True, False
    for number in range(1, (_TRIAL_ROUNDS if trial else MAX_ROUNDS) + 1):
        if time.monotonic() > deadline:
            break
        if forgotten:
            records.forget()
        specs = [spec for item in asked for spec in await world.specs(item)]
        await records.settle()
        constraints = [await world.spec(item.name, "", item.specifier) for item in always]
        constraints += world.steered(solver.steering) if solver.steering else ()
        held = solver.bounds.pypi_specs(world) if solver.bounds else []
        records.refresh(expecting=expecting)
        forgotten = False
        root = await records.conditional_root(conditional, partly)
        try:
            preferred = [*conda_first, *await _staying(solver.steering, records, conda_first)]
            solved = await solver.solve(
                [*root, *specs], source=records, constraints=[*constraints, *held], preferred=preferred
            )
        except Unsatisfiable as error:
            if world.has_changed or (not trial and world.widen()):
                continue
            if expecting:
                # Perhaps only what was expected of unread releases stands in the way.
                expecting = False
                continue
            if trial:
                break
            raise error.beside(world, requirements) from error
        if world.has_changed or (solver.bounds and solver.bounds.pypi_specs(world) != held):
            # More was shown while the solver was asking. What it had seen by then depends on which answer
            # came first, and the lock must not.
            continue
        expecting = True
        meanings = [meaning for record in solved if (meaning := records.meaning(record))]
        conda = [record for record in solved if not solver.is_ours(record)]
        _expect_python(ahead, conda)
        forgotten = await _discover_owners(world, conda)
        if not forgotten and not await _learn(world, ahead, meanings):
            before_building = time.monotonic()
            if await _build(world, meanings, ahead.python):
                return Answer(tuple(conda), tuple(meanings), number)
            deadline += time.monotonic() - before_building  # builds have a limit of their own
    culprit = ahead.most_returned()
    raise NoSolution(
        f"gave up after {MAX_ROUNDS} rounds or {MAX_SECONDS:.0f} s: {culprit} has too many versions to try",
        advice=f"add a lower bound for {culprit}, or for whatever depends on it",
    )


async def _look_ahead(
    requirements: Requirements, world: PypiWorld, conda_first: Sequence[RepoDataRecord]
) -> LookAhead:
    ahead = LookAhead(world, {CondaName(r.name.normalized): str(r.version) for r in conda_first})
    _expect_python(ahead, conda_first)
    await ahead.follow(requirements.pypi)
    return ahead


async def _staying(
    steering: Steering | None, records: PypiRecords, preferred: Sequence[RepoDataRecord]
) -> list[RepoDataRecord]:
    """Return the records of what should stay as it was on the PyPI side, where something was."""
    if steering is None:
        return []
    python = next((record for record in preferred if record.name.normalized == "python"), None)
    return await records.favoured(steering, python)


async def _discover_owners(world: PypiWorld, conda: Sequence[RepoDataRecord]) -> bool:
    """Find conda packages that provide a project in play, and that nobody had thought of."""
    names = (CondaName(record.name.normalized) for record in conda)
    found = await world.ownership.discover(names, world.loaded())
    if found:
        world.forget(found)
    return bool(found)


async def _learn(world: PypiWorld, ahead: LookAhead, meanings: Sequence[Meaning]) -> bool:
    """Learn what the chosen candidates depend on; return whether there was anything to learn."""
    unknown = [
        item.chosen
        for item in meanings
        if isinstance(item.chosen, Candidate) and world.knowledge.is_open(item.chosen.file)
    ]
    bridged = [
        item.chosen
        for item in meanings
        if item.extra
        and not isinstance(item.chosen, Candidate)
        and item.chosen.file is not None
        and world.knowledge.is_open(item.chosen.file)
    ]
    if not unknown and not bridged:
        return False
    # Sources last: to read one may take a build, which what is learned of the others may spare.
    unknown = [each for each in unknown if isinstance(each.file, Wheel)] or ([] if bridged else unknown)
    unique = list({candidate.file.url: candidate for candidate in unknown}.values())
    wanted = ahead.next_of(unique, world.loaded())
    await world.learn([*wanted, *bridged])
    await ahead.glance(wanted)
    await ahead.follow(
        [
            dependency
            for candidate in unique
            if (known := world.knowledge.known(candidate.file))
            for dependency in known.dependencies
            if dependency.marker is None or world.pythons.marker(dependency.marker) & ahead.python
        ]
    )
    return True


async def _build(world: PypiWorld, meanings: Sequence[Meaning], python: Mask) -> bool:
    """Build the chosen source distributions; return whether all their wheels serve the chosen Python."""
    sources = {
        item.chosen.file.url: item.chosen
        for item in meanings
        if isinstance(item.chosen, Candidate) and isinstance(item.chosen.file, Sdist)
    }
    return all(await asyncio.gather(*(world.build(candidate, python) for candidate in sources.values())))


def _expect_python(ahead: LookAhead, records: Sequence[RepoDataRecord]) -> None:
    for record in records:
        if record.name.normalized == "python":
            ahead.expect_python(str(record.version), str(record.build))
