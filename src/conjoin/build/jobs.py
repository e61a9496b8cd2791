"""What has to be built: found where it was built before, else built, in an environment of exact wheels."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from packaging.version import Version

from conjoin.build.backend import BuildSystem, build_system, requirements_in_one_spelling
from conjoin.build.built_wheels import BuiltWheel, BuiltWheels, KeptWheel, is_pure, tags_are_pure
from conjoin.build.environment import BuildEnvironment
from conjoin.build.requires import BuildTool, SolveBuild, as_texts, solve_nothing
from conjoin.build.scratch import keep, note_use, scratch_beside
from conjoin.build.sources.fetch import Source, Sources
from conjoin.build.uv import UvBuild
from conjoin.errors import NoSolution
from conjoin.index.interpreters import HostPython
from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.index.pypi.file_names import FileNameReader
from conjoin.index.pypi.wheel_archive import read_metadata
from conjoin.index.pypi.wheel_tags import PythonAbi, supported
from conjoin.net.single_flight import Once
from conjoin.spec.names import PypiName
from conjoin.spec.platform import host_platform

__all__ = ["BuildJobs", "BuildTurns", "Job", "build_key"]

_T = TypeVar("_T")

_inside: ContextVar[str] = ContextVar("conjoin_build", default="")
"""The build for whose requirements this task works; empty for what was asked for itself."""

_KEY_SCHEME = 1
_BUILDS_AT_ONCE = 2


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Job:
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

    @classmethod
    def of(
        cls,
        source: Source,
        name: PypiName,
        version: Version | None,
        interpreter: HostPython | None,
        exclude_newer: str,
    ) -> Job:
        """Return the job of making a source's wheel.

        :param version: that it must have, None for any.
        :param exclude_newer: what the indexes of build requirements are cut off at, empty for nothing.
        :raises MetadataUnusable: where it is no project.
        """
        system = build_system(source)
        requests = _keys(source, system.requires, exclude_newer, interpreter)
        return cls(source, name, version, system, interpreter, requests)

    def fits(self, key: str, wheel: KeptWheel) -> bool:
        """Tell whether what a store has under a key can be this job's wheel; else it is built.

        Its name, version and tags are those of what was asked for, its own metadata agrees, and what it is
        kept under belongs to this source: nobody else's wheel, nor a path, is put in by that.
        """
        exact = _keys(self.source, wheel.built_with, "", self.interpreter)
        if wheel.build_key not in exact and (wheel.built_with or wheel.build_key not in self.requests):
            return False
        read = FileNameReader(self.name).read(wheel.path.name)
        if read is None or self.version not in (None, read.version):
            return False
        if not self._may_have(read.tags, is_pure=key in (self.requests[0], exact[0])):
            return False
        try:
            with wheel.path.open("rb") as stream:
                parse_core_metadata(read_metadata(stream, self.name, read.version), self.name, read.version)
        except (MetadataUnusable, OSError):
            return False
        return True

    def _may_have(self, tags: str, *, is_pure: bool) -> bool:
        """Tell whether a wheel of some tags (PEP 425) can be what was asked for by one of the two keys."""
        if is_pure or self.interpreter is None:
            return tags_are_pure(tags)
        from packaging.tags import platform_tags

        version = self.interpreter.version
        free = self.interpreter.free_threaded
        python_abi = PythonAbi(self.interpreter.implementation, version.major, version.minor, free)
        return supported(tags, python_abi, tuple(platform_tags())) is not None


class BuildJobs:
    """Does jobs: each once, whoever asks, and few at a time.

    :param wheels: where they are kept.
    :param sources: brings the wheels to build with to this disk.
    :param solve: decides on build requirements.
    :param say: told what is being done, one short line each time.
    """

    def __init__(
        self,
        wheels: BuiltWheels,
        sources: Sources,
        uv: UvBuild,
        solve: SolveBuild = solve_nothing,
        say: Callable[[str], None] = _silent,
    ) -> None:
        self._solve = solve
        self._say = say
        self._wheels = wheels
        self._sources = sources
        self._uv = uv
        self._editable: dict[str, Path] = {}
        self._turns = BuildTurns()
        self._slots = asyncio.Semaphore(_BUILDS_AT_ONCE)

    async def stop(self) -> None:
        """Give up what is being built: what runs for it is ended, compilers and all."""
        self._uv.stop()
        await self._turns.stop()

    async def metadata(self, job: Job) -> bytes | None:
        """Return what a job's build backend says of its wheel before it is built (PEP 517).

        :returns: the content of ``METADATA``; None where there is a wheel to read it from, which is built by
            now if the backend cannot tell.
        :raises MetadataUnusable: where the backend fails.
        """
        if await asyncio.to_thread(self._find, job) is not None:
            return None
        key = f"{job.requests[1]}-metadata"
        prepared = self._wheels.place(key) / "METADATA"
        note_use(prepared.parent)
        if not prepared.is_file():
            await self._turns.once(key, job.label, lambda: self._prepare(job, key))
        return prepared.read_bytes() if prepared.is_file() else None

    async def is_done(self, job: Job) -> bool:
        """Tell whether a job's wheel was built before, here or by whoever put it into a store."""
        return await asyncio.to_thread(self._find, job) is not None

    async def wheel(self, job: Job) -> BuiltWheel:
        """Return a job's wheel, found or built.

        :raises MetadataUnusable: where it cannot be built, with the last that the build said.
        """
        found = await asyncio.to_thread(self._find, job)
        if found is None:
            await self._turns.once(job.requests[1], job.label, lambda: self._build(job))
            found = await asyncio.to_thread(self._find, job)
        if found is None:
            raise MetadataUnusable("gives no wheel when it is built")
        request, folder = found
        return await asyncio.to_thread(self._wheels.read, folder, job.name, job.version, job.source, request)

    def _find(self, job: Job) -> tuple[str, Path] | None:
        """Return what a wheel that was built before was found by, and its folder."""
        if job.source.editable:  # built by this process: what it points to may change its layout
            folder = self._editable.get(job.source.identity)
            return None if folder is None else (job.requests[1], folder)
        return self._wheels.find(list(dict.fromkeys(job.requests)), job.fits)

    async def _prepare(self, job: Job, key: str) -> None:
        """Have the backend tell a wheel's metadata; where it cannot, build the wheel."""
        with scratch_beside(self._wheels.place(key)) as work:
            environment, tools = await self._environment(job, work)
            (work / "metadata").mkdir()
            async with self._slots:
                self._say(f"asking {job.label} what it depends on")
                file = await asyncio.to_thread(environment.metadata, work / "metadata")
            if file is None:
                await self._wheel(job, environment, tools, work)
            else:
                (work / "kept").mkdir()
                file.rename(work / "kept" / "METADATA")
                keep(work / "kept", self._wheels.place(key))

    async def _build(self, job: Job) -> Path:
        with scratch_beside(self._wheels.place(job.requests[1])) as work:
            environment, tools = await self._environment(job, work)
            return await self._wheel(job, environment, tools, work)

    async def _wheel(
        self, job: Job, environment: BuildEnvironment, tools: Sequence[BuildTool], work: Path
    ) -> Path:
        """Build a wheel, unless somebody built it with the very same tools; return where it is kept."""
        texts = as_texts(tools)
        keys = _keys(job.source, texts, "", job.interpreter)
        if not job.source.editable:
            found = await asyncio.to_thread(
                self._wheels.find, [key for key in keys if key not in job.requests], job.fits
            )
            if found is not None:
                return self._wheels.point(job.requests[keys.index(found[0])], found[0], found[1])
        (work / "wheel").mkdir()
        async with self._slots:
            self._say(f"building {job.label}")
            await asyncio.to_thread(environment.wheel, job.kind, work / "wheel")
        which = 0 if is_pure(work / "wheel") else 1
        if job.source.editable:
            shutil.rmtree(self._wheels.place(keys[1]), ignore_errors=True)
            which = 1
        folder = self._wheels.add(job.requests[which], keys[which], texts, work / "wheel")
        if job.source.editable:
            self._editable[job.source.identity] = folder
        return folder

    async def _environment(self, job: Job, work: Path) -> tuple[BuildEnvironment, Sequence[BuildTool]]:
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
            tools = await self._solve(requires, interpreter)
        except NoSolution as error:
            raise MetadataUnusable(
                f"cannot be built: what it is built with has no solution: {error.what}"
            ) from error
        paths = await asyncio.gather(*(self._path(tool) for tool in tools))
        return dict(zip(tools, paths, strict=True))

    async def _path(self, tool: BuildTool) -> Path:
        return tool.path if tool.path is not None else await self._sources.file(tool.file)


