"""Objects in S3, GCS, Azure or this process's memory, through obstore."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from conjoin.errors import Unreachable
from conjoin.store.backend.address import Address
from conjoin.store.backend.cloud_errors import cloud_errors
from conjoin.store.backend.cloud_streams import CloudWriter, open_stream, open_writer
from conjoin.store.backend.protocol import Listed, Object

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["CloudBackend"]

_DELETED_AT_ONCE = 1000
_LISTED_AT_ONCE = 1000
_PROBE = "conditional-writes"
_TRIES = 6
_SEPARATOR = "\n"


class CloudBackend:
    """A :class:`~conjoin.store.backend.protocol.Backend` in an object store.

    Server errors, throttling and cut connections are tried again with growing pauses (by obstore, which
    also resumes a body in the middle) before anything is raised.

    :raises UsageError: where the address is none.
    :raises Unreachable: where the configuration of this cloud, from the environment, is not usable.
    """

    def __init__(self, address: Address) -> None:
        self.place = address.text
        self._conditions_checked = False
        with cloud_errors(self.place):
            self._store: ObjectStore = address.open()
            self._uploads: ObjectStore = address.open(to_upload=True)

    def where(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self.place}/{key}" if key else self.place

    def get(self, key: str) -> Object | None:
        """Return an object, None where there is none."""
        import obstore

        with cloud_errors(self.where(key)):
            try:
                result = obstore.get(self._store, key)
                meta = result.meta
                return Object(bytes(result.bytes()), _version(meta))
            except FileNotFoundError:
                return None

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, None where there is none."""
        import obstore

        with cloud_errors(self.where(key)):
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

        with cloud_errors(self.where(prefix)):
            batches = obstore.list(self._store, prefix, chunk_size=_LISTED_AT_ONCE)
            return sorted(
                Listed(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta.get("e_tag") or "")
                for batch in batches
                for meta in batch
            )

    def keys_starting_with(self, start: str) -> list[str]:
        """Return all keys that begin with ``start``, whose last part may be cut, sorted.

        One request per thousand of them; Azure lists all below the whole parts.
        """
        import obstore

        found: list[str] = []
        with cloud_errors(self.where(start)):
            for batch in obstore.list(
                self._store, start.rpartition("/")[0], offset=start, chunk_size=_LISTED_AT_ONCE
            ):
                paths = [meta["path"] for meta in batch]
                found += [path for path in paths if path.startswith(start)]
                if paths and not paths[-1].startswith(start):
                    break  # they come in order: what follows begins otherwise
        return sorted(found)

    def put(self, key: str, data: bytes) -> None:
        """Make an object, or replace whatever it was."""
        import obstore

        with cloud_errors(self.where(key)):
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
        with cloud_errors(self.where(key)):
            try:
                obstore.put(self._store, key, data, mode=_update(version))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError):
                return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        import obstore

        with cloud_errors(self.where(key)):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove objects, those that there are; S3 takes a thousand in one request."""
        import obstore

        for start in range(0, len(keys), _DELETED_AT_ONCE):
            batch = list(keys[start : start + _DELETED_AT_ONCE])
            with cloud_errors(self.where(batch[0])):
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
        return open_stream(self._store, key, self.where(key), size)

    def writer(self, key: str) -> CloudWriter:
        """Return a place to write an object of any length to, in constant memory."""
        return open_writer(self._uploads, key, self.where(key))

    def _create(self, key: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with cloud_errors(self.where(key)):
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


def _version(meta: Any) -> str:
    # GCS compares generations ("version"), S3 and Azure e-tags.
    return f"{meta.get('e_tag') or ''}{_SEPARATOR}{meta.get('version') or ''}"


def _update(version: str) -> Any:
    e_tag, _, generation = version.partition(_SEPARATOR)
    return {key: value for key, value in (("e_tag", e_tag), ("version", generation)) if value}
