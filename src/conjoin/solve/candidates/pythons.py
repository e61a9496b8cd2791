"""The Python builds that can be chosen, and sets of them.

Everything a PyPI project says of Python (wheel tags, Requires-Python, markers) is a question to each
candidate build of Python. The answers are kept as *masks*: integers whose bit `i` stands for build `i`,
so that intersecting what a thousand wheels accept costs nothing, and equal questions are asked once.

Markers are taken apart: most are comparisons joined by ``and``, and thousands of them share a few. Plain
comparisons are evaluated here, as packaging does it (PEP 508), but without reading them as a grammar first,
which takes fifty times longer. The tests hold the one against the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import msgspec
from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from conjoin.index.pypi.dependency import Condition
from conjoin.spec.platform import marker_environment

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Mask", "PythonBuild", "PythonPool", "comparisons", "is_valid_version", "named_extra"]

Mask = int
"""A set of Python builds of one :class:`PythonPool`."""

_GIL_BUILDS = r"^.*(_cpython|_cp[0-9]+|_[0-9]+)$"
_FREE_THREADED_BUILDS = r"^.*_cp[0-9]+t$"
_PYPY_BUILDS = r"^.*_pypy[0-9_]*$"
_BUILD_PATTERNS = {
    "cp": (_GIL_BUILDS, re.compile(_GIL_BUILDS)),
    "cpt": (_FREE_THREADED_BUILDS, re.compile(_FREE_THREADED_BUILDS)),
    "pp": (_PYPY_BUILDS, re.compile(_PYPY_BUILDS)),
}

# As packaging spells a marker: one comparison, of a variable with a text that holds nothing odd.
_OPERATOR = r"(?:<=|>=|<|>|!=|===|==|~=|in|not in)"
_COMPARISON = re.compile(rf'(?:[a-z_.]+ {_OPERATOR} "[\w.*,+/: -]*"|"[\w.*,+/: -]*" {_OPERATOR} [a-z_.]+)')
_OF_TEXTS = re.compile(
    r"(os_name|sys_platform|platform_machine|platform_system|platform_python_implementation"
    r'|implementation_name) (==|!=) "([^"]*)"'
)
_OF_VERSIONS = re.compile(r'(python_version|python_full_version) (<=|>=|<|>|!=|==|~=) "([0-9][0-9.*]*)"')
# How backends write what an extra adds for some machines: the same condition again for dozens of extras.
_OF_AN_EXTRA = re.compile(r'\(([^()]*)\) and (extra == "[\w.-]*")')
_EXTRA = re.compile(r'extra == "((?!v[0-9])[a-zA-Z][\w.-]*)"')


class PythonBuild(msgspec.Struct, frozen=True):
    """One build of Python that could be chosen.

    :ivar version: full version, e.g. 3.11.7.
    :ivar conda_version: as its record spells it.
    :ivar build: build string of its record.
    :ivar implementation: ``cp`` or ``pp`` (PEP 425).
    :ivar free_threaded: whether it is built without the GIL (PEP 703).
    """

    version: Version
    conda_version: str
    build: str
    implementation: str = "cp"
    free_threaded: bool = False

    @classmethod
    def from_record(cls, version: str, build: str) -> PythonBuild:
        """Read version and ABI off a conda record of ``python``.

        :raises packaging.version.InvalidVersion: where the version is not PEP 440.
        """
        implementation = "pp" if "pypy" in build else "cp"
        free_threaded = bool(re.search(r"_cp[0-9]+t$", build))
        return cls(Version(version), version, build, implementation, free_threaded)

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version."""
        return (self.version.major, self.version.minor)

    @property
    def kind(self) -> str:
        """The key of the ABI family: ``cp``, ``cpt`` or ``pp``."""
        return "cpt" if self.free_threaded else self.implementation


def is_valid_version(text: str) -> bool:
    """Tell whether a conda version of Python is PEP 440 as well."""
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


