"""Objects into files: tried again with pauses of chance, resumed, hashed on the way, whole or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import tempfile
import threading
from typing import TYPE_CHECKING

from conjoin.bootstrap.failure import TryAgain
from conjoin.bootstrap.stores.guard import LARGEST_FILE
from conjoin.errors import FULL_DISK, ConjoinError, IntegrityError, NotFound, Unreachable

if TYPE_CHECKING:
    from conjoin.bootstrap.stores.source import Source

__all__ = ["Downloads", "disk_errors", "write_all"]

TRIES = 7
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 20.0
_LONGEST_TEXT = 64 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Downloads:
    """Fetches from one source, from any thread.

    A thousand containers that were turned away together must not come back together: each waits for a time
    between nothing and the whole pause.

    :ivar requests: how many were made.
    :ivar received: bytes that came.
    """

    def __init__(self, source: Source) -> None:
        self.requests = 0
        self.received = 0
        self._source = source
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Make what is still being fetched give up soon."""
        self._stopped.set()

    def document(self, key: str) -> bytes | None:
        """Return a small object, None where it is not there.

        :raises Unreachable: where the store does not answer.
        """
        got = _Text()
        return bytes(got.text) if self._fetched(key, got) else None

    def file(self, key: str, path: str, sha256: str, size: int = 0) -> None:
        """Bring an object to ``path``; there it is whole and as promised, or it is not there.

        :param size: bytes promised, 0 where unknown.
        :raises NotFound: where the store has none.
        :raises IntegrityError: where its bytes are others.
        :raises Unreachable: where the store does not answer, or the disk is full.
        """
        name, where = os.path.basename(path), self._source.where(key)
        with disk_errors(path), _File(path, size) as file:
            if not self._fetched(key, file):
                raise NotFound(
                    f"the store has no {name}",
                    where=where,
                    advice="push the environment again with --check, then run this again",
                )
            found = file.digest.hexdigest()
            if found != sha256 or (size and file.received != size):
                raise IntegrityError(
                    f"{name} is damaged: {file.received} bytes, sha256 {found}",
                    where=where,
                    advice="nothing was made of it; delete that object and push the environment again "
                    "with --check",
                )
            file.keep()

    def _fetched(self, key: str, into: _Text | _File) -> bool:
        """Pass an object's bytes on, and return whether there is one."""
        for attempt in range(1, TRIES + 1):
            try:
                return self._tried(key, into)
            except TryAgain as error:  # noqa: PERF203 (tries cost far more)
                if attempt == TRIES or self._stopped.is_set():
                    raise Unreachable(
                        f"the store cannot be read ({error})",
                        where=self._source.where(key),
                        advice="check its address, region and the network, and run this again",
                    ) from None
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
                asked = min(LONGEST_PAUSE, error.pause)
                self._stopped.wait(asked + random.uniform(0, longest))  # noqa: S311 (no secret)
        raise AssertionError("the last try returns or raises")

    def _tried(self, key: str, into: _Text | _File) -> bool:
        with self._lock:
            self.requests += 1
        start = into.received
        try:
            body = self._source.open(key, start)
        except TryAgain:
            if start:
                into.restart()
            raise
        if body is None:
            return False
        if body.start != start:
            into.restart()
        for chunk in body.chunks:
            if self._stopped.is_set():
                raise Unreachable("given up, as something else failed")
            into.write(chunk)
            with self._lock:
                self.received += len(chunk)
        return True


class _Text:
    """A small object, in memory."""

    def __init__(self) -> None:
        self.text = bytearray()

    @property
    def received(self) -> int:
        return len(self.text)

    def write(self, chunk: bytes) -> None:
        self.text += chunk
        if len(self.text) > _LONGEST_TEXT:
            raise Unreachable(
                f"an object of more than {_LONGEST_TEXT} bytes is not what it is called",
                advice="check the store's address",
            )

    def restart(self) -> None:
        del self.text[:]


class _File:
    """A file being written, which has its name only when it is kept.

    :param size: bytes promised, 0 where unknown; more are not taken.
    """

    def __init__(self, path: str, size: int) -> None:
        self._path = path
        self._size = size
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor, self._temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".part")
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self.restart()

    def write(self, chunk: bytes) -> None:
        self.received += len(chunk)
        self.digest.update(chunk)
        if self._size and self.received > self._size:
            raise TryAgain(f"more than the {self._size} bytes that were promised")
        if self.received > LARGEST_FILE:
            raise IntegrityError(f"more than {LARGEST_FILE} bytes, and nobody promised how many")
        write_all(self._file.fileno(), chunk, self._path)

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.received = 0
        self.digest = hashlib.sha256()

    def keep(self) -> None:
        os.chmod(self._temporary, 0o644)
        os.replace(self._temporary, self._path)
        self._temporary = ""

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        if self._temporary:
            os.unlink(self._temporary)


def write_all(descriptor: int, data: bytes, where: str) -> None:
    """Write all of ``data``, however little the disk takes at once (as :mod:`conjoin.writing` does).

    :param where: the path, for messages.
    :raises Unreachable: where not all of it could be written.
    """
    left = memoryview(data)
    with disk_errors(where):
        while left:
            count = os.write(descriptor, left)
            if not count:
                raise OSError(errno.EIO, "it takes nothing")
            left = left[count:]


class disk_errors:
    """Turns what the file system refuses into a message.

    :raises Unreachable: in the place of an ``OSError``.
    """

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError) or isinstance(error, ConjoinError):
            return
        full = error.errno in _FULL
        raise Unreachable(
            FULL_DISK if full else f"cannot be written ({error.strerror or error})",
            where=str(error.filename or self._where),
            advice="make room there, or choose another folder with --cache and --prefix, and run this again",
        ) from None
