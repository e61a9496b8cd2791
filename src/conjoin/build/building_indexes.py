"""PyPI indexes whose sources can be used, too: what they say of themselves is read, else they are built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjoin.index.pypi.indexes import PypiIndexes
from conjoin.index.pypi.project import CoreMetadata, Sdist
from conjoin.spec.names import PypiName

if TYPE_CHECKING:
    from conjoin.build.builder import SourceBuilder
    from conjoin.build.built_wheels import BuiltWheel, KeptBuilds
    from conjoin.build.requires import SolveBuild

__all__ = ["BuildingIndexes"]


class BuildingIndexes(PypiIndexes):
    """Indexes, and what builds wheels of their sources, of git repositories and of folders.

    :param options: as :class:`PypiIndexes` takes them.
    :param kept_builds: where wheels that were built before may be found.
    :param exclude_newer: an instant after which uploads of build requirements do not count, empty for none.
    """

    def __init__(
        self,
        indexes: Sequence[str],
        find_links: Sequence[str] = (),
        *,
        cache_dir: Path,
        offline: bool = False,
        kept_builds: KeptBuilds | None = None,
        exclude_newer: str = "",
        **options: Any,
    ) -> None:
        super().__init__(indexes, find_links, cache_dir=cache_dir, offline=offline, **options)
        self._cache_dir = cache_dir
        self._offline = offline
        self._kept_builds = kept_builds
        self._exclude_newer = exclude_newer
        self._builds_by: tuple[SolveBuild, Callable[[str], None]] | None = None

    def decide_builds_by(self, solve: SolveBuild, say: Callable[[str], None]) -> None:
        """Have build requirements decided on; without it, nothing is built that has any.

        :param say: told what is being built.
        """
        self._builds_by = solve, say

    @cached_property
    def _builder(self) -> SourceBuilder:
        """What builds wheels: made, and what it needs imported, for whoever has something to build."""
        from conjoin.build.builder import SourceBuilder
        from conjoin.build.sources.fetch import Sources
        from conjoin.build.sources.git import Repositories

        folder = self._cache_dir / "sources"
        repositories = Repositories(folder / "git", self._logins, offline=self._offline)
        return SourceBuilder(
            Sources(self._reader.download, folder, repositories),
            cache_dir=self._cache_dir,
            kept=self._kept_builds,
            exclude_newer=self._exclude_newer,
            builds_by=self._builds_by,
        )

    async def named_source(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None, hashes: Sequence[str] = ()
    ) -> Sdist:
        """Return a source that the user named by URL or path with version, hash and commit.

        :param hashes: ``sha256:...``, of which one must be the file's.
        :raises IntegrityError: where it has none of them.
        :raises NoSolution: where it cannot be built, or a repository has no such commit.
        :raises Unreachable: where it cannot be fetched.
        """
        return await self._builder.named(file, name, python, hashes)

    async def source_metadata(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None
    ) -> CoreMetadata:
        """Return the core metadata of a source distribution, building it where it does not bind itself.

        :param python: major and minor version of Python it is wanted for, if known.
        :raises MetadataUnusable: where it cannot be had.
        :raises Unreachable: where the network fails.
        """
        return await self._builder.metadata(file, name, python)

    async def build(self, file: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return the wheel of a source distribution, built unless it was before.

        :raises MetadataUnusable: where it cannot be built.
        :raises Unreachable: where the network fails.
        """
        return await self._builder.build(file, name, python)

    async def what_would_compile(self, file: Sdist, name: PypiName) -> str | None:
        """Return what would compile a source distribution, as far as it can be told without building it.

        :returns: see :func:`conjoin.build.backend.what_compiles`; None where a pure wheel is there already.
        :raises MetadataUnusable: where it cannot be read.
        :raises Unreachable: where the network fails.
        """
        return await self._builder.what_would_compile(file, name)

    async def aclose(self) -> None:
        """Close all connections and stop what still runs, builds included."""
        await self._once.stop()
        if "_builder" in self.__dict__:
            await self._builder.jobs.stop()
        await super().aclose()
