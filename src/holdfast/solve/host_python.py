"""Interpreters of this host as records of the solver's, for requests on PyPI alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import NotFound
from holdfast.index.interpreters import find_interpreters
from holdfast.solve.solution import ChosenPython

if TYPE_CHECKING:
    from rattler import PackageName, RepoDataRecord, Subdir

__all__ = ["HostPythonSource"]

_CHANNEL = "https://python.invalid/host"
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)


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

        :raises NotFound: where it has none that Holdfast can use.
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
