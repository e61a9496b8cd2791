"""Fetches the core metadata of a wheel, the cheapest way its server offers.

1. The ``.metadata`` file beside it (PEP 658), verified by hash where the index announces one. Many mirrors
   serve these files but drop the announcement; it is tried there too, until a server has only ever missed.
2. ``METADATA`` alone, out of the remote zip file, with range requests.
3. The whole wheel, verified by its sha256.

What 1 and 2 return is the index's word: only whole wheels can be verified by the wheel's hash. A wheel's
hash is verified whenever it is downloaded, and its METADATA is compared with the lock then (hydrate).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from pathlib import Path
from typing import IO

from conjoin.errors import IntegrityError, Unreachable
from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.index.pypi.project import CoreMetadata, IndexFile, Wheel
from conjoin.net.bounded_file import LARGEST_READ
from conjoin.net.checksum import Checksum, mismatch
from conjoin.net.client import HttpClient, Response, Sink, content_length
from conjoin.net.guard import LARGEST_FILE
from conjoin.net.urls import local_path
from conjoin.spec.names import PypiName, pypi_name
from conjoin.untrusted import split_url
from conjoin.writing import disk_errors, write_all

__all__ = ["WheelMetadataReader", "refusal"]

_TAIL = 64 * 1024  # bytes; holds the central directory and METADATA of nearly every wheel
_GROWTH = 16 * 1024  # bytes read at least with every further range
_MAX_RANGES = 12  # more means a server that plays games: take the whole file
_LONGEST_RANGE = LARGEST_READ  # bytes; what the zip file's own words ask for must not fill the memory
_EXTRA = 1024  # bytes for a local file header with its extra field
_MAX_METADATA = 32 * 1024 * 1024
_UNANNOUNCED_MISSES = 3
_ABSENT = frozenset({403, 404, 405, 410, 501})


class WheelMetadataReader:
    """Reads metadata of wheels; remembers which servers serve unannounced ``.metadata`` files.

    :param http: the client.
    :param scratch: folder for wheels that must be downloaded whole, deleted after reading.
    """

    def __init__(self, http: HttpClient, scratch: Path) -> None:
        self._http = http
        self._scratch = scratch
        self._hits: Counter[str] = Counter()
        self._misses: Counter[str] = Counter()
        self.hashes: dict[str, tuple[str, int]] = {}
        """By URL: sha256 and size of wheels that had to be downloaded."""
        self.sizes: dict[str, int] = {}
        """By URL: sizes that were learned on the way."""

    async def read(self, file: Wheel, *, announced_elsewhere: bool) -> CoreMetadata:
        """Return the metadata of a wheel.

        :param announced_elsewhere: whether the index announces ``.metadata`` of other files: then it means
            that this one has none.
        :raises MetadataUnusable: where it is missing or invalid.
        :raises Unreachable: where the network fails or the server refuses.
        :raises IntegrityError: where bytes do not match their announced hash.
        """
        path = local_path(file.url)
        if path is not None:
            return self._parse(self._read_local(file, path), file)
        if file.metadata is not None:
            content = await self._announced(file)
            if content is not None:
                return self._parse(content, file)
        elif not announced_elsewhere:
            known = await self._unannounced(file)
            if known is not None:
                return known
        content = await self._out_of_zip(file)
        return self._parse(content if content is not None else await self._whole(file), file)

    @staticmethod
    def _parse(content: bytes, file: Wheel) -> CoreMetadata:
        return parse_core_metadata(content, _project(file), file.version)

    @staticmethod
    def _read_local(file: Wheel, path: Path) -> bytes:
        from conjoin.index.pypi.wheel_archive import read_metadata

        try:
            with path.open("rb") as stream:
                return read_metadata(stream, _project(file), file.version)
        except FileNotFoundError:
            raise Unreachable("the file does not exist", where=str(path)) from None

    async def _announced(self, file: Wheel) -> bytes | None:
        answer = await self._http.get(_metadata_url(file.url), limit=_MAX_METADATA)
        if answer.status in _ABSENT:
            return None  # announced, but not there: mirrors lag behind
        if answer.status != 200:
            raise refusal(answer)
        if file.metadata and hashlib.sha256(answer.body).hexdigest() != file.metadata:
            raise IntegrityError(
                f"the metadata of {file.filename} does not match the sha256 its index announces",
                where=answer.url,
                advice="the index or something on the way to it is broken or lies: report it to its operator",
            )
        return answer.body

    async def _unannounced(self, file: Wheel) -> CoreMetadata | None:
        server = split_url(file.url).netloc
        if self._misses[server] >= _UNANNOUNCED_MISSES and not self._hits[server]:
            return None
        answer = await self._http.get(_metadata_url(file.url), limit=_MAX_METADATA)
        if answer.status == 200:
            try:
                known = self._parse(answer.body, file)
            except MetadataUnusable:
                pass  # some servers answer 200 with a page of their own; the wheel itself decides
            else:
                self._hits[server] += 1
                return known
        self._misses[server] += 1
        return None

    async def _out_of_zip(self, file: Wheel) -> bytes | None:
        """METADATA by range requests, or None where the server does not do ranges."""
        size = file.size
        if size is None:
            # Explicit ranges need the size: some servers ignore suffix ranges ("the last n bytes").
            head = await self._http.head(file.url)
            length = content_length(head)
            if head.status != 200 or length is None or head.headers.get("accept-ranges") == "none":
                return None
            size = self.sizes[file.url] = length
        from conjoin.index.pypi.wheel_archive import read_metadata
        from conjoin.net.remote_zip import MissingRange, SparseFile

        sparse = SparseFile(size)
        wanted = (max(0, size - _TAIL), size)
        for _ in range(_MAX_RANGES):
            if wanted[1] - wanted[0] > _LONGEST_RANGE:
                return None
            content = await self._range(file.url, *wanted, size)
            if content is None:
                return None
            sparse.add(wanted[0], content)
            try:
                # The central directory says where the member ends up to its extra field: ask once for all.
                return read_metadata(
                    sparse,
                    _project(file),
                    file.version,
                    before_member=lambda member: sparse.demand(
                        member.header_offset,
                        member.header_offset + member.compress_size + len(member.filename) + _EXTRA,
                    ),
                )
            except MissingRange as missing:
                # Backwards, because directories and dist-info lie before what is known of the tail.
                wanted = (max(0, min(missing.start, missing.end - _GROWTH)), missing.end)
        return None

    async def _range(self, url: str, start: int, end: int, size: int) -> bytes | None:
        taken = bytearray()
        usable = False

        def take(chunk: bytes) -> None:
            taken.extend(chunk[: end - start - len(taken)])

        def receive(answer: Response) -> Sink | None:
            nonlocal usable
            taken.clear()
            usable = (
                answer.status == 206
                and answer.headers.get("content-range", "").replace(" ", "").lower()
                in (f"bytes{start}-{end - 1}/{size}", f"bytes{start}-{end - 1}/*")
                and answer.headers.get("content-encoding", "identity") == "identity"
            )
            return take if usable else None

        answer = await self._http.request(
            "GET",
            url,
            headers={"range": f"bytes={start}-{end - 1}", "accept-encoding": "identity"},
            receive=receive,
        )
        if answer.status in (401, 403):
            raise refusal(answer)
        return bytes(taken) if usable and len(taken) == end - start else None

    async def _whole(self, file: Wheel) -> bytes:
        from conjoin.index.pypi.wheel_archive import read_metadata

        self._scratch.mkdir(parents=True, exist_ok=True)
        with disk_errors(self._scratch), tempfile.TemporaryFile(dir=self._scratch, buffering=0) as stream:
            sha256, size = await self.download(file, stream)
            self.hashes[file.url] = (sha256, size)
            stream.seek(0)
            return read_metadata(stream, _project(file), file.version)

    async def download(self, file: IndexFile, into: IO[bytes] | None) -> tuple[str, int]:
        """Download a whole file; return its sha256 and size.

        :param into: where the bytes go, if they are wanted; without a buffer.
        :raises Unreachable: where the server has it not, or refuses.
        :raises IntegrityError: where it does not match the announced hash.
        :raises DiskError: where the disk is full.
        """
        digest, other = hashlib.sha256(), Checksum(file.checksum)
        size = 0

        def take(chunk: bytes) -> None:
            nonlocal size
            size += len(chunk)
            if size > (file.size or LARGEST_FILE):
                raise Unreachable(
                    f"the file is larger than {file.size or LARGEST_FILE} bytes", where=file.url
                )
            digest.update(chunk)
            other.update(chunk)
            if into is not None:
                write_all(into, chunk, file.filename)

        def start(_: Response) -> Sink:
            nonlocal digest, other, size
            digest, other, size = hashlib.sha256(), Checksum(file.checksum), 0
            if into is not None:
                into.seek(0)
                into.truncate()
            return take

        answer = await self._http.request(
            "GET", file.url, headers={"accept-encoding": "identity"}, receive=start
        )
        if answer.status != 200:
            raise refusal(answer)
        if file.sha256 not in (None, digest.hexdigest()) or not other.matches:
            raise mismatch(file.filename, file.url, file.checksum)
        return digest.hexdigest(), size


def refusal(answer: Response, trouble: str = "") -> Unreachable:
    """Return the error for an answer that is neither the thing asked for nor its absence.

    :param trouble: why the keyring was of no use.
    """
    if answer.status in (401, 403, 407):
        return Unreachable(
            f"the server refuses access (HTTP status {answer.status}{f'; {trouble}' if trouble else ''})",
            where=answer.url,
            advice="put a user name and password into the index's URL or into ~/.netrc",
        )
    return Unreachable(f"the server answers with HTTP status {answer.status}", where=answer.url)


def _project(file: Wheel) -> PypiName:
    return pypi_name(file.filename.partition("-")[0])


def _metadata_url(url: str) -> str:
    path, mark, query = url.partition("?")
    return f"{path}.metadata{mark}{query}"
