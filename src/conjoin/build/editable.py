"""Editable installs (PEP 660): what decides how a project's folder is pointed to."""

from __future__ import annotations

import hashlib
from pathlib import Path

from conjoin.errors import UsageError

__all__ = ["editable_sha256"]

_DECIDE = ("pyproject.toml", "setup.cfg", "setup.py")
"""The files whose change makes an editable install another one: dependencies, scripts, layout."""


def editable_sha256(folder: Path) -> str:
    """Return the hash of what decides how a folder is installed: its path, and the files that configure it.

    :raises UsageError: where they cannot be read.
    """
    digest = hashlib.sha256(f"{folder}\n".encode())
    for name in _DECIDE:
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UsageError(f"cannot be read ({error.strerror})", where=str(folder / name)) from None
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
