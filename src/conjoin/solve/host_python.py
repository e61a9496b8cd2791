"""Interpreters of this host as records of the solver's, for requests on PyPI alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from conjoin.errors import NotFound
from conjoin.index.interpreters import find_interpreters
from conjoin.solve.solution import ChosenPython
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from rattler import PackageName, RepoDataRecord, Subdir

__all__ = ["HostPythonSource", "as_records"]

_CHANNEL = "https://python.invalid/host"
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)

_NUMBERS = r"[0-9]+(?:\.[0-9]+)*"
_RELEASE = re.compile(_NUMBERS)
_BOUND = rf"(?:==|!=|>=|<=|>|<){_NUMBERS}"
_SIMPLE = re.compile(rf"(?:{_BOUND}|(?:!=)?{_NUMBERS}\.\*)(?:,{_BOUND})*")
"""Version expressions that conda and PEP 440 read alike, where versions are plain releases."""


class _Named(msgspec.Struct, frozen=True):
    normalized: str


class _Unmade(msgspec.Struct, frozen=True):
    """A record of ``python`` as far as anybody but the solver looks at it, made once the solver does.

    To import py-rattler and to ask it would take a good part of the time of a request that needs no search.
    """

    source: HostPythonSource
    version: str
    build: str
    name: _Named = _Named("python")

    def made(self) -> RepoDataRecord:
        """Return the record itself."""
        records = self.source.records()
        return next(
            each for each in records if (str(each.version), str(each.build)) == (self.version, self.build)
        )


def as_records(records: Iterable[RepoDataRecord]) -> list[RepoDataRecord]:
    """Return records as py-rattler takes them."""
    either: Iterable[Any] = records
    return [each.made() if isinstance(each, _Unmade) else each for each in either]


class HostPythonSource:
    """A py-rattler ``RepoDataSource`` whose only package is ``python``.

    :param pythons: those there are.
    """

    def __init__(self, platform: str, pythons: Iterable[ChosenPython]) -> None:
        self._platform = platform
        self._interpreters = {(python.version, f"host_{python.abi}"): python for python in pythons}
        self._records: list[RepoDataRecord] | None = None

    @classmethod
    def of_this_host(cls, platform: str, cache_dir: Path) -> HostPythonSource:
        """Return a source of this host's interpreters.

        :raises NotFound: where it has none that Conjoin can use.
        """
        found = [
            ChosenPython(each.implementation, str(each.version), each.abi)
            for each in find_interpreters(cache_dir)
        ]
        if not found:
            raise NotFound(
                "no Python 3.8 or later on this host", advice="install one, or name a conda channel"
            )
        return cls(platform, found)

    def records(self) -> list[RepoDataRecord]:
        """Return one record for each interpreter."""
        if self._records is None:
            self._records = [self._record(version, build) for version, build in sorted(self._interpreters)]
        return self._records

    def admitted(self, asked: Requirements) -> list[RepoDataRecord] | None:
        """Return the records that a request on PyPI alone admits, where that is told without py-rattler.

        Only for :func:`as_records`, or to look at name, version and build.
        """
        from packaging.specifiers import SpecifierSet

        if asked.python and not _SIMPLE.fullmatch(asked.python):
            return None
        if not all(_RELEASE.fullmatch(version) for version, _ in self._interpreters):
            return None
        admits = SpecifierSet(f"=={asked.python}" if asked.python[:1].isdigit() else asked.python)
        found = [_Unmade(self, *each) for each in sorted(self._interpreters) if admits.contains(each[0])]
        return cast("list[RepoDataRecord]", found)

    def newest(self, asked: Requirements) -> RepoDataRecord | None:
        """Return what the solver would choose for a request on PyPI alone, where that is plain to see.

        There is nothing but these interpreters, so it is the highest version; unless there are several of
        that version, or dates take part.
        """
        admitted = None if asked.conda or asked.exclude_newer else self.admitted(asked)
        if not admitted or asked.strategy != "highest":
            return None
        versions = [_numbers(str(record.version)) for record in admitted]
        best = max(versions)
        return admitted[versions.index(best)] if versions.count(best) == 1 else None

    def interpreter(self, version: str, build: str) -> ChosenPython:
        """Return the interpreter a record stands for."""
        return self._interpreters[(version, build)]

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of ``python``, and none of any other name."""
        return self.records() if name.normalized == "python" and str(platform) == self._platform else []

    def package_names(self, platform: Subdir) -> list[str]:
        """Return the only name there is."""
        return ["python"]

    def _record(self, version: str, build: str) -> RepoDataRecord:
        from rattler import PackageRecord, RepoDataRecord
        from rattler.package import BuildString

        file_name = f"python-{version}-{build}.conda"
        record = PackageRecord(
            name="python", version=version, build=BuildString(build), build_number=0, subdir=self._platform
        )
        record.timestamp = _EPOCH  # a cut-off date drops records without one
        url = f"{_CHANNEL}/{self._platform}/{file_name}"
        return RepoDataRecord(record, file_name=file_name, url=url, channel=_CHANNEL)


def _numbers(release: str) -> tuple[int, ...]:
    found = [int(part) for part in release.split(".")]
    while len(found) > 1 and not found[-1]:
        found.pop()
    return tuple(found)
