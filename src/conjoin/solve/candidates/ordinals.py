"""Versions of a PyPI project as ordinals: PEP 440 is evaluated, never translated (docs/solving.md).

The solver compares versions by conda's rules, which are not PEP 440's. So it is shown the *position* of a
version in the project's sorted list instead, and a specifier as ranges of positions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from packaging.specifiers import Specifier, SpecifierSet
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
    """The sorted versions of one project, numbered from 1, and specifiers as ranges of these numbers.

    :param versions: in any order, equal ones once or more often.
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        self._deal(tuple(sorted(set(versions))))

    @classmethod
    def of_ascending(cls, versions: Sequence[Version]) -> Ordinals:
        """Return the ordinals of versions that ascend, none twice; only what is compared is looked at."""
        made = cls(())
        made._deal(versions)
        return made

    def _deal(self, versions: Sequence[Version]) -> None:
        self.versions = versions
        self._ordinals: dict[Version, int] = {}
        self._allowed: dict[str, tuple[int, ...]] = {}
        self._ranges: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.versions)

    def __contains__(self, version: Version) -> bool:
        place = bisect_left(self.versions, version)
        return place < len(self.versions) and self.versions[place] == version

    def of(self, version: Version) -> int:
        """Return the ordinal of a version that is in the list. O(log n) the first time."""
        ordinal = self._ordinals.get(version)
        if ordinal is None:
            ordinal = self._ordinals[version] = bisect_left(self.versions, version) + 1
        return ordinal

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
            allowed: range | list[int] = range(1, len(self.versions) + 1)
            for part in SpecifierSet(specifier):
                allowed = self._narrow(allowed, part)
            self._allowed[specifier] = tuple(allowed)
        return self._allowed[specifier]

    def _narrow(self, ordinals: range | list[int], part: Specifier) -> range | list[int]:
        """Return those of ascending ordinals that one clause accepts.

        What ``>=`` and ``>`` accept begins somewhere and has no gap, what ``<=`` and ``<`` accept ends
        somewhere, with all of PEP 440's exceptions: the versions they leave out (post-releases and local
        versions of ``>V``, pre-releases of ``<V``) are V's neighbours. So the border is found by bisection.
        """
        operator = part.operator

        def accepts(ordinal: int) -> bool:
            return part.contains(self.versions[ordinal - 1], prereleases=True)

        if operator in {"<", ">"} and _is_between_releases(Version(part.version)):
            # `>1.0.dev0` leaves out the post-releases of 1.0, but not 1.0 itself (packaging before 26.1).
            return [ordinal for ordinal in ordinals if accepts(ordinal)]
        if operator in {">=", ">"}:
            return ordinals[bisect_left(ordinals, True, key=accepts) :]
        if operator in {"<=", "<"}:
            return ordinals[: bisect_left(ordinals, True, key=lambda ordinal: not accepts(ordinal))]
        if operator == "===":
            return [ordinal for ordinal in ordinals if accepts(ordinal)]
        # `==V` (with its local versions), `==V.*` and `~=V` accept neighbours: walk from where they begin.
        start = part.version.removesuffix(".*")
        lowest = Version(f"{start}.dev0") if part.version.endswith(".*") else Version(start)
        position = first = bisect_left(ordinals, lowest, key=self.version)
        excluding = operator == "!="
        while position < len(ordinals) and accepts(ordinals[position]) != excluding:
            position += 1
        if excluding:
            return [*ordinals[:first], *ordinals[position:]]
        return ordinals[first:position]

    def expression(self, specifier: str) -> str:
        """Return a specifier as a conda version expression over ordinals; empty for "any".

        :raises packaging.specifiers.InvalidSpecifier: where the text is none (PEP 440).
        """
        if not specifier:
            return ""
        if specifier not in self._ranges:
            self._ranges[specifier] = ranges_of(self.allowed(specifier))
        return self._ranges[specifier]

    def above(self, version: Version) -> str:
        """Return "higher than this version" as an expression over ordinals."""
        return ranges_of(range(bisect_right(self.versions, version) + 1, len(self.versions) + 1))

    def around(self, low: Version, high: Version | None, grain: int) -> str:
        """Return ``>=low,<high`` as an expression over ordinals, widened to multiples of ``grain``. O(log n).

        For expectations alone: thousands of releases that each expect a range of their own would have the
        solver compare them with thousands of others; widened, neighbours share their range.
        """
        first = bisect_left(self.versions, low) + 1
        last = len(self.versions)
        if high is not None:
            last = bisect_left(self.versions, Version(f"{high.public}.dev0"))
        if first > last:
            return "==0"
        return f">={first - first % grain},<={last - last % -grain}"


def _is_between_releases(version: Version) -> bool:
    return version.is_prerelease or version.is_postrelease
