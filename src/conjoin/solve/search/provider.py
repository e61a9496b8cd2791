"""The PyPI side of a solve: projects, their metadata, and what of both the solver is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.solve.candidates.compatibility import Compatibility
from conjoin.solve.candidates.encoding import make_record
from conjoin.solve.candidates.metadata import ProjectSource
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.policy import CandidatePolicy
from conjoin.solve.candidates.project_candidates import Bridge, Candidate
from conjoin.solve.candidates.pythons import Mask
from conjoin.solve.preferences.pins import PinnedSource
from conjoin.solve.search.metadata_store import MetadataStore
from conjoin.solve.search.projects import Manifest, Projects
from conjoin.solve.search.window import SpecWriter, Window
from conjoin.spec.names import PypiName

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["PypiProvider"]

_FAILURES = 3
"""Builds of one project that may fail before its other releases are left aside: each may take minutes."""


class PypiProvider:
    """What the search is told of PyPI, by those who each know a part of it.

    :param expected: the Python build that will probably be chosen.
    :param make_record: makes records, or returns what it made for another platform.
    :ivar projects: the candidates of each project, fetched when first asked for.
    :ivar metadata: what is known of their files, which only grows.
    :ivar window: which of them the solver is shown.
    :ivar specs: writes what is asked of them as MatchSpecs.
    """

    def __init__(
        self,
        source: ProjectSource,
        ownership: Ownership,
        compatibility: Compatibility,
        policy: CandidatePolicy,
        manifest: Manifest | None = None,
        *,
        expected: Mask = 0,
        make_record: Callable[..., RepoDataRecord] = make_record,
    ) -> None:
        self.manifest = manifest = manifest or Manifest()
        self.pins = pins = manifest.pins
        self.pythons = compatibility.pythons
        self.compatibility = compatibility
        self.ownership = ownership
        self.make_record = make_record
        if pins is not None:
            source = PinnedSource(source, pins)
        minor = self.pythons.minor(expected)
        self.projects = Projects(source, ownership, compatibility, policy, manifest, minor)
        self.metadata = MetadataStore(
            source, compatibility, unwanted=manifest.unwanted, pins=pins, hashes=policy.hashes
        )
        self.window = Window(manifest.strategy)
        self.specs = SpecWriter(self.projects, self.metadata, self.window)

    async def learn(self, chosen: Iterable[Candidate | Bridge], python: Mask = 0) -> None:
        """Read the metadata of candidates (of bridges: of the wheel) that nobody has looked at.

        :param python: the build that is expected to be chosen, to build with.
        :raises Unreachable: where an index cannot be reached.
        """
        files = [(each.project, each.file) for each in chosen if each.file is not None]
        fresh = [(name, file) for name, file in files if self.metadata.is_open(file)]
        self.window.note(await self.metadata.learn(fresh, self.pythons.minor(python)))
        for name, file in fresh:
            self._drop_if_unusable(name, file)

    async def build(self, candidate: Candidate, python: Mask) -> bool:
        """Build a chosen source distribution; where its wheel cannot serve the chosen Python, refuse it.

        :returns: whether it serves.
        """
        if await self.metadata.build(candidate, python):
            return True
        self._drop_if_unusable(candidate.project, candidate.file)
        return False

    def _drop_if_unusable(self, name: PypiName, file: Wheel | Sdist) -> None:
        project = self.projects.at_hand(name)
        if project is not None and self.metadata.unusable(file) is not None:
            project.drop(file)
            self.window.note([name])
            failed = sum(isinstance(each, Sdist) for each in project.dropped)
            if isinstance(file, Sdist) and failed == _FAILURES:
                for older in project.give_up_building():
                    self.metadata.refuse(older, f"was not tried, as {_FAILURES} others cannot be built")

    def forget(self, names: Iterable[PypiName]) -> None:
        """Drop projects whose owners turned out to be others: their ordinals move."""
        names = list(names)
        self.window.note([*self.projects.forget(names), *names])
        self.specs.forget()
