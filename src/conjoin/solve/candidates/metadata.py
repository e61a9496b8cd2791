"""What is known of wheels' dependencies so far: it only ever grows, so the loop ends (design, section 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.dependency import Dependency
from conjoin.index.pypi.project import CoreMetadata, IndexFile, Project, Sdist, Wheel
from conjoin.spec.names import PypiName

if TYPE_CHECKING:
    from conjoin.build.built_wheels import BuiltWheel

__all__ = ["Dependency", "Knowledge", "Known", "ProjectSource"]


class ProjectSource(Protocol):
    """Where projects and metadata come from: an index, or a fake of one."""

    async def project(self, name: PypiName) -> Project:
        """Return a project's files, none where nobody has it."""

    async def metadata(self, file: Wheel) -> CoreMetadata:
        """Return a wheel's metadata; raises MetadataUnusable where there is none to be had."""

    def at_hand(self, file: Wheel) -> CoreMetadata | MetadataUnusable | None:
        """Return what is known of a wheel without asking anybody: metadata, why it has none, or None."""

    async def source_metadata(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None
    ) -> CoreMetadata:
        """Return an sdist's metadata, building it if need be; raises MetadataUnusable where that fails."""

    async def named_source(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None, hashes: Sequence[str] = ()
    ) -> Sdist:
        """Return a source that the user named with its version and hash; raises where it has none."""

    async def hash_of(self, file: IndexFile) -> tuple[str, int]:
        """Return a file's sha256 and size."""

    async def build(self, file: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return an sdist's wheel; raises MetadataUnusable where it cannot be built."""


class Known(msgspec.Struct, frozen=True):
    """A wheel whose metadata has been read."""

    metadata: CoreMetadata
    dependencies: tuple[Dependency, ...]

    def mentions_extra(self, extra: str) -> bool:
        """Tell whether the wheel declares an extra."""
        return extra in self.metadata.provides_extras


class Knowledge:
    """Metadata of wheels, fetched when somebody has a use for it.

    A wheel is unknown, known, or unusable (with the reason); it never goes back.

    :param unwanted: projects that nothing may depend on: it is as if nobody asked for them.
    """

    def __init__(self, source: ProjectSource, unwanted: frozenset[PypiName] = frozenset()) -> None:
        self._source = source
        self._unwanted = unwanted
        self._known: dict[str, Known] = {}
        self._unusable: dict[str, str] = {}

    def known(self, wheel: Wheel | Sdist) -> Known | None:
        """Return what is known of a wheel, None where it is unknown or unusable."""
        return self._known.get(wheel.url)

    def unusable(self, wheel: Wheel | Sdist) -> str | None:
        """Return why a wheel cannot be used, None where it can or nobody has looked."""
        return self._unusable.get(wheel.url)

    def is_open(self, wheel: Wheel | Sdist) -> bool:
        """Tell whether nobody has looked at a wheel yet."""
        return wheel.url not in self._known and wheel.url not in self._unusable

    def presume(self, wheel: Wheel | Sdist, known: Known) -> None:
        """Take something to be known of a wheel without reading it."""
        self._known.setdefault(wheel.url, known)

    def reopen(self, wheel: Wheel | Sdist) -> None:
        """Have a wheel read of which something was only presumed."""
        self._known.pop(wheel.url, None)

    def settle(self, wheel: Wheel | Sdist, known: Known) -> None:
        """Replace what is known of a wheel that has been read."""
        self._known[wheel.url] = known

    def refuse(self, wheel: Wheel | Sdist, reason: str) -> None:
        """Mark a wheel as unusable."""
        self._known.pop(wheel.url, None)
        self._unusable[wheel.url] = reason

    async def learn(
        self, files: Iterable[tuple[PypiName, Wheel | Sdist]], python: tuple[int, int] | None = None
    ) -> list[PypiName]:
        """Read the metadata of files nobody has looked at, side by side; return their projects.

        :param python: major and minor version of Python that is expected, to build with.
        :raises Unreachable: where the index cannot be reached.
        """
        fresh = list({file.url: (name, file) for name, file in files if self.is_open(file)}.values())
        ask = []
        for name, file in fresh:
            known = self._source.at_hand(file) if isinstance(file, Wheel) else None
            if known is None:
                ask.append(self._learn(name, file, python))
            else:
                self._note(file, known)
        if ask:
            await asyncio.gather(*ask)
        return [name for name, _ in fresh]

    async def _learn(self, name: PypiName, wheel: Wheel | Sdist, python: tuple[int, int] | None) -> None:
        try:
            if isinstance(wheel, Sdist):
                self._note(wheel, await self._source.source_metadata(wheel, name, python))
            else:
                self._note(wheel, await self._source.metadata(wheel))
        except MetadataUnusable as error:
            self._note(wheel, error)

    def _note(self, wheel: Wheel | Sdist, metadata: CoreMetadata | MetadataUnusable) -> None:
        if isinstance(metadata, MetadataUnusable):
            self._unusable[wheel.url] = metadata.reason
            return
        dependencies = metadata.dependencies
        if self._unwanted:
            dependencies = tuple(each for each in dependencies if each.name not in self._unwanted)
        self._known[wheel.url] = Known(metadata, dependencies)
