"""Packages by content in an object store: streamed in and out in constant memory, hashed both ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from conjoin.store.backend.cloud import CloudBackend
from conjoin.store.backend.cloud_streams import CloudWriter
from conjoin.store.backend.verify_stream import StreamVerifier
from conjoin.store.layout import package_key

__all__ = ["Outgoing", "SharedPackages"]


class Outgoing:
    """Bytes of one package on their way to an object store: they appear there only if they are right.

    Has the face of :class:`~conjoin.store.packages.Incoming`.
    """

    def __init__(self, backend: CloudBackend, key: str, sha256: str, size: int) -> None:
        self._backend = backend
        self._key = key
        self._verifier = StreamVerifier(sha256, size)
        self._writer: CloudWriter | None = None

    @property
    def received(self) -> int:
        """Bytes written so far."""
        return self._verifier.received

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``.

        :raises IntegrityError: as soon as there are more bytes than the package has.
        """
        self._verifier.update(chunk)
        if self._writer is None:
            self._writer = self._backend.writer(self._key)
        self._writer.write(chunk)

    def restart(self) -> None:
        """Forget what was written: the origin cannot resume."""
        self._verifier.reset()
        self._writer = None  # a writer that is not closed leaves no object

    def commit(self) -> None:
        """Make the package appear in the store.

        :raises IntegrityError: where the bytes are not the ones that were promised; nothing appears.
        """
        self._verifier.verify()
        writer = self._writer or self._backend.writer(self._key)
        writer.close()


class SharedPackages:
    """The packages of an object store."""

    def __init__(self, backend: CloudBackend) -> None:
        self._backend = backend
        self.place = backend.place

    def has(self, sha256: str, file: str, size: int = 0) -> bool:
        """Return whether a package is there; one of another size than ``size`` (0: unknown) is not.

        :raises Unreachable: where the store does not answer.
        """
        found = self._backend.size(package_key(sha256, file))
        return found is not None and size in (0, found)

    @contextmanager
    def receive(self, sha256: str, file: str, size: int = 0) -> Iterator[Outgoing]:
        """Give a place to write a package's bytes to; ``commit()`` verifies them and makes them appear."""
        yield Outgoing(self._backend, package_key(sha256, file), sha256, size)

    def stream(self, sha256: str, file: str, size: int = 0) -> Iterator[bytes] | None:
        """Return a package's bytes in chunks, not verified; None where it is not there.

        :param size: bytes, 0 where unknown; big packages are fetched in parts, several at a time.
        :raises Unreachable: where the store does not answer.
        """
        return self.chunks(package_key(sha256, file), size)

    def chunks(self, key: str, size: int = 0) -> Iterator[bytes] | None:
        """Return the bytes of whatever has its hash in its key, as :meth:`stream` does."""
        return self._backend.stream(key, size)

    def where(self, sha256: str, file: str) -> str:
        """Return a package's address, for messages."""
        return self._backend.where(package_key(sha256, file))
