"""Running commands as whole processes, and timing them."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Timing

__all__ = ["CommandFailed", "run_command", "time_command", "time_together"]

_TIMEOUT = 300
"""Seconds after which a command counts as failed."""


class CommandFailed(Exception):
    """A command of a benchmark ended with another exit code than 0."""


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command to its end and return its standard output.

    :raises CommandFailed: with the last lines it wrote.
    """
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise CommandFailed(f"{_named(command)} ended with {done.returncode}: {_shown(lines)}")
    return done.stdout


def time_command(
    command: Callable[[int], Sequence[str]] | Sequence[str],
    environment: Callable[[int], Mapping[str, str]] | Mapping[str, str],
    runs: int,
    *,
    warm_up: bool = True,
) -> Timing:
    """Time ``runs`` processes one after the other.

    :param command: the command, or what returns it for the run of a number (-1 is the warm-up).
    :param environment: likewise.
    :param warm_up: run once before, uncounted: fills what should be full.
    """
    seconds = []
    for number in range(-1 if warm_up else 0, runs):
        words = command(number) if callable(command) else command
        variables = environment(number) if callable(environment) else environment
        started = time.perf_counter()
        run_command(words, variables)
        if number >= 0:
            seconds.append(time.perf_counter() - started)
    return Timing(tuple(seconds))


def time_together(commands: Sequence[tuple[Sequence[str], Mapping[str, str]]]) -> float:
    """Start all commands at once and return the seconds until the last one has ended."""
    started = time.perf_counter()
    processes = [
        subprocess.Popen(
            words, env=dict(variables), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for words, variables in commands
    ]
    failures = []
    for process in processes:
        _, said = process.communicate(timeout=_TIMEOUT)
        if process.returncode:
            failures.append(_shown(said.strip().splitlines()) or f"exit code {process.returncode}")
    seconds = time.perf_counter() - started
    if failures:
        raise CommandFailed(f"{len(failures)} of {len(processes)} failed: {failures[0]}")
    return seconds


def _named(command: Sequence[str]) -> str:
    """Return a command's name and subcommand, without paths of this machine."""
    return " ".join(Path(word).name for word in command[:2])


def _shown(lines: Sequence[str]) -> str:
    """Return the end of what a command said; of paths the last part, since results are kept."""
    return re.sub(r"(?<![\w:/])/(?:[^\s/:]+/)+", "", " / ".join(line.strip() for line in lines[-3:]))
