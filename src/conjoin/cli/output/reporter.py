"""What people read while a command works: on stderr, so that stdout holds results alone."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["Reporter", "Steps", "is_terminal", "presentable"]

_STYLES = {"red": "31", "yellow": "33", "dim": "2", "bold": "1", "green": "32", "cyan": "36"}


def is_terminal(stream: TextIO) -> bool:
    """Tell whether somebody looks at ``stream`` on a terminal that understands cursor movements."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    """Return ``text`` in a style, where ``stream`` shows colours (https://no-color.org)."""
    if not is_terminal(stream) or os.environ.get("NO_COLOR"):
        return text
    codes = ";".join(_STYLES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"


def presentable(text: str) -> str:
    """Return ``text`` as it may be shown: without passwords, and without what would steer a terminal."""
    from conjoin.spec.credentials import without_credentials

    public = without_credentials(text)
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in public)


class Reporter:
    """Says things on stderr.

    :ivar quiet: say nothing but warnings and errors.
    :ivar verbose: say details too.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose and not quiet

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks."""
        return is_terminal(sys.stderr)

    def say(self, text: str = "", style: str = "") -> None:
        """Say something, unless quiet."""
        if not self.quiet:
            self._print(styled(presentable(text), style, sys.stderr) if style else presentable(text))

    def detail(self, text: str) -> None:
        """Say something only those who asked for more want to know."""
        if self.verbose:
            self._print(styled(presentable(text), "dim", sys.stderr))

    def warn(self, text: str) -> None:
        """Say what may need attention."""
        self._print(f"{styled('warning:', 'bold yellow', sys.stderr)} {presentable(text)}")

    def steps(self) -> Steps:
        """Return what shows the current step of long work."""
        return Steps(self)

    def _print(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Steps:
    """The current step: a spinner on a terminal, a line each elsewhere. Nothing until the first step."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._status: Status | None = None

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, text: str) -> None:
        """Begin a step."""
        if self._reporter.quiet:
            return
        if not self._reporter.is_terminal:
            self._reporter.say(text)
            return
        # Imported now: a command that finds its work done says nothing and needs no rich.
        from rich.console import Console
        from rich.markup import escape

        shown = escape(presentable(text))
        if self._status is None:
            self._status = Console(stderr=True).status(shown)
            self._status.start()
        else:
            self._status.update(shown)
