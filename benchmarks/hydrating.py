"""From a lock to a prefix, warm and cold, beside py-rattler's bare install plus ``uv pip sync``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.hydration_kit import Kit, make_kit
from benchmarks.timing import time_command
from benchmarks.workshop import Workshop

NAME = "hydrate"


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if reason := workshop.index_unreachable():
        yield Skipped(NAME, "hydrate", f"{reason}; its wheels are real ones")
        return
    kit = workshop.once("kit", make_kit)
    beside, target, most = "py-rattler + uv pip sync", "within 1.3x of the two", 1.3

    cold, cold_bare = _in_turn(workshop, kit, workshop.runs(2), warm=False)
    yield Row(NAME, "cold, from loopback http", cold, beside, cold_bare, target, most, note=kit.packages)
    warm, warm_bare = _in_turn(workshop, kit, workshop.runs(5), warm=True)
    yield Row(NAME, "warm cache", warm, beside, warm_bare, target, most, note=kit.packages)


def ours(workshop: Workshop, kit: Kit, prefix: Path) -> list[str]:
    """Return the command that hydrates the kit's lock."""
    return workshop.conjoin("create", str(kit.lock), "--prefix", str(prefix))


def theirs(workshop: Workshop, kit: Kit, prefix: Path, home: Path) -> list[str]:
    """Return the command that installs the same with py-rattler and uv alone."""
    return workshop.python(
        "bare_install.py", str(kit.lock), str(prefix), str(home / "bare"), kit.index, str(kit.requirements)
    )


def _in_turn(workshop: Workshop, kit: Kit, runs: int, *, warm: bool) -> tuple[Timing, Timing]:
    first: list[float] = []
    second: list[float] = []
    home = workshop.fresh("hydrate")
    for number in range(runs + warm):  # when warm, the first round fills the caches
        if not warm:
            home = workshop.fresh("hydrate")
        environment = workshop.environment(home)
        prefixes = workshop.fresh("prefixes")
        pair = [
            (first, ours(workshop, kit, prefixes / "ours")),
            (second, theirs(workshop, kit, prefixes / "bare", home)),
        ]
        # Who goes first is the one for whom the disk and the memory are busy with what was before.
        for taken, command in reversed(pair) if number % 2 else pair:
            timing = time_command(command, environment, 1, warm_up=False)
            if not warm or number:
                taken.extend(timing.seconds)
    return Timing(tuple(first)), Timing(tuple(second))
