"""Interpreters of this host as records of the solver's, for requests on PyPI alone."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import NotFound
from holdfast.index.interpreters import HostPython, find_interpreters

if TYPE_CHECKING:
    from rattler import PackageName, RepoDataRecord, Subdir

__all__ = ["HostPythonSource"]

_CHANNEL = "https://python.invalid/host"
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)


class HostPythonSource:
    """A py-rattler ``RepoDataSource`` whose only package is ``python``.

    :raises NotFound: where this host has no interpreter that Holdfast can use.
    """

    def __init__(self, platform: str, cache_dir: Path) -> None:
        self._platform = platform
        self._interpreters: dict[tuple[str, str], HostPython] = {}
        for interpreter in find_interpreters(cache_dir):
            self._interpreters.setdefault((str(interpreter.version), f"host_{interpreter.abi}"), interpreter)
        if not self._interpreters:
            raise NotFound(
                "no Python 3.8 or later on this host", advice="install one, or name a conda channel"
            )
        self._records: list[RepoDataRecord] | None = None

    def records(self) -> list[RepoDataRecord]:
        """Return one record for each interpreter."""
        if self._records is None:
            self._records = [self._record(version, build) for version, build in sorted(self._interpreters)]
        return self._records

    def interpreter(self, version: str, build: str) -> HostPython:
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
