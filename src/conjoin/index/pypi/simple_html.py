"""Pages of the simple API as HTML (PEP 503, 592, 629, 658, 714), read into links.

They are scanned with a regular expression for the tags that count: five times faster than ``html.parser`` on
boto3's page of 4000 files, and the tests compare it with that.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urljoin

from conjoin.index.pypi.simple_fields import (
    Link,
    check_api_version,
    instant,
    metadata_digest,
    requires_python,
    size,
    target,
)

__all__ = ["html_links"]

# Attribute values may hold ">" in quotes; a comment may hold anchors that do not count. The last alternative
# is a comment or tag that never ends: what follows it is not looked at, as in HTML, or a page of a million
# unclosed quotes would be read to its end a million times.
_TAG = re.compile(
    r"""<!--.*?-->|<(a|base|meta)\s([^>"']*(?:"[^"]*"[^>"']*|'[^']*'[^>"']*)*)>|(<!--|<(?:a|base|meta)\s)""",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""")
_LATIN = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252"})


def html_links(body: bytes, content_type: str, url: str, newer: Callable[[str], None]) -> Iterator[Link]:
    """Yield every link of an HTML page. ``newer`` as in :func:`check_api_version`.

    :raises Unreachable: where it speaks another major version (PEP 629).
    """
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
            attributes.setdefault(name.lower(), html.unescape(value) if "&" in value else value)
        if tag in "aA":
            link = _link(attributes, base)
            if link is not None:
                yield link
        elif tag.lower() == "base":
            # HTML: the first one with an href counts.
            if base is url and attributes.get("href"):
                base = _base(url, attributes["href"])
        elif attributes.get("name", "").lower() == "pypi:repository-version":
            check_api_version(attributes.get("content", ""), url, newer)


def _base(url: str, href: str) -> str:
    try:
        return urljoin(url, href)
    except ValueError:  # an IPv6 host that is broken
        return url


def _link(attributes: dict[str, str], base: str) -> Link | None:
    href = attributes.get("href")
    if not href:
        return None
    href, _, fragment = href.partition("#")
    address = target(href, base)
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
        size=size(attributes.get("data-size")),
        requires_python=requires_python(attributes.get("data-requires-python", "")),
        # PEP 592: the attribute's presence counts, whatever it says.
        yanked=attributes.get("data-yanked"),
        upload_time=instant(attributes.get("data-upload-time")),
        metadata=_metadata(metadata),
    )


def _metadata(announced: str | None) -> str | None:
    if announced is None or announced == "false":
        return None
    algorithm, _, digest = announced.partition("=")
    return metadata_digest(algorithm, digest)
