"""The metadata of one file, and where projects, metadata and wheels come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.dependency import Dependency
from conjoin.index.pypi.project import CoreMetadata, IndexFile, Project, Sdist, Wheel
from conjoin.spec.names import PypiName

if TYPE_CHECKING:
    from conjoin.build.built_wheels import BuiltWheel

__all__ = ["Dependency", "Known", "ProjectSource"]


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
