"""Bytes on their way, of which is known how many they are: a bar on a terminal, a line elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from conjoin.cli.output.reporter import Reporter, presentable

__all__ = ["transfer"]


@contextmanager
def transfer(reporter: Reporter, text: str) -> Iterator[Callable[[int, int], None]]:
    """Show ``text``, and how far it is: what is yielded is told the bytes done, and of how many."""
    if reporter.quiet or not reporter.is_terminal:
        reporter.say(text)
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(escape(presentable(text)), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
