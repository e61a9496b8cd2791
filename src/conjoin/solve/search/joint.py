"""The joint solve: conda and PyPI in one satisfiability problem (docs/solving.md).

Where every package can be had in its best version, that is the answer, and nothing is searched (see
:mod:`conjoin.solve.search.select`). Else the loop, in one paragraph: show the solver every candidate, with
the dependencies known so far; read the metadata of those it chose; repeat until it chooses only what is
known. Unknown dependencies count as none, so every round is a relaxation: unsatisfiable means unsatisfiable,
and a solution without unknowns is one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conjoin.errors import NoSolution
from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.solve.candidates.encoding import Answer, Meaning
from conjoin.solve.candidates.project_candidates import Candidate
from conjoin.solve.candidates.pythons import Mask
from conjoin.solve.preferences.update import UpdateSteering
from conjoin.solve.search.conda_side import CondaSolver, Unsatisfiable
from conjoin.solve.search.provider import PypiProvider
from conjoin.solve.search.records import PypiRecords
from conjoin.solve.search.select import Prefetch, greedy_answer, may_be_greedy
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.requirements import PypiRequirement, Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["solve_jointly"]

MAX_ROUNDS = 200
MAX_SECONDS = 300.0
"""Beyond either limit the request is given up, naming the project that unrolled."""
_TRIAL_ROUNDS = 8


async def solve_jointly(
    requirements: Requirements,
    provider: PypiProvider,
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
    records, projects = PypiRecords(provider), provider.projects
    given = [PypiRequirement(name) for name in sorted(provider.pins.wheels)] if provider.pins else []
    asked = sorted([*(item for item in requirements.pypi if not item.marker), *given])
    conditional = [item for item in requirements.pypi if item.marker]
    always = [item for item in requirements.constraints if not item.marker]
    partly = [item for item in requirements.constraints if item.marker]
    await projects.get_all(item.name for item in given)
    prefetch = Prefetch(provider, solver, conda_first)
    greedy = not trial and may_be_greedy(requirements, provider, solver) and prefetch.python.bit_count() == 1
    await prefetch.read(requirements.pypi, answering=greedy)
    if greedy and (found := await greedy_answer(requirements, prefetch, provider, solver, conda_first)):
        return found
    deadline = time.monotonic() + MAX_SECONDS
    expecting, forgotten = True, False
    for number in range(1, (_TRIAL_ROUNDS if trial else MAX_ROUNDS) + 1):
        if time.monotonic() > deadline:
            break
        if forgotten:
            records.forget()
        specs = [spec for item in asked for spec in await provider.specs.specs(item)]
        await records.settle()
        constraints = [await provider.specs.spec(item.name, "", item.specifier) for item in always]
        constraints += provider.specs.steered(solver.steering) if solver.steering else ()
        held = solver.bounds.pypi_specs(projects.loaded()) if solver.bounds else []
        records.refresh(expecting=expecting)
        forgotten = False
        root = await records.conditional_root(conditional, partly)
        try:
            preferred = [*conda_first, *await _staying(solver.steering, records, conda_first)]
            solved = await solver.solve(
                [*root, *specs], source=records, constraints=[*constraints, *held], preferred=preferred
            )
        except Unsatisfiable as error:
            if provider.window.has_changed or (not trial and provider.window.widen(projects.loaded())):
                continue
            if expecting:
                # Perhaps only what was expected of unread releases stands in the way.
                expecting = False
                continue
            if trial:
                break
            raise error.beside(provider, requirements) from error
        if provider.window.has_changed or (
            solver.bounds and solver.bounds.pypi_specs(projects.loaded()) != held
        ):
            # More was shown while the solver was asking. What it had seen by then depends on which answer
            # came first, and the lock must not.
            continue
        expecting = True
        meanings = [meaning for record in solved if (meaning := records.meaning(record))]
        conda = [record for record in solved if not solver.is_ours(record)]
        prefetch.expect(conda)
        forgotten = await _discover_owners(provider, conda)
        if not forgotten and not await _learn(provider, prefetch, meanings):
            before_building = time.monotonic()
            if await _build(provider, meanings, prefetch.python):
                return Answer(tuple(conda), tuple(meanings), number)
            deadline += time.monotonic() - before_building  # builds have a limit of their own
    raise _gave_up(prefetch.most_returned())


async def _staying(
    steering: UpdateSteering | None, records: PypiRecords, preferred: Sequence[RepoDataRecord]
) -> list[RepoDataRecord]:
    """Return the records of what should stay as it was on the PyPI side, where something was."""
    if steering is None:
        return []
    python = next((record for record in preferred if record.name.normalized == "python"), None)
    return await records.favoured(steering, python)


async def _discover_owners(provider: PypiProvider, conda: Sequence[RepoDataRecord]) -> bool:
    """Find conda packages that provide a project in play, and that nobody had thought of."""
    names = (CondaName(record.name.normalized) for record in conda)
    found = await provider.ownership.discover(names, provider.projects.loaded())
    if found:
        provider.forget(found)
    return bool(found)


async def _learn(provider: PypiProvider, prefetch: Prefetch, meanings: Sequence[Meaning]) -> bool:
    """Learn what the chosen candidates depend on; return whether there was anything to learn."""
    unknown = [
        item.chosen
        for item in meanings
        if isinstance(item.chosen, Candidate) and provider.metadata.is_open(item.chosen.file)
    ]
    bridged = [
        item.chosen
        for item in meanings
        if item.extra
        and not isinstance(item.chosen, Candidate)
        and item.chosen.file is not None
        and provider.metadata.is_open(item.chosen.file)
    ]
    if not unknown and not bridged:
        return False
    # Sources last: to read one may take a build, which what is learned of the others may spare.
    unknown = [each for each in unknown if isinstance(each.file, Wheel)] or ([] if bridged else unknown)
    unique = list({candidate.file.url: candidate for candidate in unknown}.values())
    wanted = prefetch.next_of(unique, provider.projects.loaded())
    await provider.learn([*wanted, *bridged], prefetch.python)
    await prefetch.glance(wanted)
    await prefetch.go_on(unique)
    return True


async def _build(provider: PypiProvider, meanings: Sequence[Meaning], python: Mask) -> bool:
    """Build the chosen source distributions; return whether all their wheels serve the chosen Python."""
    sources = {
        item.chosen.file.url: item.chosen
        for item in meanings
        if isinstance(item.chosen, Candidate) and isinstance(item.chosen.file, Sdist)
    }
    return all(await asyncio.gather(*(provider.build(candidate, python) for candidate in sources.values())))


def _gave_up(culprit: PypiName | None) -> NoSolution:
    return NoSolution(
        f"gave up after {MAX_ROUNDS} rounds or {MAX_SECONDS:.0f} s: {culprit} has too many versions to try",
        advice=f"add a lower bound for {culprit}, or for whatever depends on it",
    )
