"""One walk over the candidates that a request leads to: it reads ahead, and often it is the answer.

Most requests have an answer that needs no search: everything in its best version, and nothing that speaks
against it. It is found by looking: of each project that is asked for take the best candidate that all who ask
for it allow, read what that one asks for, and follow it. Whatever the walk guesses wrong costs a request;
whatever it guesses right saves the search a round.

Where the walk stayed consistent (nothing that was picked had to be given up for what was asked later), what
it picked is a solution in which no single package could be better while the others stay. Where something was
given up, the walk is repeated with what was picked, until nothing changes any more. Where the picks never
agree, or the solver has more to weigh than versions, it searches (see :mod:`conjoin.solve.search.joint`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from conjoin.index.pypi.project import Sdist
from conjoin.solve.candidates.encoding import Answer, Meaning, applies, as_dependency
from conjoin.solve.candidates.metadata import Dependency, Known
from conjoin.solve.candidates.project_candidates import Bridge, Candidate, ProjectCandidates
from conjoin.solve.candidates.pythons import Mask
from conjoin.solve.search.conda_side import CondaSolver, Unsatisfiable
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.requirements import PypiRequirement, Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Prefetch", "greedy_answer", "identity", "may_be_greedy"]

_MOST_LEVELS = 100
"""Depth at which following dependencies stops; real chains are under 20."""
_MOST_AT_ONCE = 64
"""Metadata read at once for one project that keeps coming back: boto3 has 2,000 releases."""
_FIRST_LOOK = 16
"""Metadata read at once when the solver first asks for a candidate that was not foreseen: a round of solving
costs as much as reading some twenty."""
_MOST_IN_VAIN = 8
"""Releases of one project passed over for asking for what nobody has; more of them are the solver's."""
_MOST_IN_VAIN_OF_AN_ANSWER = 24
"""The same, once the walk is repeated: a search that is spared is worth some more."""
_MOST_TURNS = 30
"""Each turn follows every requirement once; what has not come to rest by then goes round in circles."""
_MOST_ADDED = 4
"""Conda packages that are added for one project each: for each of them the conda side is solved again."""


class _Unclear(Exception):
    """The picks do not agree, or the solver has more to weigh than versions."""


def identity(record: RepoDataRecord) -> tuple[str, str, str]:
    """Return what tells conda's records of one channel apart."""
    return record.name.normalized, str(record.version), str(record.build)


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
        if not {identity(each) for each in self._first} <= {identity(each) for each in found}:
            raise _Unclear
        before = self.versions.keys()
        self._stand(found)
        return {CondaName(name) for name in self.versions.keys() - before}

    def was_added(self, name: CondaName) -> bool:
        """Tell whether a package is here for the PyPI side alone."""
        return all(each.name.normalized != name for each in self._first)

    def is_all_needed(self, picked: Iterable[Candidate | Bridge]) -> bool:
        """Tell whether everything that was added still serves."""
        return self._specs.keys() <= {each for each in picked if isinstance(each, Bridge)}


