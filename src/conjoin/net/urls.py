"""URLs of indexes and files: without what must not be written down, and as local paths."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from conjoin.spec.credentials import without_credentials

__all__ = ["as_asked", "local_path", "without_secrets"]


def without_secrets(url: str) -> str:
    """Return a URL as it is kept and shown: without user name, password, secret parameters and fragment."""
    if "@" not in url and "#" not in url and "=" not in url and "%" not in url and "/t/" not in url:
        return url
    return without_credentials(url.partition("#")[0])


def as_asked(url: str) -> str:
    """Return a URL as its server is asked: without user name, password and fragment. It may be a secret.

    :raises ValueError: where its host is none.
    """
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
