"""Bare containers that make an environment out of an S3 store: what one costs, and many at the same time."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Row, Skipped, Timing
from benchmarks.hydration_kit import Kit, make_small_kit
from benchmarks.timing import CommandFailed, run_command, time_command, time_together
from benchmarks.transfer_kit import BUCKET, install_tools, serve_s3
from benchmarks.workshop import Workshop
from containers import bare_python, copy_code

NAME = "bootstrap"
MANY = (1, 2, 5, 10, 20, 50)
_NODE = 500_000_000
"""Bytes that a node takes at most: its toolkit, its packages, its environment."""
_PLACE = f"s3://{BUCKET}/envs"


@dataclass(frozen=True)
class _Nodes:
    """Containers: a Python with its standard library, our code, and where the store is."""

    workshop: Workshop
    kit: Kit
    python: Path
    code: Path
    variables: Mapping[str, str]

    def environment(self, node: Path) -> dict[str, str]:
        kept = {"PATH": os.defpath, "HOME": str(node), "PYTHONPATH": str(self.code)}
        return {**kept, **self.variables}

    def command(self, prefix: Path) -> list[str]:
        words = [_PLACE, str(self.kit.lock), "--prefix", str(prefix), "--quiet"]
        return [str(self.python), "-m", "conjoin.bootstrap", *words]


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    if reason := workshop.index_unreachable():
        yield Skipped(NAME, "bootstrap", f"{reason}; its wheels are real ones")
        return
    try:
        programs = install_tools(workshop)
    except CommandFailed as error:
        yield Skipped(NAME, "bootstrap", str(error))
        return
    # What containers cost by themselves is looked for; and fifty at once need disk for fifty of each package.
    kit = workshop.once("small kit", make_small_kit)
    served = workshop.fresh("s3")
    with serve_s3(programs, served) as variables:
        # Straight into the folder that is served: this server knows no conditional writes.
        behind, pusher = str(served / BUCKET / "envs"), workshop.environment(workshop.fresh("home"))
        run_command(workshop.conjoin("push", str(kit.lock), "--store", behind, "--toolkit"), pusher)
        folder = workshop.fresh("container")
        nodes = _Nodes(workshop, kit, bare_python(folder / "python"), copy_code(folder / "code"), variables)
        yield from _one(nodes)
        yield from _many(nodes)


def _one(nodes: _Nodes) -> Iterator[Row]:
    workshop, kit = nodes.workshop, nodes.kit
    runs = workshop.runs(5)
    new = [workshop.fresh("node") for _ in range(runs)]
    cold = time_command(
        lambda number: nodes.command(new[number] / "env"),
        lambda number: nodes.environment(new[number]),
        runs,
        warm_up=False,
    )
    node, home = workshop.fresh("node"), workshop.fresh("home")
    warm = time_command(lambda number: nodes.command(node / f"env{number}"), nodes.environment(node), runs)
    local = workshop.environment(home, **nodes.variables)
    create = time_command(
        lambda number: workshop.conjoin(
            "create", str(kit.lock), "--store", _PLACE, "--prefix", str(home / f"env{number}")
        ),
        local,
        runs,
    )
    homes = [workshop.fresh("home") for _ in range(runs)]
    create_cold = time_command(
        lambda number: workshop.conjoin(
            "create", str(kit.lock), "--store", _PLACE, "--prefix", str(homes[number] / "env")
        ),
        lambda number: workshop.environment(homes[number], **nodes.variables),
        runs,
        warm_up=False,
    )
    beside = "conjoin create, installed there"
    yield Row(NAME, "a new node: toolkit, packages, link", cold, beside, create_cold, note=kit.packages)
    more = Timing((max(0.0, cold.median - create_cold.median),))
    yield Row(NAME, "... what is beyond download and link", more, target="under 2 s", most_seconds=2.0)
    yield Row(NAME, "a node that has all packages", warm, beside, create, note="one request")


def _many(nodes: _Nodes) -> Iterator[Row]:
    workshop = nodes.workshop
    single = 0.0
    for many in MANY[:3] if workshop.quick else MANY:
        if shutil.disk_usage(workshop.folder).free < many * _NODE:
            yield Skipped(
                NAME, f"{many} new nodes at once", f"the disk has no {many * _NODE / 1e9:.0f} GB left"
            )
            return
        folders = [workshop.fresh("node") for _ in range(many)]
        before = _processor_seconds()
        taken = time_together(
            [(nodes.command(folder / "env"), nodes.environment(folder)) for folder in folders]
        )
        busy = (_processor_seconds() - before) / taken
        single = single or taken
        beside = "" if many == 1 else f"{many} one by one"
        reference = None if many == 1 else Timing((many * single,))
        note = f"{taken / many:.2f} s each; {busy:.1f} of {os.cpu_count()} cores busy"
        yield Row(NAME, f"{many} new nodes at once", Timing((taken,)), beside, reference, note=note)


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
