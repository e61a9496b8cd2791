"""Errors of commands: one line on stderr that says what, where and what to do, and an exit code.

Metaflow's own command line would show a traceback, or end with 1 whatever happened.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import Iterator

from metaflow.exception import MetaflowException

from metaflow_extensions.conjoin.plugins.environment.asking import EnvironmentProblem

__all__ = ["reported"]


@contextmanager
def reported() -> Iterator[None]:
    """Show what a user did or met, and end the process with the exit code of docs/errors.md."""
    try:
        from conjoin.cli.failure import report_error
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
