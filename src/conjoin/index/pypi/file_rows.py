"""The files of one project as rows: what is made of a page once, kept on disk, and turned into files.

A page of thousands of files is parsed once and kept as rows (:class:`Page`, msgpack), release by release; a
warm run reads those of the releases that it looks at, and never the HTML again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby

import msgspec
from packaging.version import Version

from conjoin.cyclic_gc import no_collection
from conjoin.index.pypi.file_names import FileName, FileNameReader
from conjoin.index.pypi.project import Releases, Sdist, Wheel, kind_of
from conjoin.index.pypi.simple_api import Link, links
from conjoin.net.checksum import announced
from conjoin.spec.grammars import is_sha256
from conjoin.spec.names import PypiName

__all__ = ["FORMAT", "Page", "PageFile", "files_of", "parse_page", "releases_of", "rows_of"]

FORMAT = 4
"""Version of the rows and of what the parser makes of a page; kept rows of another one are dropped."""

_FOLDED = "+"  # no URL begins with it: what follows is the URL up to the file's own name


class PageFile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One file as a page announces it; fields as in :class:`conjoin.index.pypi.project.IndexFile`.

    :ivar url: without the file's name where it ends with that, after a plus sign.
    :ivar version: empty where it is spelled as the release's.
    :ivar tags: of a wheel, where they stand in the page's list; -1 for a source distribution.
    """

    filename: str
    url: str
    version: str
    tags: int
    build: tuple[int, str] | None
    sha256: bytes | None
    size: int | None
    requires_python: str
    yanked: str | None
    upload_time: datetime | None
    metadata: bytes | None
    checksum: str


class Page(msgspec.Struct, frozen=True, array_like=True):
    """The files of one project that one page lists, by release, ascending.

    :ivar versions: of each release, as PEP 440 spells it.
    :ivar kinds: of each release a byte, as :class:`conjoin.index.pypi.project.Releases` has it.
    :ivar tags: the tags of the wheels, each once.
    :ivar files: of each release its files, a list of :class:`PageFile`, sorted by file name; not decoded.
    :ivar announces: whether any file has a PEP 658 file beside it.
    :ivar newer: the version of the API that the page speaks, where it is later than what is known here.
    """

    versions: list[str]
    kinds: bytes
    tags: list[str]
    files: list[msgspec.Raw]
    announces: bool
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
    return msgspec.structs.replace(page, newer=newer[0]) if newer else page


def rows_of(found: Iterable[Link], reader: FileNameReader) -> Page:
    """Return those links that are usable files of the reader's project, as sorted rows."""
    with no_collection():
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
    texts: list[str] = []
    kinds = bytearray()
    files: list[msgspec.Raw] = []
    tags: dict[str, int] = {"": -1}
    encoder = msgspec.msgpack.Encoder()
    for _, group in groupby(read, key=lambda item: ranks[id(item[1].version)]):
        release = list(group)
        version = release[0][1].version
        texts.append(spelled[id(version)])
        kinds.append(kind_of(version, ((bool(name.tags), link.yanked is not None) for link, name in release)))
        rows = [
            _row(link, name, spelled[id(name.version)], texts[-1], tags.setdefault(name.tags, len(tags) - 1))
            for link, name in release
        ]
        files.append(msgspec.Raw(encoder.encode(rows)))
    return Page(
        texts, bytes(kinds), list(tags)[1:], files, any(link.metadata is not None for link, _ in read)
    )


def _row(link: Link, name: FileName, version: str, release: str, tags: int) -> PageFile:
    sha256 = link.hashes.get("sha256", "")
    is_known = is_sha256(sha256.lower())
    folded = link.url.endswith(f"/{link.filename}")
    return PageFile(
        filename=link.filename,
        url=f"{_FOLDED}{link.url.removesuffix(link.filename)}" if folded else link.url,
        version="" if version == release else version,
        tags=tags,
        build=name.build or None,
        sha256=bytes.fromhex(sha256) if is_known else None,
        size=link.size,
        requires_python=link.requires_python,
        yanked=link.yanked,
        upload_time=link.upload_time,
        metadata=None if link.metadata is None else bytes.fromhex(link.metadata),
        checksum="" if is_known else announced(link.hashes),
    )


def releases_of(page: Page, index: str) -> Releases:
    """Return what a page lists; the files of a release are made when somebody looks at them."""
    decoder = msgspec.msgpack.Decoder(list[PageFile])
    # Several platforms, of which other wheels fit each, look at the same releases.
    seen: dict[int, list[PageFile | Wheel | Sdist]] = {}

    def read(position: int, fits: Callable[[str], bool] | None) -> Iterator[Wheel | Sdist]:
        version = releases[position]
        rows = seen.get(position)
        if rows is None:
            rows = seen[position] = [*decoder.decode(page.files[position])]
        for number, row in enumerate(rows):
            if isinstance(row, PageFile):
                tags = page.tags[row.tags] if row.tags >= 0 else ""
                if not tags or fits is None or fits(tags):
                    rows[number] = file = _file(row, version, tags, index)
                    yield file
            elif isinstance(row, Sdist) or fits is None or fits(row.tags):
                yield row

    releases = Releases(page.versions, page.kinds, read)
    return releases


def files_of(page: Page, index: str) -> list[Wheel | Sdist]:
    """Return every file that a page lists, sorted by version, then file name."""
    return list(releases_of(page, index).every_file())


def _file(row: PageFile, version: Version, tags: str, index: str) -> Wheel | Sdist:
    name, url = row.filename, row.url
    if url.startswith(_FOLDED):
        url = f"{url[len(_FOLDED) :]}{name}"
    if row.version:
        version = Version(row.version)
    sha256 = None if row.sha256 is None else row.sha256.hex()
    metadata = None if row.metadata is None else row.metadata.hex()
    if tags:
        return Wheel(
            filename=name,
            url=url,
            version=version,
            sha256=sha256,
            size=row.size,
            requires_python=row.requires_python,
            yanked=row.yanked,
            upload_time=row.upload_time,
            metadata=metadata,
            checksum=row.checksum,
            index=index,
            build=row.build or (),
            tags=tags,
        )
    return Sdist(
        filename=name,
        url=url,
        version=version,
        sha256=sha256,
        size=row.size,
        requires_python=row.requires_python,
        yanked=row.yanked,
        upload_time=row.upload_time,
        metadata=metadata,
        checksum=row.checksum,
        index=index,
    )
