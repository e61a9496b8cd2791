"""Tables: with colours on a terminal, aligned text elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from conjoin.cli.output.reporter import is_terminal, presentable

__all__ = ["Column", "human_size", "print_table"]

_KILO = 1000


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    :ivar style: rich's style on a terminal.
    :ivar right: align at the right.
    :ivar long: may be cut where the terminal is narrow.
    """

    title: str
    style: str = ""
    right: bool = False
    long: bool = False


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], stream: TextIO | None = None
) -> None:
    """Print a table to ``stream``, default: stdout."""
    stream = stream or sys.stdout
    shown = [[presentable(cell).replace("\n", " ") for cell in row] for row in rows]
    if is_terminal(stream):
        _print_rich(columns, shown, stream)
        return
    table = [[column.title for column in columns], *shown]
    widths = [max(len(row[position]) for row in table) for position in range(len(columns))]
    for row in table:
        cells = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        print("  ".join(cells).rstrip(), file=stream)


def _print_rich(columns: Sequence[Column], rows: Iterable[Sequence[str]], stream: TextIO) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column.title,
            style=column.style,
            justify="right" if column.right else "left",
            # Only what may be cut gives way where the terminal is narrow.
            overflow="ellipsis",
            no_wrap=not column.long,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(file=stream)
    if not any(column.long for column in columns):
        # Nothing may be cut: the terminal breaks lines that are too long, and what is copied stays whole.
        console.width = max(
            console.width, console.measure(table, options=console.options.update(width=10_000)).maximum
        )
    console.print(table)


def human_size(size: int) -> str:
    """Return a size in bytes as people say it (``34.5 MB``, SI units); nothing for an unknown one."""
    if size <= 0:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < _KILO:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _KILO
    return f"{value:.1f} GB"
