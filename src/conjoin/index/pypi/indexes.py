"""What exists on PyPI indexes: projects with their files, and the metadata of wheels.

Everything is asked once per run and kept on disk: pages for as long as their index says, metadata for ever
(see :mod:`conjoin.net.http_cache` and :mod:`conjoin.index.pypi.metadata_cache`).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from conjoin.errors import Unreachable
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.file_names import FileNameReader
from conjoin.index.pypi.file_rows import Page, parse_page, releases_of, rows_of
from conjoin.index.pypi.find_links import FindLinks, links_of_folder
from conjoin.index.pypi.metadata_cache import MetadataCache
from conjoin.index.pypi.pages import Pages
from conjoin.index.pypi.project import CoreMetadata, IndexFile, Project, Releases, Wheel
from conjoin.index.pypi.wheel_metadata import WheelMetadataReader
from conjoin.net.checksum import mismatch
from conjoin.net.client import HttpClient, content_length
from conjoin.net.credentials import Credentials
from conjoin.net.http_cache import HttpCache
from conjoin.net.single_flight import Once
from conjoin.net.urls import local_path
from conjoin.spec.credentials import take_credentials
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import Credential

__all__ = ["MetadataUnusable", "PypiIndexes"]


class PypiIndexes:
    """The PyPI side of a resolve: indexes in order of priority, and find-links beside them.

    Belongs to one event loop. Concurrent calls for one thing become one request, answers are remembered.

    :param indexes: URLs of simple APIs (PEP 503, 691); the first that has a project wins
        for it. ``file:`` URLs of such folders will do.
    :param find_links: paths and URLs of folders, pages and files; what they have of a project is merged in,
        and wins over a file of the same name.
    :param cache_dir: Conjoin's cache; ``http`` and ``metadata`` below it are used.
    :param offline: use the cache alone, however old; what is not there is unreachable.
    :param credentials: for the indexes; ``.netrc`` is asked too.
    :param attempts: as in :class:`HttpClient`.
    :param backoff: as in :class:`HttpClient`.
    """

    def __init__(
        self,
        indexes: Sequence[str],
        find_links: Sequence[str] = (),
        *,
        cache_dir: Path,
        offline: bool = False,
        credentials: Sequence[Credential] = (),
        attempts: int = 4,
        backoff: float = 0.3,
    ) -> None:
        # Whoever left credentials in a URL: they would become part of cache keys and of what is reported.
        given = list(credentials)
        taken = [take_credentials(url) for url in (*indexes, *find_links)]
        for _, found in taken:
            given += found
        self._indexes = tuple(url for url, _ in taken[: len(indexes)])
        find_links = [url for url, _ in taken[len(indexes) :]]
        self._logins = Credentials(given, (*self._indexes, *find_links))
        self._http = HttpClient(self._logins, offline=offline, attempts=attempts, backoff=backoff)
        self._cache = HttpCache(cache_dir / "http", self._logins.address)
        self._pages = Pages(self._http, self._cache)
        self._find_links = FindLinks(find_links, self._pages)
        self._metadata_cache = MetadataCache(
            cache_dir / "metadata", offline=offline, address=self._logins.address
        )
        self._reader = WheelMetadataReader(self._http, cache_dir / "http")
        self._announcing: set[str] = set()
        self._once = Once(MetadataUnusable)
        self._sizes: dict[tuple[str | None, str], int] = {}
        self._at_hand: dict[str, CoreMetadata | MetadataUnusable] = {}

    @property
    def requests(self) -> int:
        """How many requests went over the network."""
        return self._http.requests

    @property
    def warnings(self) -> list[str]:
        """What people should know of the indexes that were asked, one sentence each."""
        return [
            f"{index} speaks version {version} of the simple API, which this Conjoin does not know: what is "
            "new in it is left out of account"
            for index, version in sorted(self._pages.newer.items())
        ]

    async def project(self, name: PypiName) -> Project:
        """Return all files of a project; without files where nobody has it.

        :raises Unreachable: where an index cannot be asked. An index that is down must not look like one
            that lacks the project: the next one might have another project of that name.
        """
        return await self._once.do(("project", name), lambda: self._project(name))

    async def metadata(self, file: Wheel) -> CoreMetadata:
        """Return the core metadata of a wheel.

        :raises MetadataUnusable: where it is missing or invalid.
        :raises Unreachable: where the network fails.
        :raises IntegrityError: where bytes do not match a hash the index announces.
        """
        return await self._once.do(("metadata", file.url), lambda: self._metadata(file))

    def at_hand(self, file: Wheel) -> CoreMetadata | MetadataUnusable | None:
        """Return what is known of a wheel without asking anybody: its metadata, why it has none, or None."""
        known = self._at_hand.get(file.url)
        if known is None and local_path(file.url) is None:
            known = self._metadata_cache.load(file)
            if known is not None:
                self._at_hand[file.url] = known
        return known

    async def hash_of(self, file: IndexFile) -> tuple[str, int]:
        """Return sha256 and size in bytes of a file; the size is 0 where it cannot be learned cheaply.

        A file without an announced sha256 is downloaded and hashed.

        :raises Unreachable: where the network fails.
        """
        return await self._once.do(("hash", file.url), lambda: self._hash_of(file))

    def hash_at_hand(self, file: IndexFile) -> tuple[str, int] | None:
        """Return the same where it is known without asking anybody, else None."""
        if file.sha256 is None or local_path(file.url) is not None:
            return None
        size = file.size if file.size is not None else self._kept_size(file)
        return None if size is None else (file.sha256, size)

    async def aclose(self) -> None:
        """Close all connections and stop what still runs."""
        await self._once.stop()
        await self._http.aclose()

    async def _project(self, name: PypiName) -> Project:
        beside = await self._find_links.files(name)
        releases = Releases()
        source = beside[0][0] if beside else ""
        for index in self._indexes:
            page = await self._page(index, name)
            if page is not None:
                releases = releases_of(page, index)
                source = index
                if page.announces:
                    self._announcing.add(index)
                break
        if beside:
            named = {file.filename: file for file in releases.every_file()}
            for _, file in reversed(beside):
                named[file.filename] = file
            releases = Releases.of(sorted(named.values(), key=lambda file: (file.version, file.filename)))
        return Project(name=name, releases=releases, index=source)

    async def _page(self, index: str, name: PypiName) -> Page | None:
        folder = local_path(index)
        if folder is None:
            return await self._pages.project(index, name)
        if not folder.is_dir():
            raise Unreachable("the index's folder does not exist", where=index)
        listing = folder / name / "index.html"
        if listing.is_file():
            return parse_page(listing.read_bytes(), "text/html", listing.absolute().as_uri(), name)
        if listing.parent.is_dir():
            return rows_of(links_of_folder(listing.parent), FileNameReader(name))
        return None

    async def _metadata(self, file: Wheel) -> CoreMetadata:
        known = self.at_hand(file)
        if known is None:
            try:
                known = await self._reader.read(file, announced_elsewhere=file.index in self._announcing)
            except MetadataUnusable as unusable:
                known = unusable
            if local_path(file.url) is None:
                self._metadata_cache.store(file, known)
            self._at_hand[file.url] = known
        if isinstance(known, MetadataUnusable):
            raise known
        return known

    async def _hash_of(self, file: IndexFile) -> tuple[str, int]:
        path = local_path(file.url)
        if path is not None:
            hashed = await asyncio.to_thread(_hash_local, path)
            if file.sha256 not in (None, hashed[0]):
                raise mismatch(file.filename, file.url)
            return hashed
        if file.sha256 is not None:
            return file.sha256, file.size if file.size is not None else await self._size(file)
        if file.url in self._reader.hashes:
            return self._reader.hashes[file.url]
        kind = "sha256"
        entry = self._cache.load(kind, file.url)
        if entry is not None and (self._http.offline or entry.is_fresh(time.time())):
            return msgspec.msgpack.decode(entry.body, type=tuple[str, int])
        known = await self._reader.download(file, None)
        self._cache.store(
            kind, file.url, status=200, headers={}, body=msgspec.msgpack.encode(known), now=time.time()
        )
        return known

    async def _size(self, file: IndexFile) -> int:
        kept = self._kept_size(file)
        if kept is not None:
            return kept
        size = self._reader.sizes.get(file.url, 0)
        if not size and not self._http.offline:
            head = await self._http.head(file.url)
            size = (content_length(head) or 0) if head.status == 200 else 0
        if size:
            self._sizes[file.sha256, file.url] = size
            self._cache.store(
                _size_kind(file),
                file.url,
                status=200,
                headers={},
                body=msgspec.msgpack.encode(size),
                now=time.time(),
            )
        return size

    def _kept_size(self, file: IndexFile) -> int | None:
        key = (file.sha256, file.url)
        if key not in self._sizes:
            entry = self._cache.load(_size_kind(file), file.url)
            if entry is None:
                return None
            self._sizes[key] = msgspec.msgpack.decode(entry.body, type=int)
        return self._sizes[key]


def _size_kind(file: IndexFile) -> str:
    return f"size-{file.sha256}"  # a file of one sha256 has one size, for ever


def _hash_local(path: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise Unreachable(f"the file cannot be read ({error.strerror})", where=str(path)) from None
    return digest.hexdigest(), size
