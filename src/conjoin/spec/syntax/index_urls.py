"""URLs of PyPI indexes and find-links places in one canonical spelling, without credentials."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlunsplit

from conjoin.errors import UsageError
from conjoin.spec.credentials import without_credentials
from conjoin.spec.syntax.local_path import local_path
from conjoin.untrusted import split_url

__all__ = ["find_links_url", "index_url"]

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def index_url(text: str) -> str:
    """Return the URL of a simple index (PEP 503) with exactly one slash at its end.

    >>> index_url("https://Index.Example/simple")
    'https://index.example/simple/'

    :raises UsageError: where it is not http, https or file.
    """
    stripped = without_credentials(text).strip()
    parts = split_url(stripped, shown=stripped)
    if parts.scheme.lower() not in ("http", "https", "file") or not (parts.netloc or parts.scheme == "file"):
        raise UsageError(
            f"{stripped!r} is not the URL of an index", advice="expected https://host/simple/ or a file: URL"
        )
    return urlunsplit(
        (parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/") + "/", parts.query, "")
    )


def find_links_url(text: str, *, folder: Path | None = None) -> str:
    """Return the URL of a page or folder with links to distributions; a path becomes a ``file:`` URL.

    :param folder: what a relative path starts from, the current directory if None.
    :raises UsageError: where it is empty.
    """
    stripped = without_credentials(text).strip()
    if not stripped:
        raise UsageError(
            "find-links is empty", advice="expected the URL or path of a page or folder with wheels"
        )
    if _URL.match(stripped):
        parts = split_url(stripped, shown=stripped)
        return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path, parts.query, ""))
    path = stripped.removeprefix("file:")
    return local_path(path, folder).as_uri()