class CandidateSelector:
    """Tells which candidate of a project is the best of those that are allowed.

    :param conda: what the conda side has anyway; where its bridge is allowed, no wheel is picked.
    :ivar python: the Python build that is expected to be chosen.
    """

    def __init__(self, provider: PypiProvider, conda: _CondaSide, python: Mask) -> None:
        self._provider = provider
        self._metadata = provider.metadata
        self._conda = conda
        self._direct = {requirement.name for requirement in provider.manifest.bounds}
        self._needed: dict[tuple[str, str], tuple[Known, tuple[Dependency, ...]]] = {}
        self.python = python

    def expect(self, python: Mask) -> None:
        """Expect another Python build to be chosen."""
        if python != self.python:
            self.python = python
            self._needed.clear()

    def in_order(self, project: ProjectCandidates, ordinals: Sequence[int]) -> Iterator[Candidate]:
        """Yield the candidates of ascending ordinals in the order in which the strategy prefers them."""
        strategy = self._provider.manifest.strategy
        lowest = strategy == "lowest" or (strategy == "lowest-direct" and project.name in self._direct)
        return project.upwards(ordinals) if lowest else project.downwards(ordinals)

    def hopeful(self, project: ProjectCandidates, allowed: Iterable[int]) -> Iterator[Candidate]:
        """Yield the wheels among the allowed ones that may serve the Python, the best first."""
        return (
            candidate
            for candidate in self.in_order(project, sorted(allowed))
            if self.fits(candidate)
            and self._metadata.unusable(candidate.file) is None
            and not isinstance(candidate.file, Sdist)  # a guess is not worth a build
        )

    def fits(self, candidate: Candidate) -> bool:
        """Tell whether a candidate serves the Python that is expected, as far as is known."""
        mask = self._metadata.mask(candidate)
        return bool(mask & self.python) if self.python else bool(mask)

    def needs(self, picked: Candidate | Bridge | None, extra: str = "") -> tuple[Dependency, ...]:
        """Return what a pick depends on, as far as is known; of an extra, what that adds."""
        if not isinstance(picked, Candidate):
            return ()
        known = self._metadata.known(picked.file)
        if known is None:
            return ()
        before, needed = self._needed.get((picked.file.url, extra), (None, ()))
        if before is not known:
            needed = tuple(each for each in known.dependencies if self.applies(each, extra))
            self._needed[picked.file.url, extra] = known, needed
        return needed

    def applies(self, dependency: Dependency, extra: str = "") -> bool:
        """Tell whether a dependency applies for the Python that is expected; with an extra, due to that."""
        pythons = self._provider.pythons
        return bool(applies(dependency, extra, pythons) & (self.python or pythons.all))

    async def will_do(self, candidate: Candidate) -> bool:
        """Tell whether a candidate was read, and nothing of that speaks against it."""
        return self._is_read(candidate) and not await self._is_in_vain(candidate)

    def _is_read(self, candidate: Candidate) -> bool:
        return self._metadata.known(candidate.file) is not None and self.fits(candidate)

    async def _is_in_vain(self, candidate: Candidate) -> bool:
        return await self._provider.projects.is_in_vain(self.needs(candidate))

    async def read_ahead(self, candidates: Iterable[Candidate]) -> None:
        """Read candidates and load the projects that they depend on, each at once."""
        candidates = list(candidates)
        await self._provider.learn(candidates, self.python)
        await self._provider.projects.get_all(
            need.name for candidate in candidates for need in self.needs(candidate)
        )

    async def pick(
        self, project: ProjectCandidates, allowed: Iterable[int], most_in_vain: int
    ) -> tuple[Candidate | None, bool]:
        """Return the best candidate that was read and has nothing speak against it, None for none.

        :param most_in_vain: after how many that ask for what nobody has the next one is taken as it is.
        :returns: it, and whether it was not taken as it is.
        """
        width, in_vain = 1, 0
        hopeful = self.hopeful(project, allowed)
        while batch := list(islice(hopeful, width)):
            await self._provider.learn(batch, self.python)
            for candidate in batch:
                if not self._is_read(candidate):
                    continue
                if in_vain < most_in_vain and await self._is_in_vain(candidate):
                    in_vain += 1
                    continue
                return candidate, in_vain < most_in_vain
            width = min(2 * width, _MOST_AT_ONCE)
        return None, True

    def bridge(self, project: ProjectCandidates, allowed: Iterable[int]) -> Bridge | None:
        """Return the bridge to a package that the conda side has, where it is allowed.

        :raises _Unclear: where it is not allowed, or a wheel is better than what was added for another.
        """
        if self._conda.versions.keys().isdisjoint(project.owners):
            return None
        found = self._bridge(project, allowed)
        if found is None:
            raise _Unclear
        if self._conda.was_added(found.conda) and any(
            self._metadata.is_usable(candidate)
            for ordinal in allowed
            if ordinal > found.ordinal
            for candidate in project.at(ordinal)
        ):
            raise _Unclear  # perhaps what brought it should fall
        return found

    def has_bridge(self, project: ProjectCandidates, allowed: Iterable[int]) -> bool:
        """Tell whether the conda side has a package that provides an allowed version of a project."""
        return not self._conda.versions.keys().isdisjoint(project.owners) and (
            self._bridge(project, allowed) is not None
        )

    def _bridge(self, project: ProjectCandidates, allowed: Iterable[int]) -> Bridge | None:
        versions = self._conda.versions
        return next(
            (
                each
                for each in project.bridges
                if versions.get(each.conda) in each.spellings and each.ordinal in allowed
            ),
            None,
        )

    def better(
        self, project: ProjectCandidates, allowed: set[int], picked: Candidate | None
    ) -> Candidate | Bridge | None:
        """Return what has a higher version than a pick: a bridge, or a wheel that nobody has read yet.

        :raises _Unclear: where versions alone do not tell what is best, or there is nothing at all.
        """
        lowest = picked.ordinal if picked else 0
        higher = () if picked and max(allowed) == lowest else (each for each in allowed if each > lowest)
        for ordinal in sorted(higher, reverse=True):
            usable = [each for each in project.at(ordinal) if self._metadata.is_usable(each)]
            if usable:
                fitting = next((each for each in usable if self._metadata.mask(each) & self.python), None)
                if fitting is None or isinstance(fitting.file, Sdist):
                    raise _Unclear  # the version is worth another Python, or a build
                if self._metadata.is_open(fitting.file):
                    return fitting  # it stands in for one of its version that turned out to be unusable
            if ordinal in project.bridged:
                [bridge, *others] = [each for each in project.bridges if each.ordinal == ordinal]
                if others:
                    raise _Unclear
                return bridge
        if picked is None:
            raise _Unclear
        return None


