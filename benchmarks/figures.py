"""What a benchmark yields: timings, rows that compare two of them, and reasons for what could not run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

__all__ = ["Row", "Skipped", "Timing"]


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of a command, each run a process of its own."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """The fastest run: what the machine can do when nothing is in the way."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle run: what figures and ratios are made of."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Row:
    """One work, done by Conjoin and, where there is one, by something to compare with.

    :ivar beside: what the reference is, e.g. ``uv pip compile``; empty for none.
    :ivar target: what is aimed at, in words; empty for none.
    :ivar most_ratio: the highest ratio to the reference that meets the target.
    :ivar most_seconds: the most seconds that meet the target.
    :ivar note: what else there is to know: packages, rounds, sizes.
    """

    benchmark: str
    work: str
    conjoin: Timing
    beside: str = ""
    reference: Timing | None = None
    target: str = ""
    most_ratio: float | None = None
    most_seconds: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Conjoin's median over the reference's; under 1, Conjoin is faster."""
        return self.conjoin.median / self.reference.median if self.reference else None

    @property
    def meets(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing to compare with."""
        if self.most_ratio is not None:
            return None if self.ratio is None else self.ratio <= self.most_ratio
        if self.most_seconds is not None:
            return self.conjoin.median <= self.most_seconds
        return None


@dataclass(frozen=True)
class Skipped:
    """A benchmark, or the reference of one, that could not run here."""

    benchmark: str
    work: str
    reason: str
