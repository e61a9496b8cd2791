"""The figures as a table on the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.figures import Row, Skipped, Timing

__all__ = ["as_json", "as_markdown", "print_table"]

_HEADINGS = ("work", "conjoin", "beside it", "", "ratio", "target", "note")
Facts = Mapping[str, str]


def print_table(rows: Sequence[Row], skipped: Sequence[Skipped]) -> None:
    """Print the rows, a section for each benchmark, and what was skipped."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    table = Table(caption="median (fastest) of whole processes; ratio: conjoin to what is beside it")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading in ("conjoin", "", "ratio") else "left")
    last = ""
    for row in rows:
        if last and row.benchmark != last:
            table.add_section()
        last = row.benchmark
        table.add_row(*map(escape, _cells(row)))
    console.print(table)
    for one in skipped:
        console.print(f"skipped: {one.benchmark}: {one.work}: {one.reason}", markup=False, highlight=False)


def as_markdown(rows: Sequence[Row], skipped: Sequence[Skipped], machine: Facts, versions: Facts) -> str:
    """Return the document that is kept as ``benchmarks/RESULTS.md``."""
    lines = [
        "# What it costs",
        "",
        "Written by `python -m benchmarks.run`. Whole processes, wall clock: the median (and the fastest)",
        "of several runs; *ratio* is Conjoin to what stands beside it, measured in the same run. *Cold*",
        "figures with the public index are one run each, and the network's weather is in them. The machine",
        "is shared: trust the ratios more than the seconds.",
        "",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in machine.items()) + ".",
        "Versions: " + ", ".join(f"{name} {value}" for name, value in versions.items()) + ".",
    ]
    last = ""
    for row in rows:
        if row.benchmark != last:
            lines += ["", f"## {row.benchmark}", "", "| " + " | ".join(h or "s" for h in _HEADINGS) + " |"]
            lines += ["|---|--:|---|--:|--:|---|---|"]
        last = row.benchmark
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(row)) + " |")
    if skipped:
        lines += ["", "## Skipped", ""]
        lines += [f"- {one.benchmark}: {one.work}: {one.reason}" for one in skipped]
    return "\n".join(lines) + "\n"


def as_json(
    rows: Sequence[Row], skipped: Sequence[Skipped], machine: Facts, versions: Facts
) -> dict[str, Any]:
    """Return everything that was measured."""
    return {
        "machine": dict(machine),
        "versions": dict(versions),
        "rows": [{**asdict(row), "ratio": row.ratio, "meets": row.meets} for row in rows],
        "skipped": [asdict(one) for one in skipped],
    }


def _cells(row: Row) -> tuple[str, ...]:
    mark = {True: "met", False: "MISSED", None: ""}[row.meets]
    return (
        row.work,
        _seconds(row.conjoin),
        row.beside,
        _seconds(row.reference) if row.reference else "",
        f"{row.ratio:.2f}" if row.ratio is not None else "",
        f"{row.target}: {mark}" if mark else row.target,
        row.note,
    )


def _seconds(timing: Timing) -> str:
    digits = 3 if timing.median < 1 else 2
    median = f"{timing.median:.{digits}f}"
    return median if len(timing.seconds) == 1 else f"{median} ({timing.least:.{digits}f})"
