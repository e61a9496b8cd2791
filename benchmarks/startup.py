"""What every call pays before any work: starting Python, importing, reading the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.figures import Row, Skipped
from benchmarks.timing import time_command
from benchmarks.workshop import Workshop

NAME = "startup"


def measure(workshop: Workshop) -> Iterator[Row | Skipped]:
    environment = workshop.environment(workshop.fresh("startup"))
    runs = workshop.runs(15)
    bare = time_command([sys.executable, "-c", "pass"], environment, runs)
    for work, command in (
        ("import conjoin", [sys.executable, "-c", "import conjoin"]),
        ("conjoin --help", workshop.conjoin("--help")),
        ("conjoin list, of an empty store", workshop.conjoin("list")),
    ):
        yield Row(NAME, work, time_command(command, environment, runs), "python -c pass", bare)
