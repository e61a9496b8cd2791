"""Pages of the simple API, HTML or JSON as the index has it, read into links.

PEP 503, 592, 629, 658, 691, 700, 714. HTML is scanned with a regular expression for the tags that count: five
times faster than ``html.parser`` on boto3's page of 4000 files, and the tests compare it with that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

from conjoin.errors import Unreachable
from conjoin.index.pypi.dependency import repaired
from conjoin.net.urls import as_asked
from conjoin.spec.grammars import is_sha256

__all__ = ["ACCEPT", "Link", "links"]

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""The Accept header of PEP 691: JSON if the index can."""

_KIND = re.compile(r"application/vnd\.pypi\.simple\.v([0-9]{1,9})\+(?:json|html)")
_MOST_FILES = 200_000  # the largest project known lists a twentieth of it
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


def _target(href: str, base: str) -> str | None:
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
        if "[" in absolute or not absolute.isascii():
            urlsplit(absolute)  # raises where an IPv6 host is broken, or a letter stands for a separator
        return as_asked(absolute)  # a parameter that is a secret is kept here, where it is needed
    except ValueError:
        return None


def _metadata_digest(algorithm: str, digest: str) -> str:
    """Return the sha256 announced of a metadata file (PEP 658), empty where it is none."""
    return digest.lower() if algorithm.lower() == "sha256" and is_sha256(digest.lower()) else ""


