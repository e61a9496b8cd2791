"""Measure, print a table, write RESULTS.md.

``python -m benchmarks.run [--quick] [--json FILE] [NAME...]``, from the root of the repository.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks import (
    at_once,
    bootstrapping,
    conda_only,
    hydrating,
    metaflow_runs,
    mixed,
    object_store,
    platforms,
    pypi_only,
    relock,
    startup,
)
from benchmarks.figures import Row, Skipped
from benchmarks.report import as_json, as_markdown, print_table
from benchmarks.surroundings import machine, missing_tools, versions
from benchmarks.timing import CommandFailed
from benchmarks.workshop import ROOT, Workshop

BENCHMARKS: dict[str, ModuleType] = {
    module.NAME: module
    for module in (
        startup,
        conda_only,
        relock,
        mixed,
        pypi_only,
        platforms,
        hydrating,
        at_once,
        object_store,
        bootstrapping,
        metaflow_runs,
    )
}
RESULTS = ROOT / "benchmarks" / "RESULTS.md"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    facts, tools = machine(), versions()
    rows: list[Row] = []
    skipped = [Skipped("any", tool, reason) for tool, reason in missing_tools().items()]
    with Workshop(tuple(shlex.split(options.conjoin)), quick=options.quick) as workshop:
        for name in options.names or BENCHMARKS:
            started = time.monotonic()
            try:
                for found in BENCHMARKS[name].measure(workshop):
                    (rows if isinstance(found, Row) else skipped).append(found)
            except CommandFailed as error:
                skipped.append(Skipped(name, "the rest", str(error)))
            print(f"{name}: done in {time.monotonic() - started:.0f} s", file=sys.stderr)
    print_table(rows, skipped)
    if options.json:
        document = json.dumps(as_json(rows, skipped, facts, tools), indent=1)
        if options.json == "-":
            print(document)
        else:
            Path(options.json).write_text(document, "utf-8")
    if not options.names and not options.quick:
        RESULTS.write_text(as_markdown(rows, skipped, facts, tools), "utf-8")
        print(f"wrote {RESULTS.relative_to(ROOT)}", file=sys.stderr)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.run", description="Measure Conjoin.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="fewer cases and runs; RESULTS.md stays as it is"
    )
    parser.add_argument("--json", metavar="FILE", help="write everything measured to FILE")
    beside_python = str(Path(sys.executable).with_name("conjoin"))
    parser.add_argument("--conjoin", metavar="COMMAND", default=beside_python, help="what to measure")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