class PythonPool:
    """All Python builds that the user's requirement on Python admits, newest last.

    :param builds: candidates, in any order; duplicates of version and build are one.
    :param platform: target platform, for markers.
    """

    def __init__(self, builds: Iterable[PythonBuild], platform: str) -> None:
        self.platform = platform
        self.builds: Sequence[PythonBuild] = sorted(
            set(builds), key=lambda build: (build.version, build.kind, build.build)
        )
        self.all: Mask = (1 << len(self.builds)) - 1
        self._markers: dict[tuple[Condition, str], Mask] = {}
        self._requires: dict[str, Mask | None] = {}
        self._splits: dict[Mask, list[tuple[Mask, str]]] = {}

    def mask(self, accepts: Callable[[PythonBuild], bool]) -> Mask:
        """Return the builds that ``accepts`` says yes to. O(number of builds)."""
        return sum(1 << index for index, build in enumerate(self.builds) if accepts(build))

    def members(self, mask: Mask) -> list[PythonBuild]:
        """Return the builds of a mask, oldest first."""
        return [build for index, build in enumerate(self.builds) if mask >> index & 1]

    def among(self, records: Iterable[RepoDataRecord]) -> Mask:
        """Return the builds that are among the records of a solution: one, or none where it is another."""
        found = {(str(each.version), str(each.build)) for each in records if each.name.normalized == "python"}
        return self.mask(lambda build: (build.conda_version, build.build) in found)

    def minor(self, mask: Mask) -> tuple[int, int] | None:
        """Return major and minor version of the newest build of a mask, None where it is empty."""
        return self.builds[mask.bit_length() - 1].minor if mask else None

    @cached_property
    def abi_groups(self) -> tuple[tuple[PythonBuild, Mask], ...]:
        """Builds that no wheel tag can tell apart: one representative and the mask of each ABI."""
        groups: dict[tuple[str, tuple[int, int]], tuple[PythonBuild, Mask]] = {}
        for index, build in enumerate(self.builds):
            key = (build.kind, build.minor)
            first, mask = groups.get(key, (build, 0))
            groups[key] = (first, mask | 1 << index)
        return tuple(groups.values())

    def requires_python(self, text: str) -> Mask | None:
        """Return the builds that a Requires-Python text accepts (PEP 345), None where it is invalid.

        Pre-releases of Python count as the version they lead to, as pip and uv have it.
        """
        if text not in self._requires:
            self._requires[text] = self._evaluate_requires(text)
        return self._requires[text]

    def _evaluate_requires(self, text: str) -> Mask | None:
        if not text:
            return self.all
        try:
            specifier = SpecifierSet(text)
        except InvalidSpecifier:
            return None
        return self.mask(lambda build: specifier.contains(build.version.base_version, prereleases=True))

    def marker(self, condition: Condition, extra: str = "") -> Mask:
        """Return the builds for which a marker holds (PEP 508), with ``extra`` being asked for."""
        if extra and "extra" not in condition:
            extra = ""  # asked once, whatever extra is asked for
        key = (condition, extra)
        mask = self._markers.get(key)
        if mask is None:
            mask = self._markers[key] = self._evaluate_marker(condition, extra)
        return mask

    def _evaluate_marker(self, condition: Condition, extra: str) -> Mask:
        parts = comparisons(condition)
        if len(parts) > 1:
            mask = self.all
            # Extras first: they rule out most of what a release lists, and cost nothing.
            for part in sorted(parts, key=lambda part: named_extra(part) is None):
                mask &= self.marker(part, extra) if mask else 0
            return mask
        named = named_extra(condition)
        if named is not None:
            return self.all if named == canonicalize_name(extra) else 0
        answers: dict[int, bool] = {}
        mask = 0
        for index, environment in enumerate(self._environments):
            if id(environment) not in answers:
                plain = _holds(condition, environment)
                answers[id(environment)] = (
                    _evaluated(condition, environment, extra) if plain is None else plain
                )
            mask |= answers[id(environment)] << index
        return mask

    @cached_property
    def _environments(self) -> list[dict[str, str]]:
        """What markers are evaluated in, for each build; builds of one version share it."""
        made: dict[tuple[str, str], dict[str, str]] = {}
        for build in self.builds:
            key = (build.implementation, str(build.version))
            if key not in made:
                name = "pypy" if build.implementation == "pp" else "cpython"
                made[key] = dict(marker_environment(self.platform, str(build.version), name))
        return [made[build.implementation, str(build.version)] for build in self.builds]

    def split(self, mask: Mask) -> list[tuple[Mask, str]]:
        """Return ``mask`` cut into parts, each with the one MatchSpec on ``python`` that describes it.

        One part is enough unless builds with and without the GIL, or of PyPy, are mixed unevenly.
        """
        if mask not in self._splits:
            self._splits[mask] = self._split(mask)
        return self._splits[mask]

    def _split(self, mask: Mask) -> list[tuple[Mask, str]]:
        if mask == 0:
            return []
        if mask == self.all:
            return [(mask, "python")]
        wanted = self.members(mask)
        versions = {build.version for build in wanted}
        if self.mask(lambda build: build.version in versions) == mask:
            return [(mask, f"python {self._ranges(versions)}")]
        parts = []
        for kind in sorted({build.kind for build in wanted}):
            part = mask & self.mask(lambda build, kind=kind: build.kind == kind)  # type: ignore[misc]
            parts.append((part, self._kind_spec(part, kind)))
        return parts

    def _kind_spec(self, mask: Mask, kind: str) -> str:
        wanted = self.members(mask)
        versions = {build.version for build in wanted}
        text, pattern = _BUILD_PATTERNS[kind]
        met = self.mask(lambda build: build.version in versions and bool(pattern.match(build.build)))
        if met != mask:
            # Build strings that follow no convention: name them one by one.
            text = f"^({'|'.join(sorted({re.escape(build.build) for build in wanted}))})$"
        return f"python[version='{self._ranges(versions)}',build='{text}']"

    @cached_property
    def _versions(self) -> list[Version]:
        return sorted({build.version for build in self.builds})

    def _ranges(self, wanted: set[Version]) -> str:
        spelling = {build.version: build.conda_version for build in self.builds}
        runs: list[list[Version]] = []
        open_run = False
        for version in self._versions:
            if version not in wanted:
                open_run = False
            elif open_run:
                runs[-1][1] = version
            else:
                runs.append([version, version])
                open_run = True
        if len(runs) == 1 and runs[0][0] == self._versions[0] and runs[0][1] == self._versions[-1]:
            return "*"
        return "|".join(
            f"=={spelling[low]}" if low == high else f">={spelling[low]},<={spelling[high]}"
            for low, high in runs
        )


