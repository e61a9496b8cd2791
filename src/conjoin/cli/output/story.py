"""A story for people: chapters and paragraphs, with rules and colours on a terminal, plain elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from conjoin.cli.output.reporter import is_terminal, presentable, styled
from conjoin.cli.output.table import Column, print_table

__all__ = ["Story"]


class Story:
    """Tells, to ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        heading = f"{self._chapter}. {title}"
        print(file=self._stream)
        if is_terminal(self._stream):
            from rich.console import Console
            from rich.text import Text

            Console(file=self._stream).rule(Text(heading, style="bold"), align="left", style="cyan")
        else:
            print(heading, file=self._stream)

    def say(self, text: str = "", style: str = "") -> None:
        """Say a paragraph; each line is a line."""
        for line in presentable(text).splitlines() or [""]:
            shown = f"   {line}".rstrip()
            print(styled(shown, style, self._stream) if style else shown, file=self._stream)
        self._stream.flush()

    def panel(self, title: str, text: str) -> None:
        """Show a text that belongs together."""
        if not is_terminal(self._stream):
            self.say(f"{title}:")
            self.say("\n".join(f"  {line}" for line in text.splitlines()))
            return
        from rich.console import Console
        from rich.panel import Panel
        from rich.text import Text

        shown = Text(presentable(text.strip()))
        panel = Panel.fit(shown, title=title, title_align="left", border_style="dim")
        Console(file=self._stream).print(panel)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """Show a table."""
        print_table(columns, rows, self._stream)
        self._stream.flush()
