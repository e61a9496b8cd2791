"""What the solver is shown of projects: MatchSpecs over ordinals, and a window of what they allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.version import Version

from conjoin.solve.candidates.encoding import solver_name
from conjoin.solve.candidates.metadata import Dependency
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.candidates.pythons import is_valid_version
from conjoin.solve.preferences.update import UpdateSteering
from conjoin.solve.search.metadata_store import MetadataStore
from conjoin.solve.search.projects import Projects
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import PypiRequirement, Strategy

__all__ = ["SpecWriter", "Window"]

_WIDTH = 16
"""Versions that the solver is shown first for each requirement, of those it allows."""
_WIDER = 160
"""How many it is shown next, where they do not suffice; then everything."""
_EVERYTHING = 1 << 30


class Window:
    """The part of all candidates that the solver is shown, which only grows, and what changed of it."""

    def __init__(self, strategy: Strategy) -> None:
        self._width = _WIDTH if strategy == "highest" else _EVERYTHING
        self._specifiers: dict[PypiName, set[str]] = {}
        self._changed: set[PypiName] = set()
        self._ages: dict[PypiName, int] = {}

    def open(self, project: ProjectCandidates, specifier: str) -> None:
        """Show the solver the highest versions a specifier allows, and more of them once it is widened."""
        self._specifiers.setdefault(project.name, set()).add(specifier)
        self.show(project, specifier, self._width)

    def show(self, project: ProjectCandidates, specifier: str, count: int) -> None:
        """Show the solver the highest ``count`` versions that a specifier allows."""
        if project.show(specifier, count):
            self.note([project.name])

    def widen(self, projects: Mapping[PypiName, ProjectCandidates]) -> bool:
        """Show the solver more of every project; return whether there was more to show."""
        if self._width >= _EVERYTHING:
            return False
        self._width = _WIDER if self._width < _WIDER else _EVERYTHING
        for name, project in projects.items():
            for specifier in self._specifiers.get(name, ()):
                self.show(project, specifier, self._width)
        return True

    def note(self, names: Iterable[PypiName]) -> None:
        """Note that something of these projects was shown, learned or dropped."""
        for name in names:
            self._changed.add(name)
            self._ages[name] = self._ages.get(name, 0) + 1

    @property
    def has_changed(self) -> bool:
        """Whether more is known or shown than at the last call of :meth:`take_changed`."""
        return bool(self._changed)

    def take_changed(self) -> set[PypiName]:
        """Return the projects of which more is known than at the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def age(self, name: PypiName) -> int:
        """Return how often something of a project was shown, learned or dropped so far."""
        return self._ages.get(name, 0)


class SpecWriter:
    """Writes what is asked of projects as MatchSpecs over ordinals; what it speaks of is shown."""

    def __init__(self, projects: Projects, metadata: MetadataStore, window: Window) -> None:
        self._projects = projects
        self._metadata = metadata
        self._window = window
        self._spoken: dict[tuple[str, str], str] = {}
        self._extras: dict[PypiName, set[str]] = {}

    async def spec(self, name: PypiName, extra: str, specifier: str) -> str:
        """Return a MatchSpec for a requirement on a project, or on one of its extras.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        project = await self._projects.get(name)
        self._window.open(project, specifier)
        subject = solver_name(name, extra)
        expression = project.ordinals.expression(specifier)
        self._spoken[(subject, expression)] = specifier
        return f"{subject} {expression}".strip()

    async def specs(self, dependency: Dependency | PypiRequirement) -> list[str]:
        """Return the MatchSpecs for a dependency: the project, then each extra.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        specifier, extras = self._projects.demanded(dependency)
        self._extras.setdefault(dependency.name, set()).update(extras)
        if self._metadata.reopen_for(dependency.name, extras):
            self._window.note([dependency.name])
        return [await self.spec(dependency.name, extra, specifier) for extra in ("", *extras)]

    async def all_specs(self, dependencies: Iterable[Dependency]) -> list[str]:
        """Return the MatchSpecs of several dependencies, in their order.

        :raises Unreachable: where an index or a channel cannot be reached.
        """
        return [spec for dependency in dependencies for spec in await self.specs(dependency)]

    def extras_of(self, name: PypiName) -> list[str]:
        """Return the extras of a project that somebody asked for so far."""
        return sorted(self._extras.get(name, ()))

    def steered(self, steering: UpdateSteering) -> list[str]:
        """Return where projects in play must stand, as MatchSpecs."""
        projects = self._projects.loaded()
        held = [
            f"{solver_name(name)} {projects[name].ordinals.expression(f'==={version}')}"
            for name, version in steering.pypi_held()
            if name in projects
        ]
        above = [
            f"{solver_name(name)} {projects[name].ordinals.above(Version(version))}"
            for name, version in steering.pypi_above()
            if name in projects and is_valid_version(version)
        ]
        return [*held, *above]

    def spoken(self) -> dict[tuple[str, str], str]:
        """Return, for (solver name, ordinal expression), the specifier that people typed."""
        return dict(self._spoken)

    def forget(self) -> None:
        """Forget what was said in ordinals that moved."""
        self._spoken.clear()
