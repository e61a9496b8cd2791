"""URLs of indexes and files: without what must not be written down, and as local paths."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from conjoin.spec.credentials import without_credentials
from conjoin.untrusted import path_of, split_url

__all__ = ["as_asked", "local_path", "without_secrets"]


def without_secrets(url: str) -> str:
    """Return a URL as it is kept and shown: without user name, password, secret parameters and fragment."""
    if "@" not in url and "#" not in url and "=" not in url and "%" not in url and "/t/" not in url:
        return url
    return without_credentials(url.partition("#")[0])


def as_asked(url: str) -> str:
    """Return a URL as its server is asked: without user name, password and fragment. It may be a secret."""
    if "@" not in url and "#" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # said where it is used; here it is only to be shown
        scheme, separator, rest = url.partition("#")[0].partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def local_path(url: str) -> Path | None:
    """Return the path of a ``file:`` URL of this machine (RFC 8089), None for any other URL.

    :raises UsageError: where it can be no path.
    """
    if not url.startswith("file:"):
        return None
    parts = split_url(url)
    if parts.netloc not in ("", "localhost"):
        return None
    if os.name == "nt":
        from urllib.request import url2pathname  # slow to import, and needed for drive letters alone

        return Path(url2pathname(parts.path))
    return path_of(unquote(parts.path), home=False)