_Picks: TypeAlias = "dict[PypiName, Candidate | Bridge]"


class _Walk:
    """Follows requirements level by level: of each project, the best candidate that all who ask allow."""

    most_in_vain = _MOST_IN_VAIN

    def __init__(self, provider: PypiProvider, selector: CandidateSelector) -> None:
        self._provider = provider
        self._projects = provider.projects
        self._selector = selector
        self._allowed: dict[PypiName, set[int]] = {}
        self._extras: dict[PypiName, set[str]] = {}
        self._followed: dict[PypiName, set[str]] = {}
        """The extras whose requirements were followed, and ``""``."""
        self._picked: _Picks = {}
        self._uncertain: set[PypiName] = set()
        """Of which the pick was taken as it is."""

    async def follow(self, dependencies: Iterable[Dependency]) -> bool:
        """Pick for these dependencies, for those of what was picked, and so on.

        :returns: whether it came to an end.
        :raises Unreachable: where an index cannot be reached.
        """
        frontier = [each for each in dependencies if self._selector.applies(each)]
        for _ in range(_MOST_LEVELS):
            if not frontier:
                return True
            touched = sorted(await self._demand(frontier))
            await self._settle([name for name in touched if self._is_open(name)])
            frontier = [need for name in touched for need in self._newly_needed(name)]
        return False

    async def _demand(self, dependencies: Sequence[Dependency]) -> set[PypiName]:
        """Note what is asked of projects; return which."""
        projects = await self._projects.get_all(dependency.name for dependency in dependencies)
        for dependency, project in zip(dependencies, projects, strict=True):
            if self._projects.is_foreign_url(dependency):
                self._trouble()
            specifier, extras = self._projects.demanded(dependency)
            if project.name not in self._allowed:
                self._allowed[project.name] = self._allowed_at_first(project)
                self._extras[project.name] = set()
            if specifier:
                self._narrow(project.name, set(project.ordinals.allowed(specifier)))
            self._extras[project.name].update(extras)
        return {project.name for project in projects}

    def _allowed_at_first(self, project: ProjectCandidates) -> set[int]:
        return set(project.ordinals.allowed(""))

    def _narrow(self, name: PypiName, allowed: set[int]) -> None:
        self._allowed[name] &= allowed

    async def _settle(self, names: Sequence[PypiName]) -> None:
        """Pick a candidate for each project; where its metadata speaks against it, the next."""
        waiting: dict[PypiName, ProjectCandidates] = {}
        for name in names:
            project = await self._projects.get(name)
            self._picked.pop(name, None)
            self._uncertain.discard(name)
            self._followed[name] = set()
            if bridge := self._bridge(project):
                self._picked[name] = bridge
            else:
                waiting[name] = project
        first = {
            name: candidate
            for name, project in waiting.items()
            for candidate in islice(self._selector.hopeful(project, self._allowed[name]), 1)
        }
        # For nearly all of them the first will do: what is read of these is asked for at once.
        await self._selector.read_ahead(first.values())
        left = []
        for name, candidate in first.items():
            if await self._selector.will_do(candidate):
                self._picked[name] = candidate
            else:
                left.append(name)
        if left:
            await asyncio.gather(*(self._pick(waiting[name]) for name in left))
        for name in names:
            await self._weigh(await self._projects.get(name))

    async def _pick(self, project: ProjectCandidates) -> None:
        picked, is_certain = await self._selector.pick(
            project, self._allowed[project.name], self.most_in_vain
        )
        if picked is not None:
            self._picked[project.name] = picked
        if not is_certain:
            self._uncertain.add(project.name)

    def _newly_needed(self, name: PypiName) -> list[Dependency]:
        picked, followed = self._picked.get(name), self._followed.setdefault(name, set())
        if isinstance(picked, Bridge) and self._extras[name]:
            self._trouble()  # what its extras ask for may move the conda side
        needed: list[Dependency] = []
        for extra in ["", *sorted(self._extras[name])] if picked else ():
            if extra not in followed:
                followed.add(extra)
                needed += self._selector.needs(picked, extra)
        return needed

    def meanings(self) -> Iterator[Meaning]:
        """Yield what stands for the picks in an answer."""
        for name in sorted(self._allowed):
            picked = self._picked[name]
            for extra in ("", *sorted(self._extras[name])):
                yield Meaning(picked, extra, self._selector.needs(picked, extra))

    def _is_open(self, name: PypiName) -> bool:
        """Tell whether something has to be picked of a project."""
        raise NotImplementedError

    def _bridge(self, project: ProjectCandidates) -> Bridge | None:
        """Return the bridge to what the conda side has, None where a wheel is to be picked."""
        raise NotImplementedError

    async def _weigh(self, project: ProjectCandidates) -> None:
        """Look whether a pick is the best there is."""
        raise NotImplementedError

    def _trouble(self) -> None:
        """Take note that the picks are no answer."""
        raise NotImplementedError


