"""Paths that people write into files: relative to the file they stand in."""

from __future__ import annotations

from pathlib import Path

from conjoin.errors import UsageError
from conjoin.untrusted import path_of, reason_of, shortened

__all__ = ["exists", "local_path"]


def local_path(text: str, folder: Path | None = None) -> Path:
    """Return the absolute path that ``text`` means; it need not exist.

    :param folder: what a relative path starts from, the current directory if None.
    :raises UsageError: where it can be no path (a null character, the home of a user who is none).
    """
    path = path_of(text)
    try:
        return (folder or Path()).joinpath(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{shortened(text)!r} is not a path: {reason_of(error)}") from None


def exists(path: Path) -> bool:
    """Return whether there is something at ``path``; what no file system can hold is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, a folder that may not be looked into
        return False
