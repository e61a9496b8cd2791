"""Packages by content: bytes are hashed on their way in and on their way out."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from conjoin.errors import IntegrityError, NotFound
from conjoin.store.backend.atomic import fsync_files, store_errors
from conjoin.store.backend.verify_stream import StreamVerifier
from conjoin.store.layout import package_key
from conjoin.writing import temporary_beside, write_all

__all__ = ["Incoming", "Packages", "file_sha256"]


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hex digits."""
    with path.open("rb") as file:
        # hashlib.file_digest is Python 3.11's.
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class Incoming:
    """Bytes of one package on their way in: kept only if they turn out to be the ones that were promised."""

    def __init__(self, final: Path, sha256: str, size: int) -> None:
        self._verifier = StreamVerifier(sha256, size)
        self._final = final
        descriptor, name = temporary_beside(final)
        self._temporary = Path(name)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    @property
    def received(self) -> int:
        """Bytes written so far."""
        return self._verifier.received

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``.

        :raises IntegrityError: as soon as there are more bytes than the package has; they are not written.
        :raises DiskError: where the disk is full.
        """
        self._verifier.update(chunk)
        write_all(self._file, chunk, self._final)

    def restart(self) -> None:
        """Forget what was written: the origin cannot resume."""
        with store_errors(self._final):
            self._file.seek(0)
            self._file.truncate()
        self._verifier.reset()

    def commit(self) -> Path:
        """Keep the bytes and return their path.

        :raises IntegrityError: where they are not the ones that were promised; nothing is kept.
        """
        self._verifier.verify()
        with store_errors(self._final):
            self._file.close()
            self._temporary.chmod(0o644)
            self._temporary.replace(self._final)
        return self._final

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what is closed here is not kept
            self._file.close()
        self._temporary.unlink(missing_ok=True)


class Packages:
    """The packages of a local store, below ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, sha256: str, file: str) -> Path:
        """Return where a package's bytes are, or would be; not verified."""
        return self._root / package_key(sha256, file)

    def has(self, sha256: str, file: str, size: int = 0) -> bool:
        """Return whether a package is there; one of another size than ``size`` (0: unknown) is not."""
        try:
            found = self.path(sha256, file).stat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and size in (0, found.st_size)

    @contextmanager
    def receive(self, sha256: str, file: str, size: int = 0) -> Iterator[Incoming]:
        """Give a place to write a package's bytes to; ``commit()`` verifies and keeps them.

        :param size: bytes promised, 0 where unknown.
        :raises Unreachable: where the store cannot be written to.
        """
        path = self.path(sha256, file)
        with store_errors(path):
            incoming = Incoming(path, sha256, size)
        with incoming:
            yield incoming

    def put(self, sha256: str, file: str, chunks: Iterable[bytes]) -> Path:
        """Keep the bytes in ``chunks`` and return their path; equal bytes may be put twice.

        :raises IntegrityError: where their hash is not ``sha256``; nothing is kept.
        """
        with self.receive(sha256, file) as incoming:
            for chunk in chunks:
                incoming.write(chunk)
            return incoming.commit()

    def fsync(self, packages: Iterable[tuple[str, str]]) -> None:
        """Wait until packages, each a sha256 and a file name, survive a power cut.

        Not done for each as it comes: what is fetched can be fetched again, and a hash shows what was cut
        short. It is for bytes that something is about to name which others rely on.

        :raises Unreachable: where the disk fails.
        """
        with store_errors(self._root):
            fsync_files([self.path(sha256, file) for sha256, file in packages], self._root)

    def get(self, sha256: str, file: str) -> Path:
        """Return the path of a package after hashing its bytes.

        :raises NotFound: where it is not there.
        :raises IntegrityError: where its bytes have changed.
        """
        path = self.path(sha256, file)
        try:
            with store_errors(path):
                found = file_sha256(path) if path.is_file() else None
        except FileNotFoundError:
            found = None
        if found is None:
            raise NotFound(f"the store has no package {file}", where=str(self._root))
        if found != sha256:
            raise IntegrityError(
                f"the package {file} in the store is damaged: sha256 is {found}",
                where=str(path),
                advice="delete that file; it is fetched from its origin again",
            )
        return path
