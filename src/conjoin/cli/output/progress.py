"""Hydration as people see it: a bar on a terminal, a line per phase elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conjoin.cli.output.reporter import Reporter, presentable
from conjoin.cli.output.table import human_size

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from conjoin.prefix.progress import Progress

__all__ = ["hydration_progress"]

_PHASES = {"fetch": "fetching", "link": "linking conda packages", "wheels": "linking wheels"}


def hydration_progress(reporter: Reporter) -> Progress:
    """Return what shows the progress of a hydration the way ``reporter`` talks."""
    return _Bar(reporter) if reporter.is_terminal and not reporter.quiet else _Lines(reporter)


class _Lines:
    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def start(self, total_bytes: int, packages: int) -> None:
        size = f" ({human_size(total_bytes)} to fetch)" if total_bytes else ""
        what = "1 package" if packages == 1 else f"{packages} packages"
        self._reporter.say(f"preparing {what}{size}")

    def advance(self, received_bytes: int, finished_packages: int) -> None:
        """Say nothing: a line for every chunk would be noise."""

    def phase(self, name: str) -> None:
        if name != "fetch":  # start() says more
            self._reporter.say(_PHASES.get(name, name))

    def warn(self, message: str) -> None:
        self._reporter.warn(message)

    def finish(self) -> None:
        """Say nothing: whoever asked says that it is done."""


class _Bar:
    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._bar: RichProgress | None = None
        self._task: Any = None
        self._received = self._finished = self._packages = 0

    def start(self, total_bytes: int, packages: int) -> None:
        self._packages = packages
        if total_bytes:
            self._begin(_PHASES["fetch"], total_bytes)
        else:
            self._begin("preparing packages", None)
        self._show()

    def advance(self, received_bytes: int, finished_packages: int) -> None:
        self._received += received_bytes
        self._finished += finished_packages
        self._show()

    def phase(self, name: str) -> None:
        if name != "fetch":
            self._begin(_PHASES.get(name, name), None)

    def warn(self, message: str) -> None:
        if self._bar is None:
            self._reporter.warn(message)
            return
        from rich.markup import escape

        self._bar.console.print(f"[bold yellow]warning:[/] {escape(presentable(message))}")

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _begin(self, text: str, total: int | None) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[amount]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(text, total=total, amount="")

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            amount = f"{self._finished}/{self._packages}"
            if size := human_size(self._received):
                amount = f"{amount}, {size}"
            self._bar.update(self._task, completed=self._received, amount=amount)
