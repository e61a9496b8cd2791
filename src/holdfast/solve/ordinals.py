"""Versions of a PyPI project as ordinals: PEP 440 is evaluated, never translated (design, section 5).

The solver compares versions by conda's rules, which are not PEP 440's. So it is shown the *position* of a
version in the project's sorted list instead, and a specifier as ranges of positions.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

__all__ = ["Ordinals", "ranges_of"]


def ranges_of(ordinals: Iterable[int]) -> str:
    """Return ascending ordinals as a conda version expression: ``>=1,<=4|==7``.

    An empty set gives ``==0``, which no record has: ordinals begin at 1.
    """
    runs: list[list[int]] = []
    for ordinal in ordinals:
        if runs and runs[-1][1] == ordinal - 1:
            runs[-1][1] = ordinal
        else:
            runs.append([ordinal, ordinal])
    if not runs:
        return "==0"
    return "|".join(f"=={low}" if low == high else f">={low},<={high}" for low, high in runs)


class Ordinals:
    """The sorted versions of one project, numbered from 1, and specifiers as ranges of these numbers."""

    def __init__(self, versions: Iterable[Version]) -> None:
        self.versions: tuple[Version, ...] = tuple(sorted(set(versions)))
        self._allowed: dict[str, tuple[int, ...]] = {}
        self._ranges: dict[str, str] = {}

    @cached_property
    def _numbers(self) -> dict[Version, int]:
        return {version: number for number, version in enumerate(self.versions, 1)}

    def __len__(self) -> int:
        return len(self.versions)

    def __contains__(self, version: Version) -> bool:
        return version in self._numbers

    def of(self, version: Version) -> int:
        """Return the ordinal of a version that is in the list."""
        return self._numbers[version]

    def version(self, ordinal: int) -> Version:
        """Return the version an ordinal stands for."""
        return self.versions[ordinal - 1]

    def allowed(self, specifier: str) -> tuple[int, ...]:
        """Return the ordinals a specifier accepts, ascending.

        Pre-releases are accepted wherever the specifier's bounds accept them: whether a project's
        pre-releases take part at all is decided once per project, before ordinals are dealt.

        :raises packaging.specifiers.InvalidSpecifier: where the text is none (PEP 440).
        """
        if specifier not in self._allowed:
            if specifier:
                accepted = SpecifierSet(specifier).filter(self.versions, prereleases=True)
                self._allowed[specifier] = tuple(self._numbers[version] for version in accepted)
            else:
                self._allowed[specifier] = tuple(range(1, len(self.versions) + 1))
        return self._allowed[specifier]

    def expression(self, specifier: str) -> str:
        """Return a specifier as a conda version expression over ordinals; empty for "any".

        :raises packaging.specifiers.InvalidSpecifier: where the text is none (PEP 440).
        """
        if not specifier:
            return ""
        if specifier not in self._ranges:
            self._ranges[specifier] = ranges_of(self.allowed(specifier))
        return self._ranges[specifier]

    def is_valid(self, specifier: str) -> bool:
        """Tell whether a text is a specifier at all."""
        try:
            self.allowed(specifier)
        except InvalidSpecifier:
            return False
        return True
