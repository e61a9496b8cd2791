"""Paths that people write into files: relative to the file they stand in."""

from __future__ import annotations

from pathlib import Path

from conjoin.errors import UsageError

__all__ = ["local_path"]


def local_path(text: str, folder: Path | None = None) -> Path:
    """Return the absolute path that ``text`` means; it need not exist.

    :param folder: what a relative path starts from, the current directory if None.
    :raises UsageError: where it can be no path (a null character, the home of a user who is none).
    """
    try:
        return (folder or Path()).joinpath(Path(text).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{text!r} is not a path: {error}") from None
