"""What a PyPI index says of a project: the files that exist, before anybody reads their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from packaging.version import Version

from holdfast.index.dependency import Dependency
from holdfast.spec.names import PypiName

__all__ = ["CoreMetadata", "IndexFile", "Project", "Sdist", "Wheel"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """All files of one project, from the first index that has it.

    :ivar files: wheels and sdists, sorted by version, then file name; empty where no index has the project.
    :ivar index: URL of the index that answered, empty where none has it.
    """

    name: PypiName
    files: tuple[Wheel | Sdist, ...] = ()
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
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
