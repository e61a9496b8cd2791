"""Reading a text file a user named: every way it can fail is an error with a place."""

from __future__ import annotations

from pathlib import Path

from conjoin.errors import UsageError

__all__ = ["read_text"]

_MAX_BYTES = 16 * 1024 * 1024
"""Nobody writes more by hand; the limit keeps `-r huge.bin` from being read into memory."""


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file, with Unix line ends and no byte order mark.

    :raises UsageError: where it does not exist, is no file, too large, or not UTF-8.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError("the file is too large to be a list of requirements", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError("the file does not exist", where=str(path)) from None
    except OSError as error:
        raise UsageError(f"the file cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError("the file is not UTF-8 text", where=f"{path}:{line}") from None
    except ValueError as error:  # a null character in its name
        raise UsageError(f"the file cannot be read: {error}", where=repr(str(path))) from None
    return text
