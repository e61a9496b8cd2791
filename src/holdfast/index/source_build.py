"""Sources become wheels: what they say of themselves where that can be trusted, else a build.

Building runs code of the project (PEP 517), in an environment of its own that uv makes. A wheel is kept under
its build key, here and in stores, and is never built again by anybody who finds it there.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace
from packaging.version import Version

from holdfast.errors import IntegrityError, NoSolution, UsageError
from holdfast.index.build_key import build_key, declared_requirements
from holdfast.index.core_metadata import MetadataUnusable, parse_core_metadata
from holdfast.index.editable import build_editable
from holdfast.index.file_names import FileNameReader
from holdfast.index.interpreters import HostPython, find_interpreters
from holdfast.index.project import CoreMetadata, Sdist
from holdfast.index.remote_zip import read_metadata
from holdfast.index.scratch import keep, scratch_beside
from holdfast.index.sdist_metadata import static_metadata
from holdfast.index.sources import Source, Sources
from holdfast.index.uv_build import UvBuild
from holdfast.spec.names import PypiName
from holdfast.spec.platform import host_platform

__all__ = ["BuiltWheel", "KeptBuilds", "SourceBuilder"]

_BUILDS_AT_ONCE = 2


class KeptBuilds(Protocol):
    """Wheels that were built before, wherever they are kept."""

    def find(self, build_key: str) -> Path | None:
        """Return a copy on this disk of the wheel with a build key, verified; None where nobody has it."""
        ...


class _NothingKept:
    def find(self, build_key: str) -> Path | None:
        return None


@dataclass(frozen=True, slots=True)
class BuiltWheel:
    """A wheel built here, or by somebody else of the same source.

    :ivar tags: of its file name (PEP 425).
    :ivar source_sha256: of what it was built from; empty for a git commit.
    :ivar build_key: what it is kept under (design, section 4); empty for an editable one.
    :ivar editable: whether it points to a folder of this machine (PEP 660).
    """

    path: Path
    sha256: str
    size: int
    tags: str
    source_sha256: str
    metadata: CoreMetadata
    build_key: str
    editable: bool = False


class SourceBuilder:
    """Reads and builds sources.

    :param sources: brings them to this disk.
    :param uv: builds them.
    :param cache_dir: Holdfast's cache; ``built`` below it is used.
    :param kept: where wheels that were built before may be found.
    :param exclude_newer: what the build requirements' index is cut off at, empty for nothing.
    """

    def __init__(
        self,
        sources: Sources,
        uv: UvBuild,
        *,
        cache_dir: Path,
        kept: KeptBuilds | None = None,
        exclude_newer: str = "",
    ) -> None:
        self._sources = sources
        self._uv = uv
        self._cache_dir = cache_dir
        self._kept = kept or _NothingKept()
        self._exclude_newer = exclude_newer
        self._editable: dict[str, Path] = {}
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
        """Return a source's metadata: an sdist's PKG-INFO where that is binding (PEP 643), else the wheel's.

        :param python: major and minor version it is wanted for, if known.
        :raises MetadataUnusable: where it cannot be read and cannot be built.
        """
        source = await self._sources.get(sdist)
        static = await self._static(source, name, sdist.version)
        return static or (await self._built(source, name, sdist.version, python)).metadata

    async def build(self, sdist: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return the wheel of a source, built unless it was before.

        :raises MetadataUnusable: where it cannot be built, with the last that the build said.
        """
        return await self._built(await self._sources.get(sdist), name, sdist.version, python)

    @staticmethod
    async def _static(source: Source, name: PypiName, version: Version) -> CoreMetadata | None:
        if source.subdirectory or source.path.is_dir():
            return None
        return await asyncio.to_thread(static_metadata, source.path, name, version)

    async def _built(
        self, source: Source, name: PypiName, version: Version | None, python: tuple[int, int] | None
    ) -> BuiltWheel:
        requires = await asyncio.to_thread(declared_requirements, source)
        pure = build_key(source.identity, requires, self._exclude_newer)
        interpreter = self._interpreter(python)
        own = ""
        if interpreter is not None:
            own = build_key(source.identity, requires, self._exclude_newer, interpreter.abi, host_platform())
        folder = await asyncio.to_thread(self._find, source, [pure, own] if own else [pure])
        if folder is None:
            if interpreter is None:
                raise MetadataUnusable("would have to be built, and this host has no Python to build it with")
            async with self._slots:
                folder = await asyncio.to_thread(self._build, source, interpreter, pure, own)
        return await asyncio.to_thread(_read, folder, name, version, source)

    def _folder(self, key: str) -> Path:
        return self._cache_dir / "built" / key[:2] / key

    def _find(self, source: Source, keys: Sequence[str]) -> Path | None:
        """Return the folder of a wheel that was built before; of an editable one, by this process."""
        if source.editable:
            return self._editable.get(source.identity)
        for key in keys:
            if self._folder(key).is_dir():
                return self._folder(key)
        for key in keys:
            wheel = self._kept.find(key)
            if wheel is not None:
                with scratch_beside(self._folder(key)) as work:
                    (work / "wheel").mkdir()
                    shutil.copyfile(wheel, work / "wheel" / wheel.name)
                    keep(work / "wheel", self._folder(key))
                return self._folder(key)
        return None

    def _build(self, source: Source, interpreter: HostPython, pure: str, own: str) -> Path:
        with scratch_beside(self._folder(own)) as work:
            if source.editable:
                (work / "work").mkdir()
                build_editable(self._uv, source.path, interpreter, work / "work").rename(work / "wheel")
            else:
                self._uv.build(source.laid_out(work / "source"), interpreter, work / "wheel")
            wheels = sorted((work / "wheel").glob("*.whl"))
            is_pure = bool(wheels) and wheels[0].name.endswith("-none-any.whl") and "-py3" in wheels[0].name
            folder = self._folder(pure if is_pure else own)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if source.editable:
                shutil.rmtree(folder, ignore_errors=True)  # what it points to may have another layout now
                self._editable[source.identity] = folder
            keep(work / "wheel", folder)
        return folder

    def _interpreter(self, python: tuple[int, int] | None) -> HostPython | None:
        """Return the interpreter to build with: of the wanted version if there is one, else the newest."""
        found = [each for each in find_interpreters(self._cache_dir) if each.implementation == "cp"]
        fitting = (each for each in found if (each.version.major, each.version.minor) == python)
        return next(fitting, found[0] if found else None)


def _read(folder: Path, name: PypiName, version: Version | None, source: Source) -> BuiltWheel:
    wheels = sorted(folder.glob("*.whl"))
    read = FileNameReader(name).read(wheels[0].name) if len(wheels) == 1 else None
    if read is None:
        gave = ", ".join(path.name for path in wheels) or "no wheel"
        raise MetadataUnusable(f"gives {gave} when it is built, not one wheel of {name}")
    content = wheels[0].read_bytes()
    with wheels[0].open("rb") as stream:
        metadata = parse_core_metadata(read_metadata(stream, name, read.version), name, read.version)
    if version is not None and read.version != version:
        raise MetadataUnusable(f"gives version {read.version} when it is built")
    digest = hashlib.sha256(content).hexdigest()
    key = "" if source.editable else folder.name
    return BuiltWheel(
        wheels[0], digest, len(content), read.tags, source.sha256, metadata, key, source.editable
    )
