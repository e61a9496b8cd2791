"""Why nothing satisfies a request, in the words that people typed."""

from __future__ import annotations

import re

from packaging.specifiers import SpecifierSet

from holdfast.errors import NoSolution
from holdfast.index.project import Sdist, Wheel
from holdfast.solve.admission import Refusal
from holdfast.solve.encoding import read_name
from holdfast.solve.pool import ProjectPool
from holdfast.solve.world import PypiWorld
from holdfast.spec.names import PypiName
from holdfast.spec.requirements import Requirements

__all__ = ["Explanation", "explain"]

_VERSION = r"(?:[<>=]=?)?\d+"
_OURS = re.compile(
    r"(?P<name>pypi--[a-z0-9][a-z0-9-]*)"
    rf"(?: (?P<numbers>\d+(?: \| (?:\d+|\.\.\.))+|{_VERSION}(?:[,|]{_VERSION})*|\*))?"
    r"(?: (?P<build>w\d+_\d+(?:_\d+)?|conda_\d+(?:_\d+)?))?"
)
# Our way of saying "no conda numpy beside numpy's wheel" takes the solver three lines to report.
_EVICTION = re.compile(
    r"pypi--(?P<project>[a-z0-9-]+)--w--wheel(?: \*)?,"
    r" which cannot be installed because there are no viable options:"
    r"\n[^\n]*pypi--(?P=project)--w--wheel[^\n]* would constrain"
    r"\n[^\n]*?(?P<owner>[a-z0-9_.-]+) ==0 replaced_by_wheel[^\n]*"
)
_TOKEN = re.compile(r"pypi--(?P<project>[a-z0-9-]+)--w--wheel(?: (?:\*|1))?")
_PYTHON_BUILD = re.compile(r'\[build="[^"]*"\]')
_ABSENT = re.compile(r"No candidates were found for ([^\n]+?)(?: \*)?\.?$", re.MULTILINE)
_BESIDE = re.compile(
    r"([^\n│├└─]+?),? (?:which )?cannot be installed because there are no viable options:"
    r"\n[^\n]* would require\n[^\n]*no conda (\S+) beside the wheel"
)
_WITHOUT_CANDIDATES = re.compile(
    r"No candidates were found for (?P<absent>pypi--[a-z0-9-]+)(?: (?P<numbers>[^\s.]+))?"
    r"|(?P<unmet>pypi--[a-z0-9-]+)(?: (?P<range>\S+))?, for which no candidates were found"
)
_UNMET = re.compile(r"([^\n│├└─]+), for which no candidates were found")
_MOST_LINES = 60


class Explanation(NoSolution):
    """No environment can satisfy the requirements.

    :ivar causes: one sentence each, the likeliest first.
    :ivar reasons: the solver's tree, in names and versions that people know.
    """

    def __init__(self, what: str, causes: tuple[str, ...], reasons: str, advice: str | None) -> None:
        super().__init__(what, advice=advice)
        self.causes = causes
        self.reasons = reasons


def explain(reasons: str, requirements: Requirements, world: PypiWorld | None) -> Explanation:
    """Return the error for an unsatisfiable request.

    :param reasons: the solver's own words.
    :param world: the PyPI side, None where the conda side alone has no solution.
    """
    advice = None
    mentioned = _mentioned(reasons, world)
    causes = [
        _nothing_usable(pool, requirements, world)
        for pool in mentioned
        if world is not None and not _has_usable(pool, world)
    ] or _out_of_reach(reasons, world)
    text = _translated(reasons, world)
    if not causes and (absent := _ABSENT.search(text)):
        where = "index" if absent[1].endswith("(PyPI)") else "channel"
        causes = [f"no {where} has {absent[1]}"]
        searched = ", ".join(requirements.indexes if where == "index" else requirements.channels)
        advice = f"check the name and the version (searched: {searched})"
    if not causes:
        causes = [cause for cause in (_clash(text),) if cause]
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} lines more"]
    what = causes[0] if causes else "no environment satisfies all requirements"
    return Explanation(what, tuple(causes), "\n".join(lines), advice)


def _clash(text: str) -> str:
    """Return the likeliest cause that the solver's tree, translated, tells of; empty for none."""
    beside = _BESIDE.search(text)
    if beside:
        return f"{beside[1].strip()} has to come as a wheel, but conda's {beside[2]} is asked for too"
    alone = _UNMET.search(text)
    return f"nothing that fits the rest of the request provides {alone[1].strip()}" if alone else ""


def _mentioned(reasons: str, world: PypiWorld | None) -> list[ProjectPool]:
    if world is None:
        return []
    return [pool for name, pool in sorted(world.loaded().items()) if solver_mentions(reasons, name)]


