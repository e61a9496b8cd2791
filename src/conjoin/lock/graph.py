"""Who asked for what in an environment: requirements as links from package to package, over both sides."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from conjoin.lock.model import Lock, LockedPackage, PackageKind
from conjoin.spec.canonical import from_canonical
from conjoin.spec.platform import marker_environment
from conjoin.spec.requirements import PypiRequirement, Requirements

__all__ = ["Graph", "Link", "PackageKey", "Side"]

Side: TypeAlias = Literal["conda", "pypi"]
"""Whose rules a requirement follows: a MatchSpec, or PEP 508."""
PackageKey: TypeAlias = tuple[PackageKind, str]
"""Kind and name, which name one package of one platform."""

_CONDA_NAME = re.compile(r"(?:[^\s:]*::)?([A-Za-z0-9_.-]+)")


@dataclass(frozen=True, slots=True)
class Link:
    """A requirement, and the package that meets it.

    :ivar parent: who has the requirement; None for the request itself.
    :ivar text: the requirement as its owner wrote it, empty where nobody did.
    :ivar side: whose rules it follows. A PyPI requirement that leads to a conda package is a bridge.
    """

    parent: PackageKey | None
    text: str
    side: Side
    child: PackageKey

    @property
    def is_bridge(self) -> bool:
        """Whether a conda package meets a requirement of PyPI's side."""
        return self.side == "pypi" and self.child[0] == "conda"


