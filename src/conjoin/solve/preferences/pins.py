"""Solving on top of a locked environment: its packages are given, whatever channels and indexes say today.

A pinned package is the only candidate of its name, and made of what the lock says. So it makes no difference
whether its channel or index still has it, has yanked it, or has something better.
"""

from __future__ import annotations

import asyncio
import zlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from packaging.version import InvalidVersion, Version

from conjoin.errors import Unreachable
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.project import CoreMetadata, IndexFile, Project, Sdist, Wheel
from conjoin.solve.candidates.compatibility import Compatibility
from conjoin.solve.candidates.metadata import Dependency, Known, ProjectSource
from conjoin.solve.candidates.ordinals import Ordinals
from conjoin.solve.candidates.policy import ReleaseFiles
from conjoin.solve.candidates.project_candidates import Bridge, ProjectCandidates
from conjoin.solve.candidates.pythons import Mask, PythonPool
from conjoin.solve.solution import ChosenConda, ChosenWheel, PlatformSolution
from conjoin.spec.names import CondaName, PypiName

if TYPE_CHECKING:
    from rattler import RepoDataRecord

    from conjoin.build.built_wheels import BuiltWheel

__all__ = ["PinnedSource", "Pins", "pinned_candidates", "still_open"]

_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
_NOWHERE = "https://pypi.invalid/locked"

Keeper = Callable[[ChosenWheel, bool], Path | None]
"""Returns where a locked wheel lies on this host; with True, it may be fetched from wherever it is kept."""


def _no_keeper(_wheel: ChosenWheel, _fetch: bool) -> Path | None:
    return None


class Pins(msgspec.Struct, frozen=True, dict=True, eq=False):
    """The packages of one platform of a locked environment.

    :ivar solution: what was decided.
    :ivar name: what the user calls the environment.
    :ivar keeper: finds the bytes of its wheels, should their metadata be wanted.
    """

    solution: PlatformSolution
    name: str
    keeper: Keeper = _no_keeper

    @cached_property
    def conda(self) -> dict[CondaName, ChosenConda]:
        """The conda packages by name."""
        return {package.name: package for package in self.solution.conda}

    @cached_property
    def wheels(self) -> dict[PypiName, ChosenWheel]:
        """The wheels by project."""
        return {wheel.name: wheel for wheel in self.solution.wheels}

    @cached_property
    def owners(self) -> dict[PypiName, ChosenConda]:
        """The conda packages that provide a project, by project."""
        return {project: package for package in self.solution.conda for project in package.provides}

    @cached_property
    def files(self) -> dict[PypiName, Wheel]:
        """The wheels as the solver is shown them: each has a URL of its own, also those that were built."""
        return {
            name: wheel.wheel
            if wheel.wheel.url
            else replace(wheel.wheel, url=f"{_NOWHERE}/{wheel.sha256}/{wheel.wheel.filename}")
            for name, wheel in self.wheels.items()
        }

    @property
    def has_python(self) -> bool:
        """Whether Python is among them."""
        return self.solution.python is not None or CondaName("python") in self.conda

    def records(self) -> list[RepoDataRecord]:
        """Return the conda packages as records for the solver, sorted by name."""
        return [record_of(self.conda[name]) for name in sorted(self.conda)]

    def version_of(self, project: PypiName) -> tuple[str, str] | None:
        """Return version and kind (``conda``, ``pypi``) of what provides a project, None for nothing."""
        if project in self.wheels:
            return str(self.wheels[project].wheel.version), "pypi"
        if project in self.owners:
            return str(self.owners[project].document["version"]), "conda"
        return None

    def presumed(self, name: PypiName) -> Known:
        """Return what a pinned wheel is taken to depend on: nothing that would not be there already."""
        wheel = self.wheels[name]
        extras = frozenset(wheel.extras)
        return Known(CoreMetadata(name=name, version=wheel.wheel.version, provides_extras=extras), ())


def record_of(package: ChosenConda) -> RepoDataRecord:
    """Return the solver's record of a locked conda package.

    Its time stamp is an old one: a cut-off date is for what is being chosen, not for what was.
    """
    from rattler import PackageRecord, RepoDataRecord
    from rattler.package import BuildString

    document = package.document
    record = PackageRecord(
        name=str(package.name),
        version=document["version"],
        build=BuildString.new_unchecked(document["build"]),
        build_number=document["build_number"],
        subdir=document["subdir"],
        depends=list(document.get("depends") or ()),
        constrains=list(document.get("constrains") or ()),
    )
    record.timestamp = _EPOCH
    return RepoDataRecord(record, file_name=document["fn"], url=document["url"], channel=document["channel"])


