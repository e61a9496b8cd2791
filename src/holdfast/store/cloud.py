"""Objects in S3, GCS, Azure or this process's memory, through obstore."""

from __future__ import annotations

import random
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from holdfast.errors import Unreachable
from holdfast.store.address import Address
from holdfast.store.backend import Listed, Object

if TYPE_CHECKING:
    from obstore import WritableFile
    from obstore.store import ObjectStore

__all__ = ["CloudBackend"]

PART = 8 << 20
"""Bytes of one part of a multipart upload; what is smaller is sent in one request."""

_PARTS_AT_ONCE = 4
_RANGE = 8 << 20
_BIG = 4 * _RANGE
"""Bytes from which on an object is fetched in ranges: clouds give one connection less than the line has."""
_DELETED_AT_ONCE = 1000
_CHUNK = 1 << 20
_PROBE = "conditional-writes"
_STATUS = re.compile(r"non-2xx status code: (\d{3}[ A-Za-z-]*)")
_REFUSED = re.compile(r"non-2xx status code: 40[13]")
_NO_RANGES = re.compile(r"non-partial response|status code: 416")
_TRIES = 6
_SEPARATOR = "\n"


class CloudBackend:
    """A :class:`~holdfast.store.backend.Backend` in an object store.

    Server errors, throttling and cut connections are tried again with growing pauses (by obstore, which
    also resumes a body in the middle) before anything is raised.

    :raises UsageError: where the address is none.
    :raises Unreachable: where the configuration of this cloud, from the environment, is not usable.
    """

    def __init__(self, address: Address) -> None:
        self.place = address.text
        self._conditions_checked = False
        with self._errors(""):
            self._store: ObjectStore = address.open()
            self._uploads: ObjectStore = address.open(to_upload=True)

    def where(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self.place}/{key}"

    def get(self, key: str) -> Object | None:
        """Return an object, None where there is none."""
        import obstore

        with self._errors(key):
            try:
                result = obstore.get(self._store, key)
                meta = result.meta
                return Object(bytes(result.bytes()), _version(meta))
            except FileNotFoundError:
                return None

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, None where there is none."""
        import obstore

        with self._errors(key):
            try:
                return obstore.head(self._store, key)["size"]
            except FileNotFoundError:
                return None

    def keys(self, prefix: str) -> list[str]:
        """Return all keys below ``prefix``, sorted; one request per thousand."""
        return [each.key for each in self.objects(prefix)]

    def objects(self, prefix: str) -> list[Listed]:
        """Return all objects below ``prefix``, sorted by key; one request per thousand."""
        import obstore

        with self._errors(prefix):
            batches = obstore.list(self._store, prefix, chunk_size=1000)
            return sorted(
                Listed(meta["path"], meta["size"], meta["last_modified"].timestamp())
                for batch in batches
                for meta in batch
            )

    def put(self, key: str, data: bytes) -> None:
        """Make an object, or replace whatever it was."""
        import obstore

        with self._errors(key):
            obstore.put(self._store, key, data, use_multipart=False)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Make an object unless there is one, and return whether there was none.

        :raises Unreachable: where the store does not honour the condition: it could lose what others wrote.
        """
        self._check_conditions()
        for attempt in range(_TRIES):
            if self._create(key, data):
                return True
            # S3 answers 409, not 412, while somebody else's write is on its way: it may fail yet.
            if self.size(key) is not None:
                return False
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 (no secret)
        raise Unreachable("others are writing this all the time", where=self.where(key), advice="try again")

    def compare_and_swap(self, key: str, data: bytes, version: str | None) -> bool:
        """Replace the object if it is still at ``version`` (None: absent), and return whether it was."""
        if version is None:
            return self.put_if_absent(key, data)
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        self._check_conditions()
        with self._errors(key):
            try:
                obstore.put(self._store, key, data, mode=_update(version))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        import obstore

        with self._errors(key):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove objects, those that there are; S3 takes a thousand in one request."""
        import obstore

        for start in range(0, len(keys), _DELETED_AT_ONCE):
            batch = list(keys[start : start + _DELETED_AT_ONCE])
            with self._errors(batch[0]):
                try:
                    obstore.delete(self._store, batch)
                except FileNotFoundError:
                    # Not every kind of store forgives that one is gone, and the rest of the batch may stay.
                    for key in batch:
                        self.delete(key)

    def stream(self, key: str, size: int = 0) -> Iterator[bytes] | None:
        """Return an object's bytes in chunks of some megabytes, None where there is none.

        :param size: its length as far as it is known; a big one is fetched in parts, several at a time.
        """
        import obstore
        from obstore.exceptions import GenericError

        with self._errors(key):
            try:
                if size >= _BIG:
                    try:
                        return self._parts(key, obstore.get(self._store, key, options={"range": (0, _RANGE)}))
                    except GenericError as error:
                        if not _NO_RANGES.search(str(error)):
                            raise
                return self._chunks(key, obstore.get(self._store, key))
            except FileNotFoundError:
                return None

    def writer(self, key: str) -> CloudWriter:
        """Return a place to write an object of any length to, in constant memory."""
        import obstore

        with self._errors(key):
            opened = obstore.open_writer(self._uploads, key, buffer_size=PART, max_concurrency=_PARTS_AT_ONCE)
        return CloudWriter(self, key, opened)

    def _chunks(self, key: str, result: Any) -> Iterator[bytes]:
        with self._errors(key):
            for chunk in result.stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)

    def _parts(self, key: str, first: Any) -> Iterator[bytes]:
        size = first.meta["size"]
        starts = iter(range(_RANGE, size, _RANGE))
        ahead: deque[Future[bytes]] = deque()
        pool = ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="holdfast-parts")

        def ask_for(parts: int) -> None:
            for start in islice(starts, parts):
                ahead.append(pool.submit(self._part, key, start, min(start + _RANGE, size)))

        try:
            ask_for(_PARTS_AT_ONCE)
            yield from self._chunks(key, first)
            while ahead:
                part = ahead.popleft().result()
                ask_for(1)
                yield part
        finally:  # whoever stops reading, or fails, waits for nothing
            pool.shutdown(wait=False, cancel_futures=True)

    def _part(self, key: str, start: int, end: int) -> bytes:
        import obstore

        with self._errors(key):
            return bytes(obstore.get_range(self._store, key, start=start, end=end))

    def _create(self, key: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._errors(key):
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def _check_conditions(self) -> None:
        """Find out, before it matters, whether the server ignores ``If-None-Match``, as some do."""
        if self._conditions_checked:
            return
        if self._create(_PROBE, b"honoured\n") and self._create(_PROBE, b"honoured\n"):
            raise Unreachable(
                "this store ignores conditional writes, so writers could destroy each other's work",
                where=self.place,
                advice="use a server that honours If-None-Match, or a folder",
            )
        self._conditions_checked = True

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Say what went wrong in words of ours: obstore's name addresses, and may name more than that."""
        from obstore.exceptions import (
            BaseError,
            NotSupportedError,
            PermissionDeniedError,
            UnauthenticatedError,
        )

        where = self.where(key) if key else self.place
        refused = Unreachable(
            "the store refuses these credentials",
            where=where,
            advice="check the cloud's usual variables and profiles, and what they may do there",
        )
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError):
            raise refused from None
        except (NotSupportedError, NotImplementedError):
            raise Unreachable(
                "the store cannot do this", where=where, advice="it needs conditional writes (put-if-absent)"
            ) from None
        except (BaseError, OSError, ValueError) as error:
            if _REFUSED.search(str(error)):  # a writer tells only in words
                raise refused from None
            raise Unreachable(
                f"the store cannot be used ({_reason(str(error))})",
                where=where,
                advice="check its address, region, credentials and the network, and try again",
            ) from None