def _evaluated(condition: Condition, environment: dict[str, str], extra: str) -> bool:
    return _marker(condition).evaluate({**environment, "extra": extra})


@lru_cache(maxsize=1 << 12)
def _marker(condition: Condition) -> Marker:
    return Marker(condition)


@lru_cache(maxsize=1 << 14)
def comparisons(condition: Condition) -> tuple[Condition, ...]:
    """Return what all has to hold, taken apart where that is plain; else the whole marker.

    >>> comparisons(Condition('python_version < "3.8" and extra == "fast"'))
    ('python_version < "3.8"', 'extra == "fast"')
    >>> comparisons(Condition('(os_name == "nt" or os_name == "java") and extra == "fast"'))
    ('os_name == "nt" or os_name == "java"', 'extra == "fast"')
    """
    if match := _OF_AN_EXTRA.fullmatch(condition):
        return Condition(match[1]), Condition(match[2])
    parts = condition.split(" and ")
    if all(_COMPARISON.fullmatch(part) for part in parts):
        return tuple(Condition(part) for part in parts)
    return (condition,)


@lru_cache(maxsize=1 << 14)
def named_extra(comparison: Condition) -> str | None:
    """Return the extra, normalised, that a comparison asks for; None where it asks for something else.

    An extra that reads like a version is left to packaging, which compares it as one.
    """
    match = _EXTRA.fullmatch(comparison)
    return canonicalize_name(match[1]) if match else None


def _holds(comparison: Condition, environment: Mapping[str, str]) -> bool | None:
    """Tell whether a comparison holds; None where it is not plain, and packaging has to be asked."""
    if match := _OF_TEXTS.fullmatch(comparison):
        variable, operator, text = match.groups()
        return (environment[variable] == text) is (operator == "==")
    if match := _OF_VERSIONS.fullmatch(comparison):
        variable, operator, text = match.groups()
        try:
            specifier = Specifier(operator + text)
        except InvalidSpecifier:
            return None
        return specifier.contains(environment[variable], prereleases=True)
    return None
