"""Sources become wheels: what they say of themselves where that can be trusted, else a build.

Building runs code of the project (PEP 517), in an environment of exactly the wheels that were decided on for
it. A wheel is kept under its build key, here and in stores, and is never built again by anybody who finds it
there.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from packaging.version import Version

from holdfast.errors import IntegrityError, NoSolution, UsageError
from holdfast.index.build_environment import BuildEnvironment
from holdfast.index.build_key import build_key
from holdfast.index.build_system import BuildSystem, build_system, requirements_in_one_spelling
from holdfast.index.build_tools import BuildTool, SolveBuild, as_texts, solve_nothing
from holdfast.index.build_turns import BuildTurns
from holdfast.index.built_wheels import BuiltWheel, BuiltWheels, KeptBuilds, is_pure
from holdfast.index.core_metadata import MetadataUnusable, parse_core_metadata
from holdfast.index.file_names import FileNameReader
from holdfast.index.interpreters import HostPython, find_interpreters
from holdfast.index.project import CoreMetadata, Sdist
from holdfast.index.scratch import keep, note_use, scratch_beside
from holdfast.index.sdist_metadata import static_metadata
from holdfast.index.sources import Source, Sources
from holdfast.index.uv_build import UvBuild
from holdfast.spec.names import PypiName
from holdfast.spec.platform import host_platform

__all__ = ["SourceBuilder"]

_BUILDS_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class _Job:
    """Something that may have to be built.

    :ivar interpreter: to build with, None where this host has none.
    :ivar requests: what its wheel is found by (see :func:`build_key`): a pure one, and one of this
        interpreter and platform.
    """

    source: Source
    name: PypiName
    version: Version | None
    system: BuildSystem
    interpreter: HostPython | None
    requests: tuple[str, str]

    @property
    def kind(self) -> str:
        """What the hooks of the build backend call the wheel."""
        return "editable" if self.source.editable else "wheel"

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.name} {self.version}" if self.version else self.name


class SourceBuilder:
    """Reads and builds sources.

    :param sources: brings them to this disk.
    :param cache_dir: Holdfast's cache; ``built`` below it is used.
    :param kept: where wheels that were built before may be found.
    :param exclude_newer: what the indexes of build requirements are cut off at, empty for nothing.
    :ivar solve: decides on build requirements.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        cache_dir: Path,
        kept: KeptBuilds | None = None,
        exclude_newer: str = "",
    ) -> None:
        self.solve: SolveBuild = solve_nothing
        self._sources = sources
        self._uv = UvBuild(cache_dir)
        self._cache_dir = cache_dir
        self._wheels = BuiltWheels(cache_dir / "built", kept)
        self._exclude_newer = exclude_newer
        self._editable: dict[str, Path] = {}
        self._turns = BuildTurns()
        self._slots = asyncio.Semaphore(_BUILDS_AT_ONCE)

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
        if await asyncio.to_thread(self._find, job) is None:
            key = f"{job.requests[1]}-metadata"
            prepared = self._wheels.place(key) / "METADATA"
            note_use(prepared.parent)
            if not prepared.is_file():
                prepared = await self._turns.once(key, job.label, lambda: self._prepare(job, key))
            if prepared.is_file():
                return parse_core_metadata(prepared.read_bytes(), name, sdist.version)
        return (await self._made(job)).metadata

    async def build(self, sdist: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return the wheel of a source, built unless it was before.

        :raises MetadataUnusable: where it cannot be built, with the last that the build said.
        """
        return await self._built(await self._sources.get(sdist), name, sdist.version, python)

    async def stop(self) -> None:
        """Give up what is being built."""
        await self._turns.stop()

    @staticmethod
    async def _static(source: Source, name: PypiName, version: Version) -> CoreMetadata | None:
        if source.subdirectory or source.path.is_dir():
            return None
        return await asyncio.to_thread(static_metadata, source.path, name, version)

    async def _built(
        self, source: Source, name: PypiName, version: Version | None, python: tuple[int, int] | None
    ) -> BuiltWheel:
        return await self._made(await self._job(source, name, version, python))

    async def _job(
        self, source: Source, name: PypiName, version: Version | None, python: tuple[int, int] | None
    ) -> _Job:
        system = await asyncio.to_thread(build_system, source)
        interpreter = await asyncio.to_thread(self._interpreter, python)
        keys = self._keys(source, system.requires, self._exclude_newer, interpreter)
        return _Job(source, name, version, system, interpreter, keys)

    @staticmethod
    def _keys(
        source: Source, requires: Sequence[str], exclude_newer: str, interpreter: HostPython | None
    ) -> tuple[str, str]:
        """Return the keys of a pure wheel, and of one for an interpreter and this platform."""
        pure = build_key(source.identity, requires, exclude_newer)
        if interpreter is None:
            return pure, pure
        return pure, build_key(source.identity, requires, exclude_newer, interpreter.abi, host_platform())

    async def _made(self, job: _Job) -> BuiltWheel:
        """Return a job's wheel, found or built."""
        found = await asyncio.to_thread(self._find, job)
        if found is None:
            await self._turns.once(job.requests[1], job.label, lambda: self._build(job))
            found = await asyncio.to_thread(self._find, job)
        if found is None:
            raise MetadataUnusable("gives no wheel when it is built")
        request, folder = found
        return await asyncio.to_thread(self._wheels.read, folder, job.name, job.version, job.source, request)

    def _find(self, job: _Job) -> tuple[str, Path] | None:
        """Return what a wheel that was built before was found by, and its folder."""
        if job.source.editable:  # built by this process: what it points to may change its layout
            folder = self._editable.get(job.source.identity)
            return None if folder is None else (job.requests[1], folder)
        return self._wheels.find(list(dict.fromkeys(job.requests)))

    async def _prepare(self, job: _Job, key: str) -> Path:
        """Have the backend tell a wheel's metadata; where it cannot, build the wheel. Return the file."""
        with scratch_beside(self._wheels.place(key)) as work:
            environment, tools = await self._environment(job, work)
            (work / "metadata").mkdir()
            async with self._slots:
                file = await asyncio.to_thread(environment.metadata, work / "metadata")
            if file is None:
                await self._wheel(job, environment, tools, work)
            else:
                (work / "kept").mkdir()
                file.rename(work / "kept" / "METADATA")
                keep(work / "kept", self._wheels.place(key))
        return self._wheels.place(key) / "METADATA"

    async def _build(self, job: _Job) -> Path:
        with scratch_beside(self._wheels.place(job.requests[1])) as work:
            environment, tools = await self._environment(job, work)
            return await self._wheel(job, environment, tools, work)

    async def _wheel(
        self, job: _Job, environment: BuildEnvironment, tools: Sequence[BuildTool], work: Path
    ) -> Path:
        """Build a wheel, unless somebody built it with the very same tools; return where it is kept."""
        texts = as_texts(tools)
        keys = self._keys(job.source, texts, "", job.interpreter)
        if not job.source.editable:
            found = await asyncio.to_thread(
                self._wheels.find, [key for key in keys if key not in job.requests]
            )
            if found is not None:
                return self._wheels.point(job.requests[keys.index(found[0])], found[0], found[1])
        (work / "wheel").mkdir()
        async with self._slots:
            await asyncio.to_thread(environment.wheel, job.kind, work / "wheel")
        which = 0 if is_pure(work / "wheel") else 1
        if job.source.editable:
            shutil.rmtree(self._wheels.place(keys[1]), ignore_errors=True)
            which = 1
        folder = self._wheels.add(job.requests[which], keys[which], texts, work / "wheel")
        if job.source.editable:
            self._editable[job.source.identity] = folder
        return folder

    async def _environment(self, job: _Job, work: Path) -> tuple[BuildEnvironment, Sequence[BuildTool]]:
        """Return an environment to build in, with all that is required, and the wheels in it."""
        if job.interpreter is None:
            raise MetadataUnusable("would have to be built, and this host has no Python to build it with")
        interpreter = job.interpreter
        source = job.source
        project = (
            source.path if source.editable else await asyncio.to_thread(source.laid_out, work / "source")
        )

        def made(tools: Mapping[BuildTool, Path], folder: str) -> BuildEnvironment:
            (work / folder).mkdir()
            return BuildEnvironment(self._uv, job.system, project, interpreter, tools, work / folder)

        tools = await self._tools(job.system.requires, interpreter)
        async with self._slots:
            environment = await asyncio.to_thread(made, tools, "first")
            more = await asyncio.to_thread(environment.requires, job.kind)
        beyond = set(requirements_in_one_spelling(more)) - set(job.system.requires)
        if beyond:
            further = await self._tools([*job.system.requires, *sorted(beyond)], interpreter)
            if further != tools:
                tools = further
                async with self._slots:
                    environment = await asyncio.to_thread(made, tools, "second")
        return environment, list(tools)

    async def _tools(self, requires: Sequence[str], interpreter: HostPython) -> dict[BuildTool, Path]:
        """Decide on build requirements; return the wheels and where they lie."""
        if not requires:
            return {}
        try:
            tools = await self.solve(requires, interpreter)
        except NoSolution as error:
            raise MetadataUnusable(
                f"cannot be built: what it is built with has no solution: {error.what}"
            ) from error
        paths = await asyncio.gather(*(self._path(tool) for tool in tools))
        return dict(zip(tools, paths, strict=True))

    async def _path(self, tool: BuildTool) -> Path:
        return tool.path if tool.path is not None else await self._sources.file(tool.file)

    def _interpreter(self, python: tuple[int, int] | None) -> HostPython | None:
        """Return the interpreter to build with: of the wanted version if there is one, else the newest."""
        found = [each for each in find_interpreters(self._cache_dir) if each.implementation == "cp"]
        fitting = (each for each in found if (each.version.major, each.version.minor) == python)
        return next(fitting, found[0] if found else None)
