"""The places where people keep logins, made for a test."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["fake_keyring", "on_path"]


def fake_keyring(folder: Path, logins: dict[str, tuple[str, str]], *, seconds: float = 0) -> Path:
    """Write a ``keyring`` command that knows ``service: (user, password)``; return what it was asked, a file.

    It answers as keyring 25.2.1 and later do. Put ``folder`` on PATH.

    :param seconds: what it takes to answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = folder / "asked"
    cases = "\n".join(
        f'  "{service}")\n'
        f'    if [ "$3" = --mode ]; then echo "{user}"; elif [ "$3" != "{user}" ]; then exit 1; fi\n'
        f'    echo "{password}";;'
        for service, (user, password) in logins.items()
    )
    command = folder / "keyring"
    command.write_text(
        f'#!/bin/sh\necho "$@" >> "{asked}"\nsleep {seconds}\ncase "$2" in\n{cases}\n  *) exit 1;;\nesac\n'
    )
    command.chmod(0o755)
    asked.touch()
    return asked


def on_path(folder: Path) -> str:
    """Return PATH with ``folder`` first."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
