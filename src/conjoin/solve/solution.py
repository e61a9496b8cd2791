"""What a solve decided for one platform."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from conjoin.index.pypi.project import Wheel
from conjoin.spec.names import CondaName, PypiName

__all__ = ["BuiltFrom", "ChosenConda", "ChosenPython", "ChosenWheel", "PlatformSolution", "SolveStatistics"]


class ChosenConda(msgspec.Struct, frozen=True):
    """A conda package.

    :ivar document: its record as the channel has it, with ``fn``, ``url`` and ``channel``.
    :ivar provides: PyPI projects whose distribution it owns.
    """

    name: CondaName
    document: dict[str, Any]
    provides: tuple[PypiName, ...] = ()


class BuiltFrom(msgspec.Struct, frozen=True):
    """Where a wheel that was built here comes from, and where it lies.

    :ivar url: of the source; of a git repository, with the commit.
    :ivar sha256: of an archive or a local folder; empty for a git commit.
    :ivar path: of the wheel, in the cache; None where it was built for an earlier lock.
    :ivar build_key: what the wheel is kept under; empty for an editable one.
    :ivar build_request: what it is found by before its build requirements are decided.
    :ivar built_with: the files that it was built with, ``<file name>#sha256=<digest>``, sorted.
    :ivar editable: whether it points to a folder of this machine (PEP 660).
    """

    url: str
    sha256: str
    path: Path | None
    build_key: str = ""
    editable: bool = False
    build_request: str = ""
    built_with: tuple[str, ...] = ()


class ChosenWheel(msgspec.Struct, frozen=True):
    """A wheel.

    :ivar wheel: the file; its sha256 is known.
    :ivar size: bytes, 0 where the origin does not say.
    :ivar extras: those asked for and declared, sorted.
    :ivar dependencies: the PEP 508 requirements that apply here, sorted.
    :ivar source: what it was built from, None for a wheel of the index.
    :ivar direct: whether the user named it, or what it was built from, by URL or path.
    """

    name: PypiName
    wheel: Wheel
    sha256: str
    size: int
    extras: tuple[str, ...]
    dependencies: tuple[str, ...]
    requires_python: str
    source: BuiltFrom | None = None
    direct: bool = False


class ChosenPython(msgspec.Struct, frozen=True):
    """An interpreter of this host, in place of conda's Python.

    :ivar abi: e.g. ``cp311``, ``cp313t``.
    """

    implementation: str
    version: str
    abi: str


class SolveStatistics(msgspec.Struct, frozen=True):
    """How hard it was; none of it enters a lock."""

    rounds: int = 0
    seconds: float = 0.0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class PlatformSolution:
    """Everything decided for one platform.

    :ivar virtual_packages: assumed: name to ``version`` or ``version=build``.
    :ivar warnings: one sentence each, for people.
    """

    platform: str
    virtual_packages: dict[str, str]
    conda: tuple[ChosenConda, ...] = ()
    wheels: tuple[ChosenWheel, ...] = ()
    python: ChosenPython | None = None
    warnings: tuple[str, ...] = ()
    statistics: SolveStatistics = field(default_factory=SolveStatistics, compare=False)
