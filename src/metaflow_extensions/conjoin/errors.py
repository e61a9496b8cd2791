"""What goes wrong with environments: a run tells it by Metaflow, a command by a line and an exit code."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import Iterator

from metaflow.exception import MetaflowException

__all__ = ["EnvironmentProblem", "reported", "told_by_metaflow"]


class EnvironmentProblem(MetaflowException):
    """Something about a step's environment that the user can mend: one line that says what and how.

    :param exit_code: of a command that ends with it, in Conjoin's numbers (docs/errors.md).
    """

    headline = "Environment"
    exit_code = 2

    def __init__(self, text: str, exit_code: int = 2) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@contextmanager
def told_by_metaflow() -> Iterator[None]:
    """Turn the engine's errors into one that Metaflow shows as a line.

    :raises EnvironmentProblem: instead of any :class:`conjoin.errors.ConjoinError`.
    """
    from conjoin.errors import ConjoinError

    try:
        yield
    except ConjoinError as error:
        raise EnvironmentProblem(str(error), error.exit_code) from None


@contextmanager
def reported() -> Iterator[None]:
    """Show what the user of a command did or met, and end the process with the exit code of docs/errors.md.

    Metaflow's own command line would show a traceback, or end with 1 whatever happened.
    """
    try:
        from conjoin.cli.output.failure import report_error
        from conjoin.errors import ConjoinError
    except ImportError as error:
        _say(f"Conjoin is not installed here ({error}); pip install 'conjoin[metaflow]'")
        sys.exit(EnvironmentProblem.exit_code)
    try:
        yield
    except ConjoinError as error:
        sys.exit(report_error(error))
    except MetaflowException as error:
        _say(str(error))
        sys.exit(getattr(error, "exit_code", EnvironmentProblem.exit_code))


def _say(text: str) -> None:
    for line in text.splitlines():
        print(f"error: {line}", file=sys.stderr)
