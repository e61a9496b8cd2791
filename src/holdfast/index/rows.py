"""The files of one project as rows: what is made of a page once, kept on disk, and turned into files.

A page of thousands of files is parsed once and kept as rows (:class:`Page`, msgpack); a warm run reads
those, never the HTML again.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import msgspec
from packaging.version import Version

from holdfast.index.checksum import announced
from holdfast.index.file_names import FileName, FileNameReader
from holdfast.index.project import Sdist, Wheel
from holdfast.index.simple_page import Link, links
from holdfast.spec.names import PypiName

__all__ = ["FORMAT", "Page", "PageFile", "files_of", "parse_page", "rows_of"]

FORMAT = 2
"""Version of the rows and of what the parser makes of a page; kept rows of another one are dropped."""

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


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
    checksum: str


class Page(msgspec.Struct, frozen=True, array_like=True):
    """The files of one project that one page lists, sorted by version, then file name.

    :ivar newer: the version of the API that the page speaks, where it is later than what is known here.
    """

    files: list[PageFile]
    newer: str = ""


def parse_page(body: bytes, content_type: str, url: str, project: PypiName) -> Page:
    """Return the usable files of ``project`` that a page lists.

    Files of other projects, of unknown formats, with unsafe names or with URLs that are not http(s) (or
    file, on a local page) are skipped, as PEP 503 clients do.

    :param url: where the page came from, after redirects: relative links count from there.
    :raises Unreachable: where the page is not readable, or speaks another major version (PEP 629).
    """
    newer: list[str] = []
    page = rows_of(links(body, content_type, url, newer.append), FileNameReader(project))
    return Page(page.files, newer[0]) if newer else page


def rows_of(found: Iterable[Link], reader: FileNameReader) -> Page:
    """Return those links that are usable files of the reader's project, as sorted rows."""
    with _without_gc():
        return _rows_of(found, reader)


def _rows_of(found: Iterable[Link], reader: FileNameReader) -> Page:
    # A page may list one file name twice, with other bytes: the first counts, as for the indexes themselves.
    first: dict[str, tuple[Link, FileName]] = {}
    for link in found:
        if link.filename not in first and (name := reader.read(link.filename)) is not None:
            first[link.filename] = (link, name)
    read = list(first.values())
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
    is_known = _SHA256.fullmatch(sha256) is not None
    return PageFile(
        filename=link.filename,
        url=link.url,
        version=version,
        tags=name.tags,
        build=name.build or None,
        sha256=sha256.lower() if is_known else None,
        size=link.size,
        requires_python=link.requires_python,
        yanked=link.yanked,
        upload_time=link.upload_time,
        metadata=link.metadata,
        checksum="" if is_known else announced(link.hashes),
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
                    checksum=row.checksum,
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
                    checksum=row.checksum,
                    index=index,
                )
            )
    return files
