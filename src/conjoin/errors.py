"""What can go wrong, as data: one class per exit code of the command line contract.

An error carries *what* happened, *where*, and *what to do*; whoever shows it (the command line,
Metaflow's log) writes one line out of the three. Subclasses in other modules add fields of their own,
never another exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from conjoin.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FULL_DISK",
    "Conflict",
    "ConjoinError",
    "Findings",
    "IntegrityError",
    "NoSolution",
    "NotFound",
    "Unreachable",
    "UsageError",
]


FULL_DISK = "the disk is full"
"""What happened, wherever that is told: Metaflow's tasks have another advice."""


class ConjoinError(Exception):
    """Base of every error a user can cause or meet.

    :param what: what happened, one sentence without a full stop.
    :param where: file and line, URL (without credentials) or package it happened at, if any.
    :param advice: what the user can do about it, one sentence, if anything.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, advice: str | None = None) -> None:
        # Here, for whoever raises it: what is said of a URL must not tell the secrets in it.
        self.what = redacted(what)
        super().__init__(self.what)
        self.where = where and redacted(where)
        self.advice = advice and redacted(advice)

    def add_place(self, where: str) -> None:
        """Say where it happened, unless that is said already: for whoever knows the place alone."""
        if self.where is None:
            self.where = redacted(where)

    def reword(self, change: Callable[[str], str]) -> None:
        """Change what is said, as to leave a secret out of it."""
        self.what = change(self.what)
        self.args = (self.what,)
        if self.advice:
            self.advice = change(self.advice)

    def __str__(self) -> str:
        line = f"{self.where}: {self.what}" if self.where else self.what
        return f"{line}; {self.advice}" if self.advice else line


class UsageError(ConjoinError):
    """Wrong usage or unreadable input. Exit code 2."""

    exit_code = 2


class NoSolution(ConjoinError):
    """No environment can satisfy the requirements. Exit code 3."""

    exit_code = 3


class Unreachable(ConjoinError):
    """An index, a channel or a store could not be reached. Exit code 4."""

    exit_code = 4


class IntegrityError(ConjoinError):
    """A hash does not match what was promised; nothing was installed. Exit code 5."""

    exit_code = 5


class NotFound(ConjoinError):
    """An alias, an environment or an interpreter does not exist. Exit code 6."""

    exit_code = 6


class Conflict(ConjoinError):
    """Something immutable differs, or something changed meanwhile. Exit code 7."""

    exit_code = 7


class Findings(ConjoinError):
    """A check (`verify`, `audit`, `diff --exit-code`) found something. Exit code 8."""

    exit_code = 8