class CloudWriter:
    """An object being written; it does not exist before :meth:`close`."""

    def __init__(self, backend: CloudBackend, key: str, opened: WritableFile) -> None:
        self._backend = backend
        self._key = key
        self._opened = opened

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""
        with self._backend._errors(self._key):
            self._opened.write(chunk)

    def close(self) -> None:
        """Make the object appear."""
        with self._backend._errors(self._key):
            self._opened.close()


def _version(meta: Any) -> str:
    # GCS compares generations ("version"), S3 and Azure e-tags.
    return f"{meta.get('e_tag') or ''}{_SEPARATOR}{meta.get('version') or ''}"


def _update(version: str) -> Any:
    e_tag, _, generation = version.partition(_SEPARATOR)
    return {key: value for key, value in (("e_tag", e_tag), ("version", generation)) if value}


def _reason(text: str) -> str:
    if match := _STATUS.search(text):
        status = match[1].strip()
        # An object that is absent is no error: what is absent here is what should hold it.
        return "there is no such bucket or container" if status.startswith("404") else f"it answers {status}"
    for words, reason in (
        ("Account must be specified", "AZURE_STORAGE_ACCOUNT_NAME is not set"),
        ("incorrectly configured region", "it is in another region"),
        ("Missing region", "no region is configured"),
        ("operation timed out", "it does not answer in time"),
        ("TimedOut", "it does not answer in time"),
        ("dns error", "there is no such host"),
        ("onnection refused", "the connection is refused"),
        ("error sending request", "the connection fails"),
        ("URL scheme is not allowed", "plain http is not allowed"),
        ("redentials", "no usable credentials"),
    ):
        if words in text:
            return reason
    return "the connection fails or the configuration is not usable"
