"""Packages to a loopback S3 and back, beside tools that do nothing but copy files: they verify no hash."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.timing import CommandFailed, run_command
from benchmarks.transfer_kit import BUCKET, Parcels, install_tools, make_parcels, roomy_folder, serve_s3
from benchmarks.workshop import Workshop

NAME = "object-store"
COUNT, SIZE = 400, 2_000_000_000


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
    parcels = make_parcels(folder / "parcels", count, size)
    with serve_s3(programs, folder / "s3") as variables:
        push, fetch = _measure(workshop, parcels, folder, programs, variables)
    for work, runs in (("push", push), ("fetch", fetch)):
        ours = runs.pop("holdfast")
        for tool, theirs in runs.items():
            note = f"peak {int(ours.said)} MiB; processor {ours.cost:.1f} s, theirs {theirs.cost:.1f} s"
            yield Row(NAME, f"{work} {parcels.text}", ours.timing, tool, theirs.timing, note=note)


def _measure(
    workshop: Workshop, parcels: Parcels, folder: Path, programs: Path, variables: dict[str, str]
) -> tuple[dict[str, _Runs], dict[str, _Runs]]:
    s5cmd = [str(programs / "s5cmd"), "--endpoint-url", variables["AWS_ENDPOINT_URL"], "--log", "error", "cp"]
    aws = [str(programs / "aws"), "s3", "cp", "--quiet", "--recursive"]
    lock = str(parcels.lock)
    # In turn, so that whatever else the machine does meets all of them. Every push has a prefix of its own.
    pushes: dict[str, Callable[[str], list[str]]] = {
        "holdfast": lambda to: workshop.python("transfer.py", "push", lock, to),
        "s5cmd cp": lambda to: [*s5cmd, f"{parcels.flat}/*", f"{to}/"],
        "aws s3 cp": lambda to: [*aws, str(parcels.flat), f"{to}/"],
    }
    fetches: dict[str, Callable[[str, Path], list[str]]] = {
        "holdfast": lambda source, _to: workshop.python("transfer.py", "fetch", lock, source),
        "s5cmd cp": lambda source, to: [*s5cmd, f"{source}/packages/*", f"{to}/"],
        "aws s3 cp": lambda source, to: [*aws, f"{source}/packages", str(to)],
    }
    pushed, fetched = {tool: _Runs() for tool in pushes}, {tool: _Runs() for tool in fetches}
    environment = workshop.environment(None, **variables, HOLDFAST_STORE=str(parcels.store))
    runs = workshop.runs(3)
    for number in range(runs):
        for place, (tool, push) in enumerate(pushes.items()):
            name = f"run{number}-{place}"
            pushed[tool].run(push(f"s3://{BUCKET}/{name}"), environment)
            if tool != "holdfast" or number:  # the first one is what is fetched
                shutil.rmtree(folder / "s3" / BUCKET / name)
    for number in range(runs):
        for place, (tool, fetch) in enumerate(fetches.items()):
            to = folder / f"fetched{number}-{place}"
            to.mkdir()
            environment["HOLDFAST_STORE"] = str(to)
            fetched[tool].run(fetch(f"s3://{BUCKET}/run0-0", to), environment)
            shutil.rmtree(to)
    return pushed, fetched


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