class _Turn(_Walk):
    """One repetition of the walk: what was picked before stays until its end.

    :param before: what was picked on the walk before.
    """

    most_in_vain = _MOST_IN_VAIN_OF_AN_ANSWER

    def __init__(
        self, provider: PypiProvider, selector: CandidateSelector, conda: _CondaSide, before: _Picks
    ) -> None:
        super().__init__(provider, selector)
        self._conda = conda
        self._picked = dict(before)

    async def picks(self, roots: Iterable[Dependency]) -> tuple[_Picks, bool]:
        """Return what is picked once all that is asked of each project is known, and whether it was before.

        :raises _Unclear: where the search has to tell.
        """
        if not await self.follow(roots):
            raise _Unclear
        on_the_way = {name: self._picked[name] for name in self._allowed}
        await self._settle(list(self._allowed))
        picked = {name: self._picked[name] for name in self._allowed}
        return picked, picked == on_the_way

    def _allowed_at_first(self, project: ProjectCandidates) -> set[int]:
        return super()._allowed_at_first(project) - self._projects.excluded(project)

    def _is_open(self, name: PypiName) -> bool:
        return name not in self._picked

    def _bridge(self, project: ProjectCandidates) -> Bridge | None:
        return self._selector.bridge(project, self._allowed[project.name])

    async def _weigh(self, project: ProjectCandidates) -> None:
        name, allowed = project.name, self._allowed[project.name]
        while not isinstance(picked := self._picked.get(name), Bridge):
            better: Candidate | Bridge | None = self._bridge(project)
            if better is not None:
                self._picked[name] = better  # what was added for another project serves here, too
                continue
            if name in self._uncertain:
                raise _Unclear
            better = self._selector.better(project, allowed, picked)
            if better is None:
                break
            if isinstance(better, Bridge):
                self._picked[name] = await self._added(better)
            else:
                await self._pick(project)
        if isinstance(self._picked[name], Bridge) and self._extras[name]:
            raise _Unclear

    async def _added(self, bridge: Bridge) -> Bridge:
        """Add the conda package that has what no wheel has."""
        names = await self._conda.add(bridge)
        if found := await self._provider.ownership.discover(names, self._projects.loaded()):
            self._provider.forget(found)
            raise _Unclear
        return bridge

    def _trouble(self) -> None:
        raise _Unclear


