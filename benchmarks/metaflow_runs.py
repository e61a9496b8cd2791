"""What environments add to a Metaflow run: three trivial steps, everything cached, beside the same without.

The variants take turns, so that what else the machine does is spread over all of them; what environments add
is the median of the differences within a turn. Processor time, of the launcher and all its tasks, is in the
notes: it is what remains to compare where the machine is busy.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.timing import run_command
from benchmarks.workshop import Workshop
from conjoin.forge import forge
from installed import closure, wheel_of_installed

NAME = "metaflow"
TURNS = 9
WORK = "a run of three trivial steps"


@dataclass(frozen=True)
class Spent:
    """What a run took: seconds by the clock, and of processors."""

    wall: float
    cpu: float


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if find_spec("metaflow") is None:
        yield Skipped(NAME, WORK, "Metaflow is not installed")
        return
    world, flow = make_world(workshop), workshop.fresh("flow") / "three_steps.py"
    shutil.copy(Path(__file__).with_name("three_steps.py"), flow)
    common = {
        "METAFLOW_HOME": str(workshop.fresh("metaflow-home")),
        "METAFLOW_USER": "benchmark",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(workshop.fresh("datastore")),
        "METAFLOW_CONDA_CHANNELS": world,
    }
    variables = workshop.environment(workshop.fresh("home"), **common)
    nowhere = str(workshop.fresh("nowhere"))
    variants: dict[str, tuple[str, Mapping[str, str]]] = {
        # Metaflow looks for extensions there alone, and finds none.
        "without": ("local", {**variables, "METAFLOW_EXTENSIONS_SEARCH_DIRS": nowhere}),
        "idle": ("local", variables),
        "conda": ("conda", variables),
    }
    spent: dict[str, list[Spent]] = {name: [] for name in variants}
    for turn in range(-1, workshop.runs(TURNS)):  # the first fills caches and makes the environment
        for name, (kind, environment) in variants.items():
            found = run_flow(flow, kind, environment)
            if turn >= 0:
                spent[name].append(found)
    yield from rows(spent)


def rows(spent: Mapping[str, list[Spent]]) -> Iterator[Row]:
    """Yield what was measured, and what is to be shown: what environments add."""
    reference = Timing(tuple(one.wall for one in spent["without"]))
    for name, work in (("idle", "with the extension idle"), ("conda", "in an environment, cached")):
        added = [a.wall - b.wall for a, b in zip(spent[name], spent["without"], strict=True)]
        cpu = [a.cpu - b.cpu for a, b in zip(spent[name], spent["without"], strict=True)]
        timing = Timing(tuple(one.wall for one in spent[name]))
        note = f"CPU {_median(spent[name]):.2f} s to {_median(spent['without']):.2f} s"
        yield Row(NAME, f"{WORK}, {work}", timing, "without the extension", reference, note=note)
        yield Row(
            NAME,
            f"what that adds, {work}",
            Timing(tuple(added)),
            target="under 0.5 s" if name == "conda" else "",
            most_seconds=0.5 if name == "conda" else None,
            note=f"CPU {statistics.median(cpu):+.2f} s",
        )


def run_flow(flow: Path, environment_type: str, environment: Mapping[str, str]) -> Spent:
    """Run the flow once."""
    before, started = _cpu_seconds(), time.perf_counter()
    run_command(
        [sys.executable, str(flow), "--no-pylint", f"--environment={environment_type}", "run"], environment
    )
    return Spent(time.perf_counter() - started, _cpu_seconds() - before)


def make_world(workshop: Workshop) -> str:
    """Forge a channel out of what is installed here, with all that a step needs, and return its address."""
    folder = workshop.fresh("world")
    wheels = [
        wheel_of_installed(name, folder / "wheels", keep=_needed) for name in closure(("requests", "boto3"))
    ]
    forge(folder / "channel", wheels=wheels, level=1)
    return f"{workshop.serve(folder).url}/channel"


def _needed(member: str) -> bool:
    """Leave out what botocore knows of some hundred services: nothing here asks for them."""
    parts = member.split("/")
    return parts[:2] != ["botocore", "data"] or len(parts) == 3 or parts[2] == "s3"


def _median(spent: list[Spent]) -> float:
    return statistics.median(one.cpu for one in spent)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