def _has_usable(pool: ProjectPool, world: PypiWorld) -> bool:
    return bool(pool.bridges) or any(
        world.knowledge.unusable(candidate.file) is None and world.mask(candidate)
        for candidate in pool.downwards(pool.ordinals.allowed(""))
    )


def solver_mentions(reasons: str, name: PypiName) -> bool:
    """Tell whether the solver's words speak of a project."""
    return re.search(rf"pypi--{re.escape(name)}(?![a-z0-9-]*[a-z0-9])", reasons) is not None


def _nothing_usable(pool: ProjectPool, requirements: Requirements, world: PypiWorld) -> str:
    refusals = _refusals(pool, "", world)
    if not refusals and not pool.index:
        searched = ", ".join(requirements.indexes) or "no index"
        return f"no project {pool.name} on {searched}"
    return _no_file(str(pool.name), refusals)


def _out_of_reach(reasons: str, world: PypiWorld | None) -> list[str]:
    """Name requirements whose versions exist, but in no file that can be used."""
    if world is None:
        return []
    pools, spoken = world.loaded(), world.spoken()
    causes = []
    for match in _WITHOUT_CANDIDATES.finditer(reasons):
        name = match["absent"] or match["unmet"]
        project, _ = read_name(name)
        specifier = spoken.get((name, match["numbers"] or match["range"] or ""))
        if project in pools and specifier:
            refusals = _refusals(pools[project], specifier, world)
            if refusals:
                causes.append(_no_file(f"{project}{specifier}", refusals))
    return causes


def _refusals(pool: ProjectPool, specifier: str, world: PypiWorld) -> list[Refusal]:
    """Return why no file within a specifier can be used; nothing where one can."""
    accepted = SpecifierSet(specifier, prereleases=True)
    allowed = pool.ordinals.allowed(specifier)
    refusals = [refusal for refusal in pool.refusals if refusal.version in accepted]
    refusals += [_refusal(file, world) for file in pool.dropped if file.version in accepted]
    for candidate in pool.downwards(allowed):
        if world.knowledge.unusable(candidate.file) is None and world.mask(candidate):
            return []
        refusals.append(_refusal(candidate.file, world))
    return [*refusals, *(world.judge.refusal(wheel) for wheel in pool.misfits(allowed))]


def _refusal(file: Wheel | Sdist, world: PypiWorld) -> Refusal:
    unusable = world.knowledge.unusable(file)
    known = world.knowledge.known(file)
    if unusable is None and known is not None:
        unusable = f"needs Python {known.metadata.requires_python}"
    return Refusal(file.filename, file.version, unusable or "needs another Python")


def _no_file(what: str, refusals: list[Refusal]) -> str:
    # A file for another system tells nobody anything, as long as there is one for this system.
    newest = sorted(refusals, key=lambda refusal: (refusal.version, not _is_elsewhere(refusal)), reverse=True)
    reasons = "; ".join(f"{refusal.filename} {refusal.reason}" for refusal in newest[:3])
    more = f"; and {len(newest) - 3} files more" if len(newest) > 3 else ""
    return f"{what} has no file that can be used: {reasons}{more}"


def _is_elsewhere(refusal: Refusal) -> bool:
    return refusal.reason.startswith("is for ") and "Python" not in refusal.reason


def _translated(reasons: str, world: PypiWorld | None) -> str:
    text = reasons.removeprefix("Cannot solve the request because of: ")
    text = _EVICTION.sub(r"no conda \g<owner> beside the wheel, but that is asked for too", text)
    text = _TOKEN.sub(r"the wheel of \g<project>", text)
    text = text.replace("==0 replaced_by_wheel", "(conda's) not to be there")
    text = _PYTHON_BUILD.sub("", text)
    if world is None:
        return text.strip()
    pools = world.loaded()
    spoken = world.spoken()

    def said(match: re.Match[str]) -> str:
        name, numbers = match["name"], match["numbers"] or ""
        project, extra = read_name(name)
        shown = f"{project}[{extra}]" if extra else str(project)
        if numbers in {"", "*"}:
            return f"{shown} (PyPI)"
        if (name, numbers) in spoken:
            return f"{shown}{spoken[(name, numbers)]} (PyPI)"
        pool = pools.get(project)
        if pool is None:
            return shown
        versions = re.sub(r"\d+", lambda number: _version(pool, int(number[0])), numbers)
        return f"{shown} {versions} (PyPI)"

    return _OURS.sub(said, text).strip()


def _version(pool: ProjectPool, ordinal: int) -> str:
    return str(pool.ordinals.version(ordinal)) if 1 <= ordinal <= len(pool.ordinals) else "nothing"
