"""Programs that end with all they have started: when nobody waits for them any more, or whoever did has died.

A compiler that a build tool runs for a build backend goes on for minutes after the backend was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["Programs", "TooLong"]

_HAS_GROUPS = sys.platform != "win32"

# Stands between this process and a program, in a group of processes that is theirs. Its standard input gives
# nothing, and ends when this process does, however that comes about.
_FOLLOWER = """
import os, signal, subprocess, sys, threading


def follow():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


threading.Thread(target=follow, daemon=True).start()
sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL) and 1)
"""


class TooLong(Exception):
    """A program took longer than it may."""


class Programs:
    """Runs programs, from any number of threads, until all are stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._is_stopped = False

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], seconds: float
    ) -> tuple[bool, str]:
        """Run a program to its end.

        :returns: whether it did what it was to do, and what it said on standard error.
        :raises TooLong: where it took longer; it is ended then.
        """
        if not _HAS_GROUPS:
            return self._finish(command, folder, environment, seconds, subprocess.DEVNULL)
        ours, theirs = os.pipe()[::-1]
        try:
            follower = [sys.executable, "-I", "-S", "-c", _FOLLOWER]
            return self._finish([*follower, *command], folder, environment, seconds, theirs)
        finally:
            os.close(ours)
            os.close(theirs)

    def _finish(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        seconds: float,
        standard_input: int,
    ) -> tuple[bool, str]:
        with self._lock:
            if self._is_stopped:
                return False, "stopped"
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=standard_input,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=_HAS_GROUPS,
            )
            self._running.add(process)
        try:
            _, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            process.communicate()
            raise TooLong from None
        finally:
            with self._lock:
                self._running.discard(process)
        return process.returncode == 0, said

    def stop(self) -> None:
        """End whatever runs, with all it has started; nothing is started any more."""
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.returncode is not None:
        return
    with suppress(OSError):
        if _HAS_GROUPS:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
