"""Families that are released in lockstep: boto3 1.34.121 wants botocore >=1.34.121,<1.35.

Such projects have thousands of releases, and to the solver an unread release is one without dependencies:
it would try them one by one, newest first. Where every release read so far depends on another project at
its own version, the unread ones are *expected* to do the same. An expectation only steers the search: a
solution is accepted only if all it holds has been read, and "unsatisfiable" only counts without any
expectations (see :mod:`conjoin.solve.search.joint`).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from conjoin.solve.candidates.metadata import Known
from conjoin.spec.names import PypiName

__all__ = ["Lockstep", "common_lockstep", "lockstep_of"]

_SHORTEST_RELEASE = 2
"""A version like `3` equals too many bounds by chance."""


class Lockstep(msgspec.Struct, frozen=True):
    """A dependency on another project at the depending release's own version.

    :ivar exact: whether it is ``==V``, else ``>=V``.
    :ivar bumped: which part of the release is counted up for the upper bound, -1 for no upper bound.
    """

    name: PypiName
    exact: bool
    bumped: int

    def bounds(self, version: Version) -> tuple[Version, Version | None]:
        """Return the lower bound, and the upper bound (exclusive) or None, for a release."""
        if self.exact:
            return version, None
        # PEP 440: an ordered comparison takes no local version.
        low = Version(version.public)
        return low, None if self.bumped < 0 else _bump(low, self.bumped)

    def specifier(self, version: Version) -> str:
        """Return what a release is expected to ask for, as it would be written."""
        low, high = self.bounds(version)
        if self.exact:
            return f"=={low}"
        return f">={low},<{high}" if high is not None else f">={low}"


def lockstep_of(known: Known) -> frozenset[Lockstep]:
    """Return the unconditional lockstep dependencies of one release."""
    version = known.metadata.version
    if len(version.release) < _SHORTEST_RELEASE:
        return frozenset()
    found = set()
    for dependency in known.dependencies:
        if dependency.marker is None and dependency.specifier and not dependency.url:
            pattern = _pattern(dependency.name, dependency.specifier, version)
            if pattern is not None:
                found.add(pattern)
    return frozenset(found)


def common_lockstep(known: Iterable[Known]) -> frozenset[Lockstep]:
    """Return the lockstep dependencies that all releases read so far have in common."""
    common: frozenset[Lockstep] | None = None
    for one in known:
        common = lockstep_of(one) if common is None else common & lockstep_of(one)
        if not common:
            return frozenset()
    return common or frozenset()


def _pattern(name: PypiName, specifier: str, version: Version) -> Lockstep | None:
    lower = upper = None
    for part in SpecifierSet(specifier):
        if part.operator == "==" and not part.version.endswith(".*") and Version(part.version) == version:
            return Lockstep(name, exact=True, bumped=-1)
        if part.operator == ">=":
            lower = Version(part.version)
        elif part.operator == "<":
            upper = Version(part.version)
        else:
            return None
    if lower != version:
        return None
    if upper is None:
        return Lockstep(name, exact=False, bumped=-1)
    for place in range(len(version.release)):
        if _bump(version, place) == upper:
            return Lockstep(name, exact=False, bumped=place)
    return None


def _bump(version: Version, place: int) -> Version:
    release = [*version.release[:place], version.release[place] + 1] if place < len(version.release) else []
    return Version(f"{version.epoch}!{'.'.join(map(str, release or version.release))}")