def _size(value: object) -> int | None:
    """Return a size in bytes (PEP 700), None where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= _LARGEST_SIZE else None


def _requires_python(value: object) -> str:
    """Return a Requires-Python text, empty where nothing is said."""
    if not isinstance(value, str):
        return ""
    # Not empty: what nobody can read must not count as "any Python".
    return repaired(value.strip()) if len(value) <= _LONGEST_FIELD else "(unreadable)"


def _instant(value: object) -> datetime | None:
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


def _check_api_version(text: str, url: str, newer: Callable[[str], None]) -> None:
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


# Attribute values may hold ">" in quotes; a comment may hold anchors that do not count. The last alternative
# is a comment or tag that never ends: what follows it is not looked at, as in HTML, or a page of a million
# unclosed quotes would be read to its end a million times.
_TAG = re.compile(
    r"""<!--.*?-->|<(a|base|meta)\s([^>"']*(?:"[^"]*"[^>"']*|'[^']*'[^>"']*)*)>|(<!--|<(?:a|base|meta)\s)""",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""")
_LATIN = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252"})


def _html_links(body: bytes, content_type: str, url: str, newer: Callable[[str], None]) -> Iterator[Link]:
    """Yield every link of an HTML page. ``newer`` as in :func:`links`.

    :raises Unreachable: where it speaks another major version (PEP 629).
    """
    from html import unescape  # a table of all entities: for those whose index has no JSON

    # No other charset: Python's "idna" fails, its "punycode" takes for ever, and what counts is ASCII anyway.
    charset = re.search(r"charset=[\"']?([\w-]+)", content_type.lower())
    text = body.decode("latin-1" if charset and charset[1] in _LATIN else "utf-8", errors="replace")
    base = url
    for match in _TAG.finditer(text):
        tag = match[1]
        if match[3] is not None:
            return
        if tag is None:
            continue
        attributes: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(match[2]):
            value = double or single or bare
            # HTML: of an attribute that stands twice, the first counts.
            attributes.setdefault(name.lower(), unescape(value) if "&" in value else value)
        if tag in "aA":
            link = _html_link(attributes, base)
            if link is not None:
                yield link
        elif tag.lower() == "base":
            # HTML: the first one with an href counts.
            if base is url and attributes.get("href"):
                base = _base(url, attributes["href"])
        elif attributes.get("name", "").lower() == "pypi:repository-version":
            _check_api_version(attributes.get("content", ""), url, newer)


def _base(url: str, href: str) -> str:
    try:
        return urljoin(url, href)
    except ValueError:  # an IPv6 host that is broken
        return url


def _html_link(attributes: dict[str, str], base: str) -> Link | None:
    href = attributes.get("href")
    if not href:
        return None
    href, _, fragment = href.partition("#")
    address = _target(href, base)
    if address is None:
        return None
    filename = address.partition("?")[0].rpartition("/")[2]
    algorithm, _, digest = fragment.partition("=")
    # PEP 714: the new name wins over the old one where both stand.
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    return Link(
        filename=unquote(filename) if "%" in filename else filename,
        url=address,
        hashes={algorithm.lower(): digest.partition("&")[0]} if digest else {},
        size=_size(attributes.get("data-size")),
        requires_python=_requires_python(attributes.get("data-requires-python", "")),
        # PEP 592: the attribute's presence counts, whatever it says.
        yanked=attributes.get("data-yanked"),
        upload_time=_instant(attributes.get("data-upload-time")),
        metadata=_html_metadata(metadata),
    )


def _html_metadata(announced: str | None) -> str | None:
    if announced is None or announced == "false":
        return None
    algorithm, _, digest = announced.partition("=")
    return _metadata_digest(algorithm, digest)


def _json_links(body: bytes, url: str, newer: Callable[[str], None]) -> Iterator[Link]:
    """Yield every link of a JSON page. ``newer`` as in :func:`links`.

    :raises Unreachable: where it is none, or speaks another major version (PEP 629).
    """
    try:
        page = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreachable(
            f"the index's answer is not JSON ({error})", where=url, advice="check the index's URL"
        ) from None
    if not isinstance(page, dict) or not isinstance(page.get("files", []), list):
        raise Unreachable(
            "the index's answer is JSON, but not a page of the simple API",
            where=url,
            advice="check the index's URL",
        )
    meta = page.get("meta")
    _check_api_version(str(meta.get("api-version", "")) if isinstance(meta, dict) else "", url, newer)
    for file in page.get("files", []):
        link = _json_link(file, url) if isinstance(file, dict) else None
        if link is not None:
            yield link


def _json_link(file: dict[str, Any], base: str) -> Link | None:
    filename, href = file.get("filename"), file.get("url")
    if not isinstance(filename, str) or not isinstance(href, str):
        return None
    address = _target(href, base)
    if address is None:
        return None
    # PEP 691: what is true counts as yanked, a text is the reason; an empty text is not true.
    yanked = file.get("yanked") or None
    return Link(
        filename=filename,
        url=address,
        hashes=_json_hashes(file.get("hashes")),
        size=_size(file.get("size")),
        requires_python=_requires_python(file.get("requires-python")),
        yanked=yanked if isinstance(yanked, str) or yanked is None else "",
        upload_time=_instant(file.get("upload-time")),
        metadata=_json_metadata(file),
    )


def _json_hashes(hashes: object) -> dict[str, str]:
    if not isinstance(hashes, dict):
        return {}
    return {
        algorithm.lower(): digest
        for algorithm, digest in hashes.items()
        if isinstance(digest, str) and digest.isascii() and algorithm.isascii()
    }


def _json_metadata(file: dict[str, Any]) -> str | None:
    # PEP 714: read the new name; the old one only where the new one is absent.
    for key in ("core-metadata", "dist-info-metadata", "data-dist-info-metadata"):
        value = file.get(key)
        if value is None:
            continue
        if isinstance(value, dict):
            return _metadata_digest("sha256", str(value.get("sha256", "")))
        return "" if value else None
    return None


def links(
    body: bytes, content_type: str, url: str, newer: Callable[[str], None] | None = None
) -> Iterator[Link]:
    """Yield every link of a page, whatever it points to.

    :param newer: called with the version of the API that the page says it speaks, where that is a later
        minor one than what is known here (PEP 629).
    :raises Unreachable: where the page is not readable, or speaks another major version (PEP 629).
    """
    note = newer or _ignore
    kind = content_type.partition(";")[0].strip().lower()
    if spoken := _KIND.fullmatch(kind):
        _check_api_version(spoken[1], url, note)
    is_json = kind.endswith(("+json", "/json")) or body[:64].lstrip().startswith(b"{")
    found = _json_links(body, url, note) if is_json else _html_links(body, content_type, url, note)
    for number, link in enumerate(found):
        if number >= _MOST_FILES:
            raise Unreachable(f"the page lists more than {_MOST_FILES} files", where=url)
        yield link


def _ignore(version: str) -> None:
    """Where nobody wants to know."""
