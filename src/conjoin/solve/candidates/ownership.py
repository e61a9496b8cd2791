"""Which conda packages provide which PyPI projects, learned as the solve goes on (docs/solving.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from packaging.version import Version

from conjoin.index.conda import CondaChannels, CondaPackage
from conjoin.index.mapping import Mapping as NameMapping
from conjoin.index.mapping import Provides
from conjoin.spec.names import CondaName, PypiName

__all__ = ["Owners", "Ownership"]

CondaVersions = Mapping[Version, tuple[str, ...]]


class Owners(msgspec.Struct):
    """The conda packages that provide one PyPI project, with the versions each can bridge."""

    versions: dict[CondaName, CondaVersions] = msgspec.field(default_factory=dict)

    @property
    def names(self) -> tuple[CondaName, ...]:
        """The packages, sorted."""
        return tuple(sorted(self.versions))


class Ownership:
    """Answers who owns a distribution, from the user's file, purls, the shipped mapping and names.

    The channels cannot be asked "who provides x", so likely names are looked up; an owner with an unlikely
    name is noticed once it is part of a solution (:meth:`discover`), which then is solved again.
    """

    def __init__(self, channels: CondaChannels | None, mapping: NameMapping) -> None:
        self._channels = channels
        self._mapping = mapping
        self._discovered: dict[PypiName, set[CondaName]] = {}

    async def owners(self, project: PypiName) -> Owners:
        """Return the owners of a project.

        :raises Unreachable: where a channel cannot be reached.
        """
        if self._channels is None:
            return Owners()
        likely = self._likely_names(project)
        packages = await self._channels.packages(likely)
        return Owners(
            {
                name: package.versions
                for name, package in packages.items()
                if self.provides(package).main == project
            }
        )

    def provides(self, package: CondaPackage) -> Provides:
        """Return what a conda package provides on the PyPI side."""
        return self._mapping.provides(package.name, package.purls, package.needs_python)

    async def provided(self, names: Iterable[CondaName]) -> dict[CondaName, Provides]:
        """Return what each of the conda packages provides."""
        if self._channels is None:
            return {}
        packages = await self._channels.packages(names)
        return {name: self.provides(package) for name, package in packages.items()}

    async def note(self, names: Iterable[CondaName]) -> None:
        """Note what each of these conda packages provides, however unlikely its name."""
        for name, provides in (await self.provided(names)).items():
            if provides.main is not None:
                self._discovered.setdefault(provides.main, set()).add(name)

    async def discover(self, names: Iterable[CondaName], projects: Iterable[PypiName]) -> set[PypiName]:
        """Note owners of ``projects`` among conda packages of a solution that nobody had thought of.

        :returns: the projects for which an owner was found.
        """
        wanted = set(projects)
        found: set[PypiName] = set()
        for name, provides in (await self.provided(names)).items():
            project = provides.main
            if project in wanted and project is not None and name not in self._likely_names(project):
                self._discovered.setdefault(project, set()).add(name)
                found.add(project)
        return found

    def _likely_names(self, project: PypiName) -> list[CondaName]:
        spelled = {
            CondaName(project),
            CondaName(project.replace("-", "_")),
            CondaName(project.replace("-", ".")),
            *self._mapping.conda_names(project),
            *self._discovered.get(project, ()),
        }
        return sorted(spelled)