class BuildTurns:
    """What is being built, and who waits for whom.

    Build requirements may have to be built themselves, and so on. Two builds that wait for each other would
    wait for ever: the second to ask is told so.
    """

    def __init__(self) -> None:
        self._once = Once(MetadataUnusable)
        self._labels: dict[str, str] = {}
        self._waiting: list[tuple[str, str]] = []

    async def once(self, key: str, label: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something once, whoever asks how often; a failure of the network is not remembered.

        :param label: what it is, for messages.
        :raises MetadataUnusable: where it would have to wait for itself; or as ``work`` does.
        """
        self._labels.setdefault(key, label)
        parent = _inside.get()
        if parent and (chain := self._chain(key, parent)):
            names = " needs ".join(self._labels[each] for each in (*chain, key))
            raise MetadataUnusable(f"cannot be built: {names} to be built")
        edge = (parent, key)
        self._waiting.append(edge)
        try:
            return await self._once.do(key, lambda: _in_turn(key, work))
        finally:
            self._waiting.remove(edge)

    async def stop(self) -> None:
        """Cancel what still runs, and wait for its end."""
        await self._once.stop()

    def _chain(self, key: str, end: str) -> list[str]:
        """Return how ``key`` waits for ``end``: itself, and the builds up to there; empty if it does not."""
        if key == end:
            return [key]
        for waiting, other in self._waiting:
            if waiting == key and (rest := self._chain(other, end)):
                return [key, *rest]
        return []


async def _in_turn(key: str, work: Callable[[], Awaitable[_T]]) -> _T:
    _inside.set(key)  # of this task alone, and of those that it starts
    return await work()


def build_key(
    identity: str, requires: Iterable[str], exclude_newer: str, abi: str = "none", platform: str = "any"
) -> str:
    """Return a key of a wheel: 64 hex digits of SHA-256.

    A wheel has two. Its *build key* says what exactly it was built with: ``requires`` are files with their
    hashes. Its *build request* says what was asked for: ``requires`` are requirements, as the project
    declares them. By that it is found before anybody solves for its build requirements; else each release of
    a build backend would have everybody build everything again.

    :param identity: of the source.
    :param requires: what it is built with, as said.
    :param exclude_newer: what the index of the build requirements is cut off at, empty for nothing; of a
        build key always empty, for its files are exact.
    :param abi: of the Python that built it (``cp311``); ``none`` for a wheel that any serves.
    :param platform: it was built on (``linux-64``); ``any`` for a wheel that serves any.
    """
    document = [_KEY_SCHEME, identity, sorted(set(requires)), exclude_newer, abi, platform]
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _keys(
    source: Source, requires: Sequence[str], exclude_newer: str, interpreter: HostPython | None
) -> tuple[str, str]:
    """Return the keys of a pure wheel, and of one for an interpreter and this platform."""
    pure = build_key(source.identity, requires, exclude_newer)
    if interpreter is None:
        return pure, pure
    return pure, build_key(source.identity, requires, exclude_newer, interpreter.abi, host_platform())
