"""The solver's words, translated: from names and ordinals of ours to what people typed."""

from __future__ import annotations

import re

from conjoin.solve.candidates.encoding import read_name
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.names import PypiName

__all__ = ["mentioned", "translated"]

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


def mentioned(reasons: str, provider: PypiProvider) -> list[ProjectCandidates]:
    """Return the projects that the solver's words speak of."""
    return [pool for name, pool in sorted(provider.projects.loaded().items()) if _speaks_of(reasons, name)]


def _speaks_of(reasons: str, name: PypiName) -> bool:
    return re.search(rf"pypi--{re.escape(name)}(?![a-z0-9-]*[a-z0-9])", reasons) is not None


def translated(reasons: str, provider: PypiProvider | None) -> str:
    """Return the solver's words with names, versions and specifiers that people know.

    What is on PyPI's side is followed by ``(PyPI)``.
    """
    text = reasons.removeprefix("Cannot solve the request because of: ")
    text = _EVICTION.sub(r"no conda \g<owner> beside the wheel, but that is asked for too", text)
    text = _TOKEN.sub(r"the wheel of \g<project>", text)
    text = text.replace("==0 replaced_by_wheel", "(conda's) not to be there")
    text = _PYTHON_BUILD.sub("", text)
    if provider is None:
        return text.strip()
    pools, spoken = provider.projects.loaded(), provider.specs.spoken()

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


def _version(pool: ProjectCandidates, ordinal: int) -> str:
    return str(pool.ordinals.version(ordinal)) if 1 <= ordinal <= len(pool.ordinals) else "nothing"
