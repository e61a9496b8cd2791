"""The engine: a process of its own, that makes the prefix while this one fetches.

It sees the toolkit and nothing else of the container's packages; and it works on other packages while this
process waits for the network. They talk in lines of JSON: see :mod:`conjoin.prefix.bootstrap_engine`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from conjoin.bootstrap.unpack import unpack_code, unpack_once
from conjoin.errors import ConjoinError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Engine", "engine_code"]

_START = "import sys; sys.path[:0] = %r; from conjoin.prefix.bootstrap_engine import main; main()"


class Engine:
    """The running process.

    :param python: what runs it.
    :param path: folders of the toolkit that are there already, and of the engine's code.
    :param say: given what it says: ``want``, ``result``, or ``end`` with an error where it died.
    :raises UsageError: where it cannot be started.
    """

    def __init__(
        self,
        python: str,
        path: Sequence[str],
        work: Mapping[str, Any],
        variables: Mapping[str, str],
        say: Callable[[str, Any], None],
    ) -> None:
        # -I and -S: neither variables nor site-packages of the container reach it.
        try:
            self._process = subprocess.Popen(
                [python, "-I", "-S", "-c", _START % list(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=dict(variables),
            )
        except OSError as error:
            raise UsageError(
                f"no program can be run there ({error.strerror})",
                where=python,
                advice="if that folder is mounted noexec, choose another with --cache",
            ) from None
        self._say = say
        self.tell("work", work)
        threading.Thread(target=self._listen, name="conjoin-engine", daemon=True).start()

    def tell(self, word: str, value: Any) -> None:
        """Tell it something; if it is gone, that is noticed elsewhere."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({word: value}).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return

    def kill(self) -> None:
        """End it, if it still runs; what it was making is known to be incomplete."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Wait for it to end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                told = json.loads(line.decode())
            except ValueError:
                break
            for word, value in told.items():
                self._say(word, value)
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        short = code == -9
        self._say(
            "end",
            ConjoinError(
                f"the process that makes the environment died ({how})",
                advice="it was probably out of memory: give the task more"
                if short
                else "report what stands above",
            ),
        )


def engine_code(cache: str) -> str:
    """Return the folder that holds the package ``conjoin``: unpacked if it is a zip file."""
    above = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.path.isdir(above):
        return above
    with open(above, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return unpack_once(os.path.join(cache, "toolkit", digest), lambda folder: unpack_code(above, folder))
