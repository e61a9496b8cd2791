"""URLs of indexes and files: without what must not be written down, and as local paths."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = ["local_path", "without_secrets"]


def without_secrets(url: str) -> str:
    """Return a URL without user name, password and fragment."""
    if "@" not in url and "#" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def local_path(url: str) -> Path | None:
    """Return the path of a ``file:`` URL of this machine (RFC 8089), None for any other URL."""
    if not url.startswith("file:"):
        return None
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        return None
    if os.name == "nt":
        from urllib.request import url2pathname  # slow to import, and needed for drive letters alone

        return Path(url2pathname(parts.path))
    return Path(unquote(parts.path))
