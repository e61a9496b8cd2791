"""Logins from the user's keyring, by the ``keyring`` command, as pip and uv ask it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading

from conjoin.net.login import Login

__all__ = ["Keyring"]

SECONDS = 30.0
"""What the command may take: some backends ask a server, and one that waits for somebody never ends."""


class Keyring:
    """Asks the ``keyring`` command, each question once; used from several threads at once.

    It gets no terminal and no input: a backend that wants to ask somebody fails. After it did not answer in
    time it is not asked again.

    :param seconds: what an answer may take.
    :ivar trouble: why it is of no use, for people; empty where it is.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.trouble = ""
        self._seconds = SECONDS if seconds is None else seconds
        self._answers: dict[tuple[str, str], Login | None] = {}
        self._lock = threading.Lock()

    def find(self, service: str, username: str = "") -> Login | None:
        """Return the login of a service (a URL, or a host with its port), None where it knows none.

        :param username: who, where that is known; else whoever the keyring has (``keyring`` 25.2.1).
        """
        with self._lock:
            if (service, username) not in self._answers:
                self._answers[service, username] = None if self.trouble else self._ask(service, username)
            return self._answers[service, username]

    def _ask(self, service: str, username: str) -> Login | None:
        command = shutil.which("keyring")
        if command is None:
            self.trouble = "there is no keyring command on PATH"
            return None
        whom = [username] if username else ["--mode", "creds"]
        process = subprocess.Popen(
            [command, "get", service, *whom],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # backends may name secrets there
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,  # without a terminal there is nobody it could ask and wait for
        )
        try:
            told, _ = process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            self.trouble = f"the keyring command did not answer within {self._seconds:g} s"
            _end(process)
            return None
        if process.returncode:
            return None
        lines = told.decode("utf-8", "replace").splitlines()
        if not username:
            username = lines.pop(0) if lines else ""
        return Login("basic", username, lines[0]) if username and lines and lines[0] else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.communicate()