class Prefetch(_Walk):
    """The first walk: reads the metadata that the solver will most likely ask for, before it asks.

    Nothing of that decides anything. What was picked is an answer where :func:`greedy_answer` says so.

    :param conda_first: the solution of the conda side alone.
    """

    def __init__(
        self, provider: PypiProvider, solver: CondaSolver, conda_first: Sequence[RepoDataRecord]
    ) -> None:
        conda = _CondaSide(solver, conda_first)
        super().__init__(provider, CandidateSelector(provider, conda, provider.pythons.among(conda_first)))
        self._returns: dict[PypiName, int] = {}
        self._is_consistent = self._is_unclear = False

    @property
    def python(self) -> Mask:
        """The Python build that is expected to be chosen."""
        return self._selector.python

    def expect(self, solved: Sequence[RepoDataRecord]) -> None:
        """Expect the Python build of a solution from now on."""
        self._selector.expect(self._provider.pythons.among(solved))

    async def read(self, requirements: Iterable[PypiRequirement], *, answering: bool) -> None:
        """Read ahead for a request.

        :param answering: whether it is of interest if the picks are an answer.
        :raises Unreachable: where an index cannot be reached.
        """
        self._is_consistent = answering
        if not await self.follow(as_dependency(item) for item in requirements):
            self._trouble()

    @property
    def is_consistent(self) -> bool:
        """Whether nothing that was picked on the walk had to be given up, or could be better."""
        return self._is_consistent

    @property
    def is_unclear(self) -> bool:
        """Whether the walk met what is the solver's to weigh, as it would if it were repeated."""
        return self._is_unclear

    def _is_open(self, name: PypiName) -> bool:
        picked = self._picked.get(name)
        if picked is None or picked.ordinal in self._allowed[name]:
            return picked is None
        self._is_consistent = False
        return True

    def _narrow(self, name: PypiName, allowed: set[int]) -> None:
        narrower = self._allowed[name] & allowed
        if not narrower:
            self._trouble()
        self._allowed[name] = narrower or allowed

    def _bridge(self, project: ProjectCandidates) -> Bridge | None:
        try:
            return self._selector.bridge(project, self._allowed[project.name])
        except _Unclear:
            self._trouble()
            return None

    async def _weigh(self, project: ProjectCandidates) -> None:
        picked = self._picked.get(project.name)
        if not self._is_consistent:
            return
        # Read all the same: what is known of a release that a constraint rules out tells of its family.
        excluded = self._projects.excluded(project)
        if picked is not None and picked.ordinal in excluded:
            self._is_consistent = False
            return
        if isinstance(picked, Bridge):
            return
        try:
            better = self._selector.better(project, self._allowed[project.name] - excluded, picked)
        except _Unclear:
            self._trouble()
        else:
            self._is_consistent = better is None and project.name not in self._uncertain

    def _trouble(self) -> None:
        # Beyond the first pick that was given up it is no longer the walk that would be repeated.
        self._is_unclear |= self._is_consistent
        self._is_consistent = False

    async def go_on(self, chosen: Iterable[Candidate]) -> None:
        """Read on from what the solver chose.

        :raises Unreachable: where an index cannot be reached.
        """
        await self.follow([need for each in chosen for need in self._selector.needs(each)])

    def next_of(
        self, candidates: Iterable[Candidate], projects: Mapping[PypiName, ProjectCandidates]
    ) -> list[Candidate]:
        """Return what to read when the solver has chosen these unknown candidates.

        A project that comes back keeps coming back (boto3 and its kin unroll a release a round), so each
        time twice as many of its next candidates are read at once.
        """
        wanted: list[Candidate] = []
        for candidate in candidates:
            wanted.append(candidate)
            returns = self._returns[candidate.project] = self._returns.get(candidate.project, 0) + 1
            project = projects[candidate.project]
            below = (
                other
                for other in self._selector.in_order(project, range(1, len(project.ordinals) + 1))
                if self._selector.fits(other)
                and self._provider.metadata.is_open(other.file)
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
        needs = (need for candidate in candidates for need in self._selector.needs(candidate))
        demands = sorted({(need.name, self._projects.demanded(need)[0]) for need in needs})
        projects = await self._projects.get_all(name for name, _ in demands)
        best: list[Candidate] = []
        for (_, specifier), project in zip(demands, projects, strict=True):
            allowed = set(project.ordinals.allowed(specifier))
            if not self._selector.has_bridge(project, allowed):
                best.extend(islice(self._selector.hopeful(project, allowed), 1))
        await self._provider.learn(best, self.python)

    def most_returned(self) -> PypiName | None:
        """Return the project that came back most often, None where none did."""
        return max(self._returns, key=lambda name: self._returns[name], default=None)


def may_be_greedy(requirements: Requirements, provider: PypiProvider, solver: CondaSolver) -> bool:
    """Tell whether picking the best of each project is what a request asks for.

    With something to stay near to, or other versions than the highest, the best is not this simple.
    """
    return (
        requirements.strategy == "highest"
        and solver.steering is None
        and solver.bounds is None
        and provider.pins is None
        and not requirements.prefer_conda
        and not any(item.marker for item in requirements.constraints)
    )


async def greedy_answer(
    requirements: Requirements,
    prefetch: Prefetch,
    provider: PypiProvider,
    solver: CondaSolver,
    conda_first: Sequence[RepoDataRecord],
) -> Answer | None:
    """Return what is chosen beside the conda side's own solution, which stays as it is.

    :param prefetch: the first walk, once it has read ahead for the request.
    :param conda_first: the solution of the conda side alone.
    :returns: None where that takes a search.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    if prefetch.is_consistent:
        return Answer(tuple(conda_first), tuple(prefetch.meanings()), 1)
    if prefetch.is_unclear or prefetch.python.bit_count() != 1:
        return None
    conda = _CondaSide(solver, conda_first)
    selector = CandidateSelector(provider, conda, prefetch.python)
    roots = [as_dependency(item) for item in requirements.pypi]
    picked: _Picks = {}
    try:
        for _ in range(_MOST_TURNS):
            turn = _Turn(provider, selector, conda, picked)
            picked, is_at_rest = await turn.picks(roots)
            if is_at_rest:
                if not conda.is_all_needed(picked.values()):
                    return None
                return Answer(conda.records, tuple(turn.meanings()), 1)
    except _Unclear:
        pass
    return None
