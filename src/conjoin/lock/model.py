"""The shape of a lock: the decision alone, for every platform (docs/lock-format.md)."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["SCHEMA", "Lock", "LockedPackage", "LockedPlatform", "PackageKind"]

SCHEMA = 2
"""Version of the lock format. A reader accepts every version from this one up to its own: nothing was
published before."""

PackageKind: TypeAlias = Literal["conda", "pypi", "python"]


class LockedPackage(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One package of one platform.

    :ivar kind: ``conda``, ``pypi`` (a wheel), or ``python`` (an interpreter of the hydrating host).
    :ivar name: conda name, or normalised PyPI name.
    :ivar version: as its ecosystem spells it.
    :ivar file: file name; for ``python`` a name made of implementation, version and ABI.
    :ivar url: where it came from, without credentials; empty for ``python``.
    :ivar sha256: 64 hex digits; empty for ``python``.
    :ivar size: bytes; 0 where the origin does not say and nothing was downloaded.
    :ivar dependencies: conda MatchSpecs, or the PEP 508 requirements that apply here.
    :ivar extras: of a PyPI project, those that were asked for, sorted.
    :ivar source_url: of a wheel that was built, what it was built from; such a wheel has no ``url``. Of a git
        repository with the commit: ``git+https://host/repository@<commit>#subdirectory=...``.
    :ivar source_sha256: of the source archive, or of the files of a local folder; empty for a git commit.
    :ivar build_key: of a wheel that was built: 64 hex digits, what the store finds it by.
    :ivar build_request: of one that was built with other packages: 64 hex digits, what the store finds it by
        before anybody has decided what to build it with.
    :ivar built_with: the files that it was built with, ``<file name>#sha256=<digest>``, sorted.
    :ivar direct: of a PyPI package, whether the user named it by URL or path (PEP 610).
    :ivar editable: whether the wheel points to the folder ``source_url`` (PEP 660): it serves only the
        machine that has that folder.
    :ivar provides: of a conda package, the PyPI projects whose distribution it owns, sorted.
    """

    kind: PackageKind
    name: str
    version: str
    file: str
    url: str = ""
    sha256: str = ""
    size: int = 0
    dependencies: tuple[str, ...] = ()
    # conda alone: what py-rattler needs to link it as the channel described it
    build: str = ""
    build_number: int = 0
    subdir: str = ""
    channel: str = ""
    noarch: str = ""
    constrains: tuple[str, ...] = ()
    md5: str = ""
    license: str = ""
    timestamp: int = 0
    track_features: tuple[str, ...] = ()
    python_site_packages_path: str = ""
    provides: tuple[str, ...] = ()
    # PyPI alone
    extras: tuple[str, ...] = ()
    requires_python: str = ""
    source_url: str = ""
    source_sha256: str = ""
    build_key: str = ""
    build_request: str = ""
    built_with: tuple[str, ...] = ()
    direct: bool = False
    editable: bool = False
    # an interpreter of the host alone
    implementation: str = ""
    abi: str = ""


class LockedPlatform(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The environment of one platform.

    :ivar virtual_packages: assumed while solving: name to ``version`` or ``version=build``.
    :ivar packages: sorted by kind, then name.
    """

    virtual_packages: dict[str, str]
    packages: tuple[LockedPackage, ...]


class Lock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was decided, for every platform locked together.

    :ivar req_id: identity of the requirements, 40 hex digits.
    :ivar full_id: identity of the packages, 40 hex digits.
    :ivar requirements: the canonical requirements, as they went into ``req_id``.
    """

    schema: int
    req_id: str
    full_id: str
    requirements: dict[str, Any]
    platforms: dict[str, LockedPlatform]
