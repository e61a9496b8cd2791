"""One file as a page of the simple API spells it, and the readers of fields that HTML and JSON share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import urljoin, urlsplit

import msgspec

from conjoin.errors import Unreachable
from conjoin.index.pypi.legacy_specifiers import repaired
from conjoin.net.urls import without_secrets

__all__ = ["Link", "check_api_version", "instant", "metadata_digest", "requires_python", "size", "target"]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_API_MAJOR = 1  # PEP 629: refuse another major version
_API_MINOR = 4  # PEP 792; PEP 629: warn of a later one
_LONGEST_FIELD = 4096  # characters of a URL or a Requires-Python
_LARGEST_SIZE = 2**60  # bytes; whoever announces more announces nonsense


class Link(msgspec.Struct, frozen=True, gc=False):
    """One file as a page spells it, before its name is read. ``metadata`` as in ``IndexFile``."""

    filename: str
    url: str
    hashes: dict[str, str]
    size: int | None = None
    requires_python: str = ""
    yanked: str | None = None
    upload_time: datetime | None = None
    metadata: str | None = None


def target(href: str, base: str) -> str | None:
    """Return the absolute URL of a link, or None where a page from there may not point to it."""
    if len(href) > _LONGEST_FIELD:
        return None
    try:
        absolute = href if href.startswith(("https://", "http://")) else urljoin(base, href.strip())
        if not absolute.startswith(("https://", "http://")):
            allowed = absolute.startswith("file:") and base.startswith("file:")
            if not allowed:
                return None
        if " " in absolute:
            absolute = absolute.replace(" ", "%20")
        if _CONTROL.search(absolute):
            return None
        if "[" in absolute:
            urlsplit(absolute)  # raises where an IPv6 host is broken
        return without_secrets(absolute)
    except ValueError:
        return None


def metadata_digest(algorithm: str, digest: str) -> str:
    """Return the sha256 announced of a metadata file (PEP 658), empty where it is none."""
    return digest.lower() if algorithm.lower() == "sha256" and _SHA256.fullmatch(digest) else ""


def size(value: object) -> int | None:
    """Return a size in bytes (PEP 700), None where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST_SIZE else None


def requires_python(value: object) -> str:
    """Return a Requires-Python text, empty where nothing is said."""
    if not isinstance(value, str):
        return ""
    # Not empty: what nobody can read must not count as "any Python".
    return repaired(value.strip()) if len(value) <= _LONGEST_FIELD else "(unreadable)"


def instant(value: object) -> datetime | None:
    """Return an upload time (PEP 700: ISO 8601 in UTC); anything else counts as not said."""
    if not isinstance(value, str):
        return None
    try:
        moment = msgspec.convert(value.strip(), datetime)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (msgspec.ValidationError, OverflowError):  # the last evening of the year 9999, west of Greenwich
        return None


def check_api_version(text: str, url: str, newer: Callable[[str], None]) -> None:
    """Look at the version of the API that a page says it speaks (PEP 629).

    :param newer: called with a minor version that is later than what is known here.
    :raises Unreachable: for another major version.
    """
    text = text.strip()
    major, _, minor = text.partition(".")
    if not (major.isascii() and major.isdigit() and len(text) < 20):
        return
    if int(major) > _API_MAJOR:
        raise Unreachable(
            f"the index speaks version {text} of the simple API, this Conjoin version {_API_MAJOR}",
            where=url,
            advice="update Conjoin or use another index",
        )
    if minor.isascii() and minor.isdigit() and int(major) == _API_MAJOR and int(minor) > _API_MINOR:
        newer(text)