class Graph:
    """The packages of one platform and the links between them; there may be cycles.

    :param platform: one of the lock's.
    :ivar packages: by kind and name.
    :ivar roots: what was typed, in the order of the canonical request, then what nothing known asks for: the
        packages of an environment that was extended (``--using``).
    """

    def __init__(self, lock: Lock, platform: str) -> None:
        self.platform = platform
        packages = lock.platforms[platform].packages
        self.packages: dict[PackageKey, LockedPackage] = {
            (each.kind, each.name): each for each in sorted(packages, key=lambda each: (each.name, each.kind))
        }
        self._by_project: dict[str, PackageKey] = {
            project: key for key, package in self.packages.items() for project in package.provides
        }
        self._by_project |= {name: (kind, name) for kind, name in self.packages if kind == "pypi"}
        self._down: dict[PackageKey, tuple[Link, ...]] = {
            key: tuple(self._links(key, package)) for key, package in self.packages.items()
        }
        asked = from_canonical(lock.requirements) if lock.requirements else Requirements()
        self.roots = tuple(self._typed(asked))
        self._adopt()
        self._up: dict[PackageKey, tuple[Link, ...]] = self._turned()

    def dependencies(self, key: PackageKey) -> tuple[Link, ...]:
        """Return what a package asks for, sorted by what meets it; itself and virtual packages left out."""
        return self._down[key]

    def dependents(self, key: PackageKey) -> tuple[Link, ...]:
        """Return who asks for a package: the request first, then packages by name."""
        return self._up.get(key, ())

    def named(self, name: str) -> tuple[PackageKey, ...]:
        """Return the packages of a name: a conda package's, or a project's, whoever provides it."""
        project = self._by_project.get(canonicalize_name(name))
        found = [(kind, own) for kind, own in self.packages if own == name.lower()]
        return tuple(dict.fromkeys([*found, *([project] if project else [])]))

    def names(self) -> list[str]:
        """Return every name that :meth:`named` finds something for, sorted."""
        return sorted({name for _, name in self.packages} | set(self._by_project))

    def chains(self, key: PackageKey) -> list[tuple[Link, ...]]:
        """Return how a package came in: for each root that leads to it, a shortest chain down to it."""
        return [chain for root in self.roots if (chain := self._chain(root, key))]

    def _chain(self, root: Link, key: PackageKey) -> tuple[Link, ...]:
        came: dict[PackageKey, Link] = {root.child: root}
        waiting = deque([root.child])
        while waiting and key not in came:
            for link in self._down[waiting.popleft()]:
                if link.child not in came:
                    came[link.child] = link
                    waiting.append(link.child)
        if key not in came:
            return ()
        chain = [came[key]]
        while chain[-1].parent is not None:
            chain.append(came[chain[-1].parent])
        return tuple(reversed(chain))

    def _links(self, key: PackageKey, package: LockedPackage) -> Iterator[Link]:
        side: Side = "pypi" if package.kind == "pypi" else "conda"
        found: dict[PackageKey, list[str]] = {}
        for text in package.dependencies:
            child = self._project_of(text) if side == "pypi" else self._conda_of(text)
            if child is not None and child != key:
                found.setdefault(child, []).append(text)
        for child, texts in sorted(found.items(), key=lambda item: (item[0][1], item[0][0])):
            yield Link(key, ", ".join(texts), side, child)

    def _conda_of(self, text: str) -> PackageKey | None:
        match = _CONDA_NAME.match(text.strip())
        name = match[1].lower() if match else ""
        return next((key for key in (("conda", name), ("python", name)) if key in self.packages), None)

    def _project_of(self, text: str) -> PackageKey | None:
        try:
            return self._by_project.get(canonicalize_name(Requirement(text).name))
        except InvalidRequirement:
            return None

    def _typed(self, asked: Requirements) -> Iterator[Link]:
        python = self._conda_of("python")
        for item in asked.conda:
            if (child := self._conda_of(str(item.name))) is not None:
                yield Link(None, str(item), "conda", child)
        for project in asked.pypi:
            child = self._by_project.get(str(project.name))
            if child is not None and self._applies(project, python):
                yield Link(None, str(project), "pypi", child)
        if python is not None and asked.python:
            yield Link(None, f"python {asked.python}", "conda", python)
        elif python is not None and asked.pypi and all(item.name != "python" for item in asked.conda):
            yield Link(None, "PyPI packages, which need a Python", "conda", python)

    def _applies(self, item: PypiRequirement, python: PackageKey | None) -> bool:
        if not item.marker or python is None:
            return True
        package = self.packages[python]
        environment = {**marker_environment(self.platform, package.version, _implementation(package))}
        try:
            return Marker(item.marker).evaluate({**environment, "extra": ""})
        except (UndefinedComparison, UndefinedEnvironmentName):
            return True

    def _adopt(self) -> None:
        """Give every package a way in: a lock does not say what an extra of a conda package asks for."""
        reached = self._reached(self.roots)
        bridged = sorted({(link.child, link.text) for link in self._all_links() if _asks_extra(link)})
        for key in self._orphans(reached):
            if key in reached:
                continue
            if bridged and key[0] == "pypi":
                for parent, text in bridged:
                    extra = Link(parent, f"{key[1]} (an extra of {text})", "pypi", key)
                    self._down[parent] = (*self._down[parent], extra)
            else:
                self.roots = (*self.roots, Link(None, "", "pypi" if key[0] == "pypi" else "conda", key))
            reached |= self._reached([Link(None, "", "conda", key)])

    def _orphans(self, reached: set[PackageKey]) -> list[PackageKey]:
        """Return what is not reached: first what nothing else that is not reached asks for."""
        left = [key for key in self.packages if key not in reached]
        wanted = {link.child for key in left for link in self._down[key]}
        return sorted(left, key=lambda key: (key in wanted, key[1], key[0]))

    def _reached(self, links: Iterable[Link]) -> set[PackageKey]:
        reached: set[PackageKey] = set()
        waiting = [link.child for link in links]
        while waiting:
            key = waiting.pop()
            if key not in reached:
                reached.add(key)
                waiting += [link.child for link in self._down[key]]
        return reached

    def _all_links(self) -> Iterator[Link]:
        yield from self.roots
        for links in self._down.values():
            yield from links

    def _turned(self) -> dict[PackageKey, tuple[Link, ...]]:
        up: dict[PackageKey, list[Link]] = {}
        for link in self._all_links():
            up.setdefault(link.child, []).append(link)
        return {key: tuple(sorted(links, key=_by_parent)) for key, links in up.items()}


def _by_parent(link: Link) -> tuple[bool, str, str, str]:
    kind, name = link.parent or ("", "")
    return link.parent is not None, name, kind, link.text


def _asks_extra(link: Link) -> bool:
    try:
        return link.is_bridge and any(
            Requirement(text).extras for text in re.split(r", (?=[A-Za-z])", link.text)
        )
    except InvalidRequirement:
        return False


def _implementation(python: LockedPackage) -> str:
    named = python.implementation or ("pypy" if "pypy" in python.build else "cpython")
    return "pypy" if named == "pypy" else "cpython"
