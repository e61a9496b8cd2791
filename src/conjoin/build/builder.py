"""Sources become wheels: what they say of themselves where that can be trusted, else a build.

Building runs code of the project (PEP 517), in an environment of exactly the wheels that were decided on for
it. A wheel is kept under its build key, here and in stores, and is never built again by anybody who finds it
there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace
from packaging.version import Version

from conjoin.build.backend import what_compiles
from conjoin.build.built_wheels import BuiltWheel, BuiltWheels, KeptBuilds
from conjoin.build.jobs import BuildJobs, Job
from conjoin.build.requires import SolveBuild
from conjoin.build.sources.fetch import Source, Sources
from conjoin.build.sources.sdist_metadata import static_metadata
from conjoin.build.uv import UvBuild
from conjoin.errors import IntegrityError, NoSolution, UsageError
from conjoin.index.interpreters import HostPython, find_interpreters
from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.index.pypi.file_names import FileNameReader
from conjoin.index.pypi.project import CoreMetadata, Sdist
from conjoin.spec.names import PypiName

__all__ = ["SourceBuilder"]


class SourceBuilder:
    """Reads and builds sources.

    :param sources: brings them to this disk.
    :param cache_dir: Conjoin's cache; ``built`` below it is used.
    :param kept: where wheels that were built before may be found.
    :param exclude_newer: what the indexes of build requirements are cut off at, empty for nothing.
    :param builds_by: decides on build requirements, and is told what is being built; without it, nothing is
        built that has any.
    :ivar jobs: does what has to be done.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        cache_dir: Path,
        kept: KeptBuilds | None = None,
        exclude_newer: str = "",
        builds_by: tuple[SolveBuild, Callable[[str], None]] | None = None,
    ) -> None:
        wheels = BuiltWheels(cache_dir / "built", kept)
        self.jobs = BuildJobs(wheels, sources, UvBuild(cache_dir), *(builds_by or ()))
        self._sources = sources
        self._cache_dir = cache_dir
        self._exclude_newer = exclude_newer

    async def named(
        self, sdist: Sdist, name: PypiName, python: tuple[int, int] | None, hashes: Sequence[str] = ()
    ) -> Sdist:
        """Return a source that somebody named by URL or path with what is in it: version and hash.

        :param sdist: its version means nothing.
        :param hashes: ``sha256:...``, of which one must be the file's.
        :raises IntegrityError: where the file has none of the hashes.
        :raises NoSolution: where it cannot be built, with the last that the build said.
        :raises UsageError: for hashes of what has none.
        """
        sdist = replace(sdist, url=await self._sources.pinned_url(sdist.url))
        source = await self._sources.get(sdist)
        if hashes and not source.path.is_file():
            raise UsageError(
                f"{sdist.url} is no file, so it has no hash",
                advice="drop the hash; pin a git repository by its commit",
            )
        if hashes and f"sha256:{source.sha256}" not in hashes:
            raise IntegrityError(
                f"sha256 is {source.sha256}, which is none of the hashes asked for", where=sdist.url
            )
        try:
            known = FileNameReader(name).read(sdist.filename) if source.path.is_file() else None
            metadata = await self._static(source, name, known.version) if known else None
            # It will be chosen, as there is no other: its wheel is built at once.
            metadata = metadata or (await self._built(source, name, None, python)).metadata
        except MetadataUnusable as error:
            raise NoSolution(f"{name} @ {sdist.url} {error.reason}") from error
        return replace(
            sdist,
            version=metadata.version,
            sha256=source.sha256 or None,
            requires_python=metadata.requires_python,
        )

    async def metadata(self, sdist: Sdist, name: PypiName, python: tuple[int, int] | None) -> CoreMetadata:
        """Return a source's metadata.

        An sdist's PKG-INFO where that is binding (PEP 643); else what its build backend says (PEP 517); else
        what the wheel has.

        :param python: major and minor version it is wanted for, if known.
        :raises MetadataUnusable: where it cannot be read and cannot be built.
        """
        source = await self._sources.get(sdist)
        static = await self._static(source, name, sdist.version)
        if static is not None or source.editable or source.path.is_dir():
            return static or (await self._built(source, name, sdist.version, python)).metadata
        job = await self._job(source, name, sdist.version, python)
        told = await self.jobs.metadata(job)
        if told is not None:
            return parse_core_metadata(told, name, sdist.version)
        return (await self.jobs.wheel(job)).metadata

    async def build(self, sdist: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return the wheel of a source, built unless it was before.

        :raises MetadataUnusable: where it cannot be built, with the last that the build said.
        """
        return await self._built(await self._sources.get(sdist), name, sdist.version, python)

    async def what_would_compile(self, sdist: Sdist, name: PypiName) -> str | None:
        """Return what would compile an archive, as far as it can be told without building it.

        :returns: as :func:`what_compiles` does; None where a pure wheel of it was built before.
        :raises MetadataUnusable: where it cannot be read.
        """
        source = await self._sources.get(sdist)
        tool = await asyncio.to_thread(what_compiles, source)
        if tool is None:
            return None
        # A pure wheel is found without an interpreter.
        job = await asyncio.to_thread(Job.of, source, name, sdist.version, None, self._exclude_newer)
        return None if await self.jobs.is_done(job) else tool

    @staticmethod
    async def _static(source: Source, name: PypiName, version: Version) -> CoreMetadata | None:
        if source.subdirectory or source.path.is_dir():
            return None
        return await asyncio.to_thread(static_metadata, source.path, name, version)

    async def _built(
        self, source: Source, name: PypiName, version: Version | None, python: tuple[int, int] | None
    ) -> BuiltWheel:
        return await self.jobs.wheel(await self._job(source, name, version, python))

    async def _job(
        self, source: Source, name: PypiName, version: Version | None, python: tuple[int, int] | None
    ) -> Job:
        interpreter = await asyncio.to_thread(self._interpreter, python)
        return await asyncio.to_thread(Job.of, source, name, version, interpreter, self._exclude_newer)

    def _interpreter(self, python: tuple[int, int] | None) -> HostPython | None:
        """Return the interpreter to build with: of the wanted version if there is one, else the newest."""
        found = [each for each in find_interpreters(self._cache_dir) if each.implementation == "cp"]
        fitting = (each for each in found if (each.version.major, each.version.minor) == python)
        return next(fitting, found[0] if found else None)