class PinnedSource:
    """A project source (see ``candidates.metadata``) that reads pinned wheels where they are kept."""

    def __init__(self, source: ProjectSource, pins: Pins) -> None:
        self._source = source
        self._pins = pins
        self._by_url = {file.url: pins.wheels[name] for name, file in pins.files.items()}

    async def project(self, name: PypiName) -> Project:
        """Return a project's files, none where nobody has it."""
        return await self._source.project(name)

    async def metadata(self, file: Wheel) -> CoreMetadata:
        """Return a wheel's metadata: of a pinned one, from a copy of it, else from its origin."""
        pinned = self._by_url.get(file.url)
        if pinned is None:
            return await self._source.metadata(file)
        path = await asyncio.to_thread(self._pins.keeper, pinned, False)
        if path is None and pinned.wheel.url:
            try:
                return await self._source.metadata(file)
            except (MetadataUnusable, Unreachable):
                path = await asyncio.to_thread(self._pins.keeper, pinned, True)
                if path is None:
                    raise
        path = path or await asyncio.to_thread(self._pins.keeper, pinned, True)
        if path is None:
            raise MetadataUnusable("was built elsewhere, and is not in this store")
        return await self._source.metadata(replace(file, url=path.absolute().as_uri(), metadata=None))

    def at_hand(self, file: Wheel) -> CoreMetadata | MetadataUnusable | None:
        """Return what is known of a wheel without asking anybody; nothing of a pinned one."""
        return None if file.url in self._by_url else self._source.at_hand(file)

    async def source_metadata(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None
    ) -> CoreMetadata:
        """Return an sdist's metadata."""
        return await self._source.source_metadata(file, name, python)

    async def named_source(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None, hashes: Sequence[str] = ()
    ) -> Sdist:
        """Return a source that the user named with its version and hash."""
        return await self._source.named_source(file, name, python, hashes)

    async def hash_of(self, file: IndexFile) -> tuple[str, int]:
        """Return a file's sha256 and size."""
        return await self._source.hash_of(file)

    async def build(self, file: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return an sdist's wheel."""
        return await self._source.build(file, name, python)


class _Anywhere(Compatibility):
    """Takes it for granted that a pinned wheel runs: the environment was solved with it."""

    def __init__(self, pythons: PythonPool) -> None:
        super().__init__(pythons, ())

    def shares(self, wheels: Sequence[Wheel]) -> list[tuple[Wheel, Mask]]:
        """Give every Python to the one wheel there is."""
        return [(wheel, self.pythons.all) for wheel in wheels]


class _PinnedOrdinals(Ordinals):
    """The one version there is. What does not allow it is told apart, for the words of a conflict."""

    def expression(self, specifier: str) -> str:
        """Return ``==1`` where the version is allowed, else a number that no record has."""
        if not specifier or self.allowed(specifier):
            return super().expression(specifier)
        return f"=={zlib.crc32(specifier.encode()) + 2}"


async def pinned_candidates(
    pins: Pins, name: PypiName, owners: Sequence[CondaName], pythons: PythonPool, source: ProjectSource
) -> ProjectCandidates | None:
    """Return the pool of a project that a pin provides: that wheel or conda package alone; None for others.

    :param owners: conda packages that may provide the project.
    """
    if name in pins.wheels:
        file = pins.files[name]
        free = [owner for owner in owners if owner not in pins.conda]
        ordinals = _PinnedOrdinals([file.version])
        alone = ReleaseFiles(wheels=(file,))
        return ProjectCandidates(
            name, ordinals, lambda _: alone, _Anywhere(pythons), owners=free, index=pins.name
        )
    owner = pins.owners.get(name)
    if owner is None:
        return None
    spelling = str(owner.document["version"])
    try:
        version = Version(spelling)
    except InvalidVersion:
        return ProjectCandidates(
            name, Ordinals([]), _no_files, _Anywhere(pythons), owners=owners, index=pins.name
        )
    releases = (await source.project(name)).releases
    place = bisect_left(releases, version)
    files = releases.files(place) if place < len(releases) and releases[place] == version else ()
    wheel = next((file for file in files if isinstance(file, Wheel)), None)
    bridge = Bridge(name, owner.name, 1, (spelling,), lambda: wheel)
    every = sorted({*owners, owner.name})
    ordinals = _PinnedOrdinals([version])
    return ProjectCandidates(
        name, ordinals, _no_files, _Anywhere(pythons), bridges=lambda: [bridge], owners=every, index=pins.name
    )


def _no_files(ordinal: int) -> ReleaseFiles:
    return ReleaseFiles()


def still_open(known: Known, extras: Sequence[str], pythons: PythonPool) -> Known:
    """Return what has been read of a pinned wheel without what is settled: only new extras ask for more."""

    def is_settled(dependency: Dependency) -> bool:
        return dependency.marker is None or any(
            pythons.marker(dependency.marker, extra) for extra in ("", *extras)
        )

    left = tuple(dependency for dependency in known.dependencies if not is_settled(dependency))
    return Known(known.metadata, left)
