"""What a PyPI index says of a project: the files that exist, before anybody reads their metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

import msgspec
from packaging.version import Version

from conjoin.index.pypi.dependency import Dependency
from conjoin.spec.names import PypiName

__all__ = [
    "PRERELEASE",
    "SDIST",
    "WHEEL",
    "YANKED",
    "CoreMetadata",
    "IndexFile",
    "Project",
    "Releases",
    "Sdist",
    "Wheel",
    "kind_of",
]


class IndexFile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One distribution file of a project.

    :ivar filename: as the index spells it; a plain name, never a path.
    :ivar url: absolute, without fragment and credentials.
    :ivar sha256: 64 lower-case hex digits, or None where the index announces none.
    :ivar checksum: where no sha256 is announced, another hash that is, as ``sha512=...``; or empty.
    :ivar size: bytes, or None where the index does not say.
    :ivar requires_python: specifier text (PEP 345), or empty.
    :ivar yanked: None, or the reason (possibly empty) it was yanked for (PEP 592).
    :ivar upload_time: aware, UTC, or None where the index does not say (PEP 700).
    :ivar metadata: None where no PEP 658 file is announced or known; else its sha256, or empty where the
        index announces the file without a hash.
    :ivar index: URL of the index (or find-links place) it came from.
    """

    filename: str
    url: str
    version: Version
    sha256: str | None = None
    size: int | None = None
    requires_python: str = ""
    yanked: str | None = None
    upload_time: datetime | None = None
    metadata: str | None = None
    checksum: str = ""
    index: str = ""


class Wheel(IndexFile, frozen=True, kw_only=True, gc=False):
    """A built distribution (PEP 427).

    :ivar build: the build tag, ``()`` for none; the higher wins among equals.
    :ivar tags: the tags text of the file name, e.g. ``cp311-cp311-manylinux_2_17_x86_64`` (PEP 425,
        compressed sets not expanded: thousands of files are listed, few are ever looked at).
    """

    build: tuple[int, str] | tuple[()] = ()
    tags: str = ""


class Sdist(IndexFile, frozen=True, kw_only=True, gc=False):
    """A source distribution (PEP 625), or another source that somebody named by URL or path.

    :ivar editable: whether it is a folder of this machine that is to be pointed to (PEP 660).
    """

    editable: bool = False


PRERELEASE = 1
"""A release is a pre-release or a development release (PEP 440)."""
WHEEL = 2
"""It has a wheel that was not yanked."""
SDIST = 4
"""It has a source distribution that was not yanked."""
YANKED = 8
"""It has a file that was yanked (PEP 592)."""


class Releases(Sequence[Version]):
    """Versions in ascending order, none twice, each with its files.

    A project has thousands of files, of which a solve looks at a handful: what a release is, is told by
    flags, and its files are read when somebody looks at them.

    :param texts: the versions, as PEP 440 spells them.
    :param kinds: for each version a byte of the flags above.
    :param read: reads the files of the version at a position; of wheels, only those whose tags it is told to
        take, where it is told.
    """

    def __init__(
        self,
        texts: Sequence[str] = (),
        kinds: bytes = b"",
        read: Callable[[int, Callable[[str], bool] | None], Iterable[Wheel | Sdist]] = lambda *_: (),
    ) -> None:
        self.kinds = kinds
        self._texts = texts
        self._read = read
        self._versions: dict[int, Version] = {}
        self._files: dict[int, tuple[Wheel | Sdist, ...]] = {}

    @classmethod
    def of(cls, files: Iterable[Wheel | Sdist]) -> Releases:
        """Return releases made of files that are sorted by version."""
        made = cls()
        texts: list[str] = []
        kinds = bytearray()
        for version, group in groupby(files, key=lambda file: file.version):
            made._versions[len(texts)] = version
            made._files[len(texts)] = of_one = tuple(group)
            texts.append(str(version))
            kinds.append(kind_of(version, ((isinstance(f, Wheel), f.yanked is not None) for f in of_one)))
        made._texts, made.kinds = texts, bytes(kinds)
        return made

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, position: int) -> Version:  # type: ignore[override]
        version = self._versions.get(position)
        if version is None:
            version = self._versions[position] = Version(self._texts[position])
        return version

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Releases) and tuple(self.every_file()) == tuple(other.every_file())

    __hash__ = None  # type: ignore[assignment]

    def files(self, position: int) -> tuple[Wheel | Sdist, ...]:
        """Return the files of the version at a position, sorted by file name."""
        files = self._files.get(position)
        if files is None:
            files = self._files[position] = tuple(self._read(position, None))
        return files

    def fitting(self, position: int, fits: Callable[[str], bool]) -> Iterable[Wheel | Sdist]:
        """Return the files of the version at a position without the wheels whose tags do not fit."""
        known = self._files.get(position)
        if known is None:
            return self._read(position, fits)
        return [file for file in known if not isinstance(file, Wheel) or fits(file.tags)]

    def every_file(self) -> Iterator[Wheel | Sdist]:
        """Yield all files, sorted by version, then file name."""
        for position in range(len(self)):
            yield from self.files(position)


def kind_of(version: Version, files: Iterable[tuple[bool, bool]]) -> int:
    """Return the flags of a release.

    :param files: of each file, whether it is a wheel, and whether it was yanked.
    """
    kind = PRERELEASE if version.is_prerelease else 0
    for is_wheel, is_yanked in files:
        kind |= YANKED if is_yanked else WHEEL if is_wheel else SDIST
    return kind


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """All files of one project, from the first index that has it.

    :ivar releases: none where no index has the project.
    :ivar index: URL of the index that answered, empty where none has it.
    """

    name: PypiName
    releases: Releases = msgspec.field(default_factory=Releases)
    index: str = ""

    @property
    def files(self) -> tuple[Wheel | Sdist, ...]:
        """Wheels and sdists, sorted by version, then file name; every one of them is read."""
        return tuple(self.releases.every_file())


class CoreMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a distribution's core metadata (PEP 566 and later) that resolving needs.

    :ivar dependencies: Requires-Dist, read.
    :ivar provides_extras: normalised.
    """

    name: PypiName
    version: Version
    dependencies: tuple[Dependency, ...] = ()
    requires_python: str = ""
    provides_extras: frozenset[str] = frozenset()

    @property
    def requires_dist(self) -> tuple[str, ...]:
        """Requires-Dist as PEP 508 texts, as they stand."""
        return tuple(dependency.text for dependency in self.dependencies)
