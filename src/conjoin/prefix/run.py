"""Running a program of a prefix."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from conjoin.errors import NotFound, UsageError
from conjoin.prefix.activation import environment_variables

__all__ = ["run"]


def run(prefix: Path, argv: Sequence[str], base: Mapping[str, str] | None = None) -> int:
    """Run ``argv`` with ``prefix`` activated; on POSIX it replaces this process and never returns.

    So exit codes and signals are the program's own. Elsewhere its exit code is returned.

    :param base: variables to start from, default: this process's.
    :raises NotFound: where there is no such prefix, or no such program in it or on ``PATH``.
    """
    if not argv:
        raise UsageError("no command is given", advice="conjoin run ENV -- COMMAND ...")
    variables = environment_variables(prefix, base)
    program = shutil.which(argv[0], path=variables["PATH"])
    if program is None:
        raise NotFound(f"there is no program {argv[0]}", where=str(prefix))
    if os.name != "nt":
        _replace_process(program, argv, variables)
    return subprocess.run([program, *argv[1:]], env=variables, check=False).returncode


def _replace_process(program: str, argv: Sequence[str], variables: Mapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these, and what is ignored stays so in the new program: `... | head` would not end it.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program, list(argv), variables)  # noqa: S606 (there is no shell, on purpose)
    except OSError as error:
        raise UsageError(f"cannot be run ({error.strerror})", where=program) from None
