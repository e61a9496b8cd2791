"""An object's bytes on their way out of an object store and into it: in parts, several at a time."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from conjoin.store.backend.cloud_errors import cloud_errors

if TYPE_CHECKING:
    from obstore import Bytes, WritableFile
    from obstore.store import ObjectStore

__all__ = ["CloudWriter", "open_stream", "open_writer"]

_PART = 8 << 20
"""Bytes of one part of a multipart upload; what is smaller is sent in one request."""

_PARTS_AT_ONCE = 4
_RANGE = 8 << 20
_BIG = 4 * _RANGE
"""Bytes from which on an object is fetched in ranges: clouds give one connection less than the line has."""
_CHUNK = 1 << 20
_NO_RANGES = re.compile(r"non-partial response|status code: 416")


def open_stream(store: ObjectStore, key: str, where: str, size: int = 0) -> Iterator[bytes] | None:
    """Return an object's bytes in chunks of some megabytes, None where there is none.

    :param where: its address.
    :param size: its length as far as it is known; a big one is fetched in parts, several at a time.
    """
    import obstore
    from obstore.exceptions import GenericError

    with cloud_errors(where):
        try:
            if size >= _BIG:
                try:
                    return _parts(store, key, where, obstore.get(store, key, options={"range": (0, _RANGE)}))
                except GenericError as error:
                    if not _NO_RANGES.search(str(error)):
                        raise
            return _chunks(where, obstore.get(store, key))
        except FileNotFoundError:
            return None


def open_writer(store: ObjectStore, key: str, where: str) -> CloudWriter:
    """Return a place to write an object of any length to, in constant memory.

    :param where: its address.
    """
    import obstore

    with cloud_errors(where):
        opened = obstore.open_writer(store, key, buffer_size=_PART, max_concurrency=_PARTS_AT_ONCE)
    return CloudWriter(where, opened)


class CloudWriter:
    """An object being written; it does not exist before :meth:`close`."""

    def __init__(self, where: str, opened: WritableFile) -> None:
        self._where = where
        self._opened = opened

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""
        with cloud_errors(self._where):
            self._opened.write(chunk)

    def close(self) -> None:
        """Make the object appear."""
        with cloud_errors(self._where):
            self._opened.close()


def _chunks(where: str, result: Any) -> Iterator[bytes]:
    with cloud_errors(where):
        for chunk in result.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)


def _parts(store: ObjectStore, key: str, where: str, first: Any) -> Iterator[bytes]:
    size = first.meta["size"]
    starts = iter(range(_RANGE, size, _RANGE))
    ahead: deque[Future[Bytes]] = deque()
    pool = ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="conjoin-parts")

    def ask_for(parts: int) -> None:
        for start in islice(starts, parts):
            ahead.append(pool.submit(_part, store, key, where, start, min(start + _RANGE, size)))

    try:
        ask_for(_PARTS_AT_ONCE)
        yield from _chunks(where, first)
        while ahead:
            part = ahead.popleft().result()
            ask_for(1)
            with memoryview(part) as view:
                # Not a part at once: what is hashed and written after this is still in the processor's cache.
                for start in range(0, len(view), _CHUNK):
                    yield bytes(view[start : start + _CHUNK])
    finally:  # whoever stops reading, or fails, waits for nothing
        pool.shutdown(wait=False, cancel_futures=True)


def _part(store: ObjectStore, key: str, where: str, start: int, end: int) -> Bytes:
    import obstore

    with cloud_errors(where):
        return obstore.get_range(store, key, start=start, end=end)
