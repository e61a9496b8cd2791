"""Who does what is noted in a store."""

from __future__ import annotations

import getpass

__all__ = ["current_user"]


def current_user() -> str:
    """Return the name pointers are kept under: the login name, as far as it makes a plain file name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""  # a container's uid without an entry in the user database
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_.+-@") else "-" for c in name)
    return plain.lstrip(".+-@") or "unknown"
