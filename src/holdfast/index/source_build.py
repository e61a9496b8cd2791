"""Source distributions become wheels: what they say of themselves where that can be trusted, else a build.

Building runs code of the project (PEP 517), in an environment of its own that uv makes; a wheel built once is
kept under the hash of its source and never built again on this machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from packaging.version import Version

from holdfast.errors import IntegrityError, Unreachable
from holdfast.index.core_metadata import MetadataUnusable, parse_core_metadata
from holdfast.index.file_names import FileNameReader
from holdfast.index.interpreters import HostPython, find_interpreters
from holdfast.index.project import CoreMetadata, Sdist
from holdfast.index.remote_zip import read_metadata
from holdfast.index.sdist_metadata import static_metadata
from holdfast.index.urls import local_path
from holdfast.spec.names import PypiName

__all__ = ["BuiltWheel", "SourceBuilder"]

_SECONDS = 1800
"""The longest a build may take."""
_BUILDS_AT_ONCE = 2
_REPRODUCIBLE = "315532800"
"""SOURCE_DATE_EPOCH, 1980-01-01: the first instant a zip file can hold. Equal sources give equal wheels."""
# As pip, curl and requests call the file that holds the trusted certificates; uv reads the last alone.
_CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

Download = Callable[[Sdist, IO[bytes]], Awaitable[tuple[str, int]]]
"""Writes a file into a stream and returns its sha256 and size."""


@dataclass(frozen=True, slots=True)
class BuiltWheel:
    """A wheel built here.

    :ivar tags: of its file name (PEP 425).
    :ivar source_sha256: of what it was built from.
    """

    path: Path
    sha256: str
    size: int
    tags: str
    source_sha256: str
    metadata: CoreMetadata


class SourceBuilder:
    """Reads and builds source distributions.

    :param download: fetches a file and verifies its announced hash.
    :param cache_dir: Holdfast's cache; ``sources`` and ``built`` below it are used.
    :param indexes: where build requirements come from, in order of priority.
    :param offline: build with what uv's cache has.
    """

    def __init__(
        self,
        download: Download,
        *,
        cache_dir: Path,
        indexes: Sequence[str],
        find_links: Sequence[str] = (),
        offline: bool = False,
    ) -> None:
        self._download = download
        self._cache_dir = cache_dir
        self._indexes = tuple(indexes)
        self._find_links = tuple(find_links)
        self._offline = offline
        self._slots = asyncio.Semaphore(_BUILDS_AT_ONCE)
        self._archives: dict[str, tuple[Path, str]] = {}

    async def metadata(self, sdist: Sdist, name: PypiName, python: tuple[int, int] | None) -> CoreMetadata:
        """Return an sdist's metadata: its PKG-INFO where that is binding (PEP 643), else the built wheel's.

        :param python: major and minor version it is wanted for, if known.
        :raises MetadataUnusable: where it cannot be read and cannot be built.
        """
        archive, _ = await self._archive(sdist)
        static = await asyncio.to_thread(static_metadata, archive, name, sdist.version)
        return static or (await self.build(sdist, name, python)).metadata

    async def build(self, sdist: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return the wheel of an sdist, built unless it was before.

        :raises MetadataUnusable: where it cannot be built, with the last that the build said.
        """
        archive, digest = await self._archive(sdist)
        interpreter = self._interpreter(python)
        folder = self._cache_dir / "built" / digest[:2] / digest / interpreter.abi
        if not folder.is_dir():
            async with self._slots:
                await asyncio.to_thread(self._build, archive, interpreter, folder)
        return await asyncio.to_thread(_read, folder, name, sdist.version, digest)

    async def _archive(self, sdist: Sdist) -> tuple[Path, str]:
        """Return a local copy of an sdist, verified, and its sha256."""
        if sdist.url not in self._archives:
            folder = self._cache_dir / "sources"
            folder.mkdir(parents=True, exist_ok=True)
            known = folder / sdist.sha256 / sdist.filename if sdist.sha256 else None
            if known is not None and known.is_file():
                self._archives[sdist.url] = (known, str(sdist.sha256))
            else:
                self._archives[sdist.url] = await self._fetch(sdist, folder)
        return self._archives[sdist.url]

    async def _fetch(self, sdist: Sdist, folder: Path) -> tuple[Path, str]:
        work = Path(tempfile.mkdtemp(prefix=".", dir=folder))
        try:
            local = local_path(sdist.url)
            if local is not None:
                digest = await asyncio.to_thread(_copy, local, work / sdist.filename, sdist.sha256)
            else:
                with (work / sdist.filename).open("wb") as stream:
                    digest, _ = await self._download(sdist, stream)
            target = folder / digest
            _keep(work, target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return target / sdist.filename, digest

    def _interpreter(self, python: tuple[int, int] | None) -> HostPython:
        """Return the interpreter to build with: of the wanted version if there is one, else the newest."""
        found = [each for each in find_interpreters(self._cache_dir) if each.implementation == "cp"]
        if not found:
            raise MetadataUnusable("would have to be built, and this host has no Python to build it with")
        fitting = (each for each in found if (each.version.major, each.version.minor) == python)
        return next(fitting, found[0])

    def _build(self, archive: Path, interpreter: HostPython, folder: Path) -> None:
        import subprocess

        from uv import find_uv_bin

        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            done = subprocess.run(
                [find_uv_bin(), *self._arguments(archive, interpreter, work / "wheel")],
                env=self._environment(),
                cwd=work,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
            if done.returncode:
                raise MetadataUnusable(f"cannot be built: {_last_words(done.stderr)}")
            _keep(work / "wheel", folder)
        except subprocess.TimeoutExpired:
            raise MetadataUnusable(f"cannot be built: it took longer than {_SECONDS} s") from None
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _arguments(self, archive: Path, interpreter: HostPython, out: Path) -> list[str]:
        arguments = ["build", "--wheel", "--no-config", "--no-create-gitignore"]
        arguments += ["--out-dir", str(out), "--python", str(interpreter.path)]
        for extra in self._indexes[:-1]:
            arguments += ["--index", extra]
        for default in self._indexes[-1:]:
            arguments += ["--default-index", default]
        for place in self._find_links:
            arguments += ["--find-links", place]
        if not self._indexes:
            arguments.append("--no-index")
        if self._offline:
            arguments.append("--offline")
        return [*arguments, str(archive)]

    def _environment(self) -> dict[str, str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("UV_", "PIP_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "__PYVENV"))
        }
        trusted = next((os.environ[name] for name in _CERTIFICATES if os.environ.get(name)), None)
        if trusted:
            environment["SSL_CERT_FILE"] = trusted
        environment |= {
            "SOURCE_DATE_EPOCH": _REPRODUCIBLE,
            "UV_CACHE_DIR": str(self._cache_dir / "wheels"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "UV_SYSTEM_CERTS": "1",
        }
        return environment


def _copy(path: Path, target: Path, announced: str | None) -> str:
    try:
        shutil.copyfile(path, target)
    except OSError as error:
        raise Unreachable(f"the file cannot be read ({error.strerror})", where=str(path)) from None
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    if announced and digest != announced:
        raise IntegrityError(f"sha256 is {digest}, not {announced}", where=str(path))
    return digest


def _keep(work: Path, target: Path) -> None:
    """Move a finished folder to its place, unless another process was faster."""
    try:
        work.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _last_words(stderr: str) -> str:
    """Return the innermost cause of a failed build: what the backend said last, else what uv says last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    border = next((at for at, line in enumerate(lines) if line.startswith("error: ")), len(lines))
    backend = [line for line in lines[:border] if not line.startswith("Building ")]
    uv = [line.removeprefix("cause: ") for line in lines[border:] if not line.startswith("hint: ")]
    said = backend if backend and "backend" in " ".join(uv) else uv
    return (said or ["no reason given"])[-1][:300]


def _read(folder: Path, name: PypiName, version: Version, source: str) -> BuiltWheel:
    wheels = sorted(folder.glob("*.whl"))
    read = FileNameReader(name).read(wheels[0].name) if len(wheels) == 1 else None
    if read is None:
        raise MetadataUnusable(f"its build gave {', '.join(path.name for path in wheels) or 'no wheel'}")
    content = wheels[0].read_bytes()
    with wheels[0].open("rb") as stream:
        metadata = parse_core_metadata(read_metadata(stream, name, read.version), name, read.version)
    if read.version != version:
        raise MetadataUnusable(f"its build gave version {read.version}")
    digest = hashlib.sha256(content).hexdigest()
    return BuiltWheel(wheels[0], digest, len(content), read.tags, source, metadata)
