"""Bytes whose sha256 and size are known beforehand, verified while they come in."""

from __future__ import annotations

import hashlib

from conjoin.errors import IntegrityError
from conjoin.net.guard import LARGEST_FILE

__all__ = ["StreamVerifier"]


class StreamVerifier:
    """What a package's bytes should be, and what has come in so far.

    :param size: bytes promised, 0 where unknown: then :data:`~conjoin.net.guard.LARGEST_FILE` at most.
    :ivar received: bytes seen so far.
    """

    def __init__(self, sha256: str, size: int) -> None:
        self.received = 0
        self._sha256 = sha256
        self._size = size
        self._digest = hashlib.sha256()

    def update(self, chunk: bytes) -> None:
        """Count and hash ``chunk``.

        :raises IntegrityError: as soon as there are more bytes than the package has.
        """
        if self.received + len(chunk) > (self._size or LARGEST_FILE):
            raise IntegrityError(
                f"more than the {self._size} bytes that were promised"
                if self._size
                else f"more than {LARGEST_FILE} bytes, and nobody promised how many"
            )
        self._digest.update(chunk)
        self.received += len(chunk)

    def reset(self) -> None:
        """Forget what came in."""
        self._digest = hashlib.sha256()
        self.received = 0

    def verify(self) -> None:
        """Compare size and hash.

        :raises IntegrityError: where they are not the bytes that were promised.
        """
        if self._size and self.received != self._size:
            raise IntegrityError(f"{self.received} bytes instead of the {self._size} that were promised")
        if self._digest.hexdigest() != self._sha256:
            raise IntegrityError(f"sha256 is {self._digest.hexdigest()}, promised was {self._sha256}")
