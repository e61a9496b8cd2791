"""The only module here that runs uv: always with its own cache, and deaf to the user's settings for it.

What it is asked for is local, and said so (``--no-index``), so it never needs the network.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conjoin.errors import IntegrityError
from conjoin.prefix.link.full_disk import linking_failure

__all__ = ["Uv", "make_venv", "tidy_venv"]

# Settings of installers and of other environments must not decide what a locked prefix holds.
_FOREIGN = ("UV_", "PIP_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "__PYVENV")

# As uv says that a wheel is not what it should be; what can be seen before is refused before.
_INVALID = ("Hash mismatch", "The wheel is invalid", "Failed to extract archive", "invalid package format")


@dataclass(frozen=True, slots=True)
class Uv:
    """uv, as it works on one prefix.

    :ivar cache: uv's cache, best on the prefix's file system.
    :ivar lock_descriptor: inherited by uv, so that if we are killed, the next process waits for uv's end
        instead of building into the same prefix.
    """

    prefix: Path
    cache: Path
    lock_descriptor: int

    def run(
        self, arguments: Sequence[str], *, what: str, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Run uv to its end.

        :param what: what it does, for messages.
        :param meanwhile: called while uv runs.
        :raises IntegrityError: where a file's hash is not the locked one.
        :raises Unreachable: where the disk is full.
        :raises ConjoinError: where it fails otherwise.
        """
        from uv import find_uv_bin

        environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        environment |= {
            "UV_CACHE_DIR": str(self.cache),
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            # Hard links; where the cache is on another file system, uv copies.
            "UV_LINK_MODE": "hardlink",
        }
        with subprocess.Popen(
            [find_uv_bin(), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=(self.lock_descriptor,),
        ) as process:
            try:
                meanwhile()
                _, said = process.communicate()
            except BaseException:
                process.kill()
                raise
        if process.returncode == 0:
            return
        lines = [line.strip(" ×╰─▶│├") for line in said.splitlines() if line.strip()]
        reason = "; ".join(line for line in lines[-6:] if line) or f"uv exited with {process.returncode}"
        if process.returncode == -signal.SIGXFSZ:
            said += os.strerror(errno.EFBIG)  # what it had said, if the signal had let it
        if any(sign in said for sign in _INVALID):
            raise IntegrityError(
                f"{what} failed: {reason}", where=str(self.prefix), advice="nothing was installed"
            )
        raise linking_failure(f"{what} failed: {reason}", said, self.prefix)


def make_venv(uv: Uv, interpreter: Path) -> None:
    """Make the prefix, which holds our marker alone, a virtual environment (PEP 405) without pip.

    :param interpreter: of this host.
    :raises ConjoinError: where uv fails.
    """
    options = ["--quiet", "--allow-existing", "--no-project", "--python", str(interpreter)]
    uv.run(["venv", *options, str(uv.prefix)], what="making the virtual environment")


def tidy_venv(prefix: Path) -> None:
    """Take away what uv leaves in a virtual environment and no package owns."""
    for litter in ("CACHEDIR.TAG", ".gitignore", ".lock"):
        (prefix / litter).unlink(missing_ok=True)
