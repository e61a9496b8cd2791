"""Pages of the simple API as JSON (PEP 691, 700, 714), read into links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from conjoin.errors import Unreachable
from conjoin.index.pypi.simple_fields import (
    Link,
    check_api_version,
    instant,
    metadata_digest,
    requires_python,
    size,
    target,
)

__all__ = ["json_links"]


def json_links(body: bytes, url: str, newer: Callable[[str], None]) -> Iterator[Link]:
    """Yield every link of a JSON page. ``newer`` as in :func:`check_api_version`.

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
    check_api_version(str(meta.get("api-version", "")) if isinstance(meta, dict) else "", url, newer)
    for file in page.get("files", []):
        link = _link(file, url) if isinstance(file, dict) else None
        if link is not None:
            yield link


def _link(file: dict[str, Any], base: str) -> Link | None:
    filename, href = file.get("filename"), file.get("url")
    if not isinstance(filename, str) or not isinstance(href, str):
        return None
    address = target(href, base)
    if address is None:
        return None
    # PEP 691: what is true counts as yanked, a text is the reason; an empty text is not true.
    yanked = file.get("yanked") or None
    return Link(
        filename=filename,
        url=address,
        hashes=_hashes(file.get("hashes")),
        size=size(file.get("size")),
        requires_python=requires_python(file.get("requires-python")),
        yanked=yanked if isinstance(yanked, str) or yanked is None else "",
        upload_time=instant(file.get("upload-time")),
        metadata=_metadata(file),
    )


def _hashes(hashes: object) -> dict[str, str]:
    if not isinstance(hashes, dict):
        return {}
    return {
        algorithm.lower(): digest
        for algorithm, digest in hashes.items()
        if isinstance(digest, str) and digest.isascii() and algorithm.isascii()
    }


def _metadata(file: dict[str, Any]) -> str | None:
    # PEP 714: read the new name; the old one only where the new one is absent.
    for key in ("core-metadata", "dist-info-metadata", "data-dist-info-metadata"):
        value = file.get(key)
        if value is None:
            continue
        if isinstance(value, dict):
            return metadata_digest("sha256", str(value.get("sha256", "")))
        return "" if value else None
    return None
