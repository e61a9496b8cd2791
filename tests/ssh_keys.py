"""SSH keys for tests, made by the real ssh-keygen, and files of those who may sign."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conjoin.trust.ssh_keygen import signer

__all__ = ["SshKey", "needs_ssh_keygen"]

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen (Debian's openssh-client)"
)


class SshKey:
    """A key pair without a passphrase in a folder of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / name
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.path)]
        subprocess.run(make, check=True)

    @property
    def public(self) -> str:
        return self.path.with_suffix(".pub").read_text()

    @property
    def signer(self) -> Callable[[bytes, str], str]:
        return signer(str(self.path))

    def allowed(self, principals: str, options: str = "") -> str:
        """Return the line of an allowed signers' file."""
        return " ".join(filter(None, (principals, options, self.public)))
