"""Pages of the simple API (PEP 503, 629, 691), HTML or JSON as the index has it, read into links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from conjoin.errors import Unreachable
from conjoin.index.pypi.simple_fields import Link, check_api_version
from conjoin.index.pypi.simple_json import json_links

__all__ = ["ACCEPT", "Link", "links"]

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""The Accept header of PEP 691: JSON if the index can."""

_KIND = re.compile(r"application/vnd\.pypi\.simple\.v([0-9]{1,9})\+(?:json|html)")
_MOST_FILES = 200_000  # the largest project known lists a twentieth of it


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
        check_api_version(spoken[1], url, note)
    is_json = kind.endswith(("+json", "/json")) or body[:64].lstrip().startswith(b"{")
    if is_json:
        found = json_links(body, url, note)
    else:
        from conjoin.index.pypi.simple_html import html_links

        found = html_links(body, content_type, url, note)
    for number, link in enumerate(found):
        if number >= _MOST_FILES:
            raise Unreachable(f"the page lists more than {_MOST_FILES} files", where=url)
        yield link


def _ignore(version: str) -> None:
    """Where nobody wants to know."""
