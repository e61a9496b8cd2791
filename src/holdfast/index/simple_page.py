"""Pages of the simple API (PEP 503, 592, 629, 658, 691, 700, 714), HTML and JSON, read into rows.

A page of thousands of files is parsed once and kept as rows (:class:`Page`, msgpack); a warm run reads
those, never the HTML again. HTML is scanned with a regular expression for the two tags that count: five
times faster than ``html.parser`` on boto3's page of 4000 files, and the tests compare it with that.
"""

from __future__ import annotations

import gc
import html
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import msgspec
from packaging.version import Version

from holdfast.errors import Unreachable
from holdfast.index.file_names import FileName, FileNameReader
from holdfast.index.project import Sdist, Wheel
from holdfast.index.specifiers import repaired
from holdfast.index.urls import without_secrets
from holdfast.spec.names import PypiName

__all__ = ["ACCEPT", "FORMAT", "Link", "Page", "PageFile", "files_of", "links", "parse_page", "rows_of"]

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""The Accept header of PEP 691: JSON if the index can."""

FORMAT = 1
"""Version of the rows and of what the parser makes of a page; kept rows of another one are dropped."""

# Attribute values may hold ">" in quotes; a comment may hold anchors that do not count.
_TAG = re.compile(
    r"""<!--.*?-->|<(a|base|meta)\s([^>"']*(?:"[^"]*"[^>"']*|'[^']*'[^>"']*)*)>""", re.DOTALL | re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"""([^\s=>"'/]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?""")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_API_MAJOR = 1  # PEP 629: refuse another major version


class PageFile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file as a page announces it; fields as in :class:`holdfast.index.project.IndexFile`."""

    filename: str
    url: str
    version: str
    tags: str
    build: tuple[int, str] | None
    sha256: str | None
    size: int | None
    requires_python: str
    yanked: str | None
    upload_time: datetime | None
    metadata: str | None


class Page(msgspec.Struct, frozen=True, array_like=True):
    """The files of one project that one page lists, sorted by version, then file name."""

    files: list[PageFile]


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


def parse_page(body: bytes, content_type: str, url: str, project: PypiName) -> Page:
    """Return the usable files of ``project`` that a page lists.

    Files of other projects, of unknown formats, with unsafe names or with URLs that are not http(s) (or
    file, on a local page) are skipped, as PEP 503 clients do.

    :param url: where the page came from, after redirects: relative links count from there.
    :raises Unreachable: where the page is not readable, or speaks another major version (PEP 629).
    """
    return rows_of(links(body, content_type, url), FileNameReader(project))


def rows_of(found: Iterable[Link], reader: FileNameReader) -> Page:
    """Return those links that are usable files of the reader's project, as sorted rows."""
    with _without_gc():
        return _rows_of(found, reader)


def _rows_of(found: Iterable[Link], reader: FileNameReader) -> Page:
    read = [(link, name) for link in found if (name := reader.read(link.filename)) is not None]
    # Far fewer versions than files: spell and compare each once.
    versions = sorted({id(name.version): name.version for _, name in read}.values())
    spelled = {id(version): str(version) for version in versions}
    ranks: dict[int, int] = {}
    for position, version in enumerate(versions):
        same = position > 0 and version == versions[position - 1]
        ranks[id(version)] = ranks[id(versions[position - 1])] if same else position
    read.sort(key=lambda item: (ranks[id(item[1].version)], item[0].filename))
    return Page([_row(link, name, spelled[id(name.version)]) for link, name in read])


def _row(link: Link, name: FileName, version: str) -> PageFile:
    sha256 = link.hashes.get("sha256", "")
    return PageFile(
        filename=link.filename,
        url=link.url,
        version=version,
        tags=name.tags,
        build=name.build or None,
        sha256=sha256.lower() if _SHA256.fullmatch(sha256) else None,
        size=link.size,
        requires_python=link.requires_python,
        yanked=link.yanked,
        upload_time=link.upload_time,
        metadata=link.metadata,
    )


def files_of(page: Page, index: str) -> list[Wheel | Sdist]:
    """Return a page's rows as files; those of one version share one ``Version``."""
    with _without_gc():
        return _files_of(page, index)


@contextmanager
def _without_gc() -> Iterator[None]:
    """Pause the cyclic garbage collector: with 100000 new objects, none garbage, it takes half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _files_of(page: Page, index: str) -> list[Wheel | Sdist]:
    versions: dict[str, Version] = {}
    files: list[Wheel | Sdist] = []
    for row in page.files:
        version = versions.get(row.version)
        if version is None:
            version = versions[row.version] = Version(row.version)
        if row.tags:
            files.append(
                Wheel(
                    filename=row.filename,
                    url=row.url,
                    version=version,
                    sha256=row.sha256,
                    size=row.size,
                    requires_python=row.requires_python,
                    yanked=row.yanked,
                    upload_time=row.upload_time,
                    metadata=row.metadata,
                    index=index,
                    build=row.build or (),
                    tags=row.tags,
                )
            )
        else:
            files.append(
                Sdist(
                    filename=row.filename,
                    url=row.url,
                    version=version,
                    sha256=row.sha256,
                    size=row.size,
                    requires_python=row.requires_python,
                    yanked=row.yanked,
                    upload_time=row.upload_time,
                    metadata=row.metadata,
                    index=index,
                )
            )
    return files


def links(body: bytes, content_type: str, url: str) -> Iterator[Link]:
    """Yield every link of a page, whatever it points to.

    :raises Unreachable: as :func:`parse_page`.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("+json", "/json")) or body[:64].lstrip().startswith(b"{"):
        return _json_links(body, url)
    return _html_links(body, content_type, url)


def _target(href: str, base: str) -> str | None:
    """Return the absolute URL of a link, or None where a page from there may not point to it."""
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


def _html_links(body: bytes, content_type: str, url: str) -> Iterator[Link]:
    charset = re.search(r"charset=[\"']?([\w-]+)", content_type)
    try:
        text = body.decode(charset[1] if charset else "utf-8", errors="replace")
    except LookupError:  # a charset nobody knows
        text = body.decode("utf-8", errors="replace")
    base = url
    for match in _TAG.finditer(text):
        tag = match[1]
        if tag is None:
            continue
        attributes: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(match[2]):
            value = double or single or bare
            # HTML: of an attribute that stands twice, the first counts.
            attributes.setdefault(name.lower(), html.unescape(value) if "&" in value else value)
        if tag in "aA":
            link = _html_link(attributes, base)
            if link is not None:
                yield link
        elif tag.lower() == "base":
            # HTML: the first one with an href counts.
            if base is url and attributes.get("href"):
                base = urljoin(url, attributes["href"])
        elif attributes.get("name", "").lower() == "pypi:repository-version":
            _check_api_version(attributes.get("content", ""), url)


def _html_link(attributes: dict[str, str], base: str) -> Link | None:
    href = attributes.get("href")
    if not href:
        return None
    href, _, fragment = href.partition("#")
    target = _target(href, base)
    if target is None:
        return None
    filename = target.partition("?")[0].rpartition("/")[2]
    algorithm, _, digest = fragment.partition("=")
    # PEP 714: the new name wins over the old one where both stand.
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    return Link(
        filename=unquote(filename) if "%" in filename else filename,
        url=target,
        hashes={algorithm.lower(): digest.partition("&")[0]} if digest else {},
        size=_size(attributes.get("data-size")),
        requires_python=repaired(attributes.get("data-requires-python", "").strip()),
        yanked=attributes.get("data-yanked"),
        upload_time=_instant(attributes.get("data-upload-time")),
        metadata=None if metadata is None or metadata == "false" else _sha256(metadata.partition("=")),
    )


def _sha256(parts: tuple[str, str, str]) -> str:
    algorithm, _, digest = parts
    return digest.lower() if algorithm.lower() == "sha256" and _SHA256.fullmatch(digest) else ""


def _json_links(body: bytes, url: str) -> Iterator[Link]:
    try:
        page = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
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
    _check_api_version(str(meta.get("api-version", "")) if isinstance(meta, dict) else "", url)
    for file in page.get("files", []):
        link = _json_link(file, url) if isinstance(file, dict) else None
        if link is not None:
            yield link


def _json_link(file: dict[str, Any], base: str) -> Link | None:
    filename, href = file.get("filename"), file.get("url")
    if not isinstance(filename, str) or not isinstance(href, str):
        return None
    target = _target(href, base)
    if target is None:
        return None
    hashes = file.get("hashes")
    yanked = file.get("yanked", False)
    requires_python = file.get("requires-python")
    return Link(
        filename=filename,
        url=target,
        hashes={str(k).lower(): str(v) for k, v in hashes.items()} if isinstance(hashes, dict) else {},
        size=_size(file.get("size")),
        requires_python=repaired(requires_python.strip()) if isinstance(requires_python, str) else "",
        yanked=yanked if isinstance(yanked, str) else ("" if yanked else None),
        upload_time=_instant(file.get("upload-time")),
        metadata=_json_metadata(file),
    )


def _json_metadata(file: dict[str, Any]) -> str | None:
    # PEP 714: read the new name; the old one only where the new one is absent.
    for key in ("core-metadata", "dist-info-metadata", "data-dist-info-metadata"):
        value = file.get(key)
        if value is None:
            continue
        if isinstance(value, dict):
            return _sha256(("sha256", "=", str(value.get("sha256", ""))))
        return "" if value else None
    return None


def _size(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _instant(value: object) -> datetime | None:
    """PEP 700: ISO 8601 in UTC; anything else counts as not said."""
    if not isinstance(value, str):
        return None
    try:
        moment = msgspec.convert(value.strip(), datetime)
    except msgspec.ValidationError:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def _check_api_version(text: str, url: str) -> None:
    major = text.strip().partition(".")[0]
    if major.isdigit() and int(major) > _API_MAJOR:
        raise Unreachable(
            f"the index speaks version {text.strip()} of the simple API, this Holdfast version {_API_MAJOR}",
            where=url,
            advice="update Holdfast or use another index",
        )
