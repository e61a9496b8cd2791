"""Packages to a loopback S3 and back, beside tools that do nothing but copy files: they verify no hash."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.timing import CommandFailed, run_command
from benchmarks.transfer_kit import (
    BUCKET,
    Parcels,
    install_tools,
    make_parcels,
    narrow,
    roomy_folder,
    serve_s3,
)
from benchmarks.workshop import Workshop

NAME = "object-store"
COUNT, SIZE = 400, 2_000_000_000
NARROW = 50_000_000
"""Bytes per second of one connection on a line that is like those to clouds."""
TOOLS = ("conjoin", "s5cmd cp", "aws s3 cp")


@dataclass
class _Runs:
    """What the runs of one tool took: wall clock, and processor seconds of the client alone."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    said: str = ""

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        before, started = _processor_seconds(), time.perf_counter()
        self.said = run_command(command, environment)
        self.seconds.append(time.perf_counter() - started)
        self.processor.append(_processor_seconds() - before)

    @property
    def timing(self) -> Timing:
        return Timing(tuple(self.seconds))

    @property
    def cost(self) -> float:
        return Timing(tuple(self.processor)).median


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    try:
        programs = install_tools(workshop)
    except CommandFailed as error:
        yield Skipped(NAME, "push and fetch", str(error))
        return
    count, size = (COUNT // 10, SIZE // 10) if workshop.quick else (COUNT, SIZE)
    folder = roomy_folder(workshop, size)
    many = make_parcels(folder / "many", count, size)
    one = make_parcels(folder / "one", 1, size // 5)
    with serve_s3(programs, folder / "s3") as variables:
        line = f"{NARROW // 10**6} MB/s a connection"
        yield from _both_ways(workshop, many, folder, programs, variables, "")
        with narrow(workshop, variables, NARROW) as slower:
            yield from _both_ways(workshop, one, folder, programs, slower, f", {line}")


def _both_ways(
    workshop: Workshop,
    parcels: Parcels,
    folder: Path,
    programs: Path,
    variables: dict[str, str],
    condition: str,
) -> Iterator[Row]:
    commands = _Commands(workshop, parcels, programs, variables["AWS_ENDPOINT_URL"])
    environment = workshop.environment(None, **variables, CONJOIN_STORE=str(parcels.store))
    pushed, fetched = {tool: _Runs() for tool in TOOLS}, {tool: _Runs() for tool in TOOLS}
    # In turn, so that whatever else the machine does meets all of them, and each begins once: who comes after
    # another finds memory that the machine just had in use. Every push has a prefix of its own.
    first = workshop.fresh_in(folder / "s3" / BUCKET, "push").name
    for number in range(workshop.runs(3)):
        for tool in _turned(number):
            source = workshop.fresh_in(folder / "s3" / BUCKET, "push").name
            kept = tool == "conjoin" and number == 0  # is what is fetched
            to = f"s3://{BUCKET}/{first if kept else source}"
            pushed[tool].run(commands.push(tool, to), environment)
            shutil.rmtree(folder / "s3" / BUCKET / source)
    for number in range(workshop.runs(3)):
        for tool in _turned(number):
            here = workshop.fresh_in(folder, "fetched")
            command = commands.fetch(tool, f"s3://{BUCKET}/{first}", here)
            fetched[tool].run(command, environment | {"CONJOIN_STORE": str(here)})
            shutil.rmtree(here)
    for work, runs in (("push", pushed), ("fetch", fetched)):
        ours = runs["conjoin"]
        for tool in TOOLS[1:]:
            note = f"peak {int(ours.said)} MiB; processor {ours.cost:.1f} s, theirs {runs[tool].cost:.1f} s"
            what = f"{work} {parcels.text}{condition}"
            yield Row(NAME, what, ours.timing, tool, runs[tool].timing, note=note)


def _turned(number: int) -> tuple[str, ...]:
    """Return the tools in the order of a round, ours first in the first one."""
    first = number % len(TOOLS)
    return TOOLS[first:] + TOOLS[:first]


@dataclass
class _Commands:
    workshop: Workshop
    parcels: Parcels
    programs: Path
    endpoint: str

    def push(self, tool: str, to: str) -> list[str]:
        if tool == "conjoin":
            return self.workshop.python("transfer.py", "push", str(self.parcels.lock), to)
        return [*self._copy(tool), f"{self.parcels.flat}{'/*' if tool == 's5cmd cp' else ''}", f"{to}/"]

    def fetch(self, tool: str, source: str, to: Path) -> list[str]:
        if tool == "conjoin":
            return self.workshop.python("transfer.py", "fetch", str(self.parcels.lock), source)
        return [*self._copy(tool), f"{source}/packages{'/*' if tool == 's5cmd cp' else ''}", f"{to}/"]

    def _copy(self, tool: str) -> list[str]:
        if tool == "s5cmd cp":
            return [
                str(self.programs / "s5cmd"),
                *("--endpoint-url", self.endpoint, "--log", "error", "cp"),
            ]
        return [str(self.programs / "aws"), "s3", "cp", "--quiet", "--recursive"]


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
