"""An environment and all its packages into one file, for a machine without any network."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.format import encode
from conjoin.lock.model import Lock, LockedPackage
from conjoin.spec.requirements import Credential
from conjoin.store.backend.filelock import locked
from conjoin.store.backend.verify_stream import StreamVerifier
from conjoin.store.bundle.format import (
    END,
    FORMAT,
    MANIFEST_KEY,
    BundleFile,
    Manifest,
    Member,
    encode_manifest,
    lay_out,
    package_files,
)
from conjoin.store.layout import lock_key, package_key
from conjoin.store.transfer.byte_count import ByteCounter
from conjoin.store.transfer.concurrently import map_concurrently
from conjoin.store.transfer.selection import packages_of, places_of, platforms_of, refuse_editable
from conjoin.store.transfer.sources import Sources
from conjoin.writing import disk_error, write_all

if TYPE_CHECKING:
    from conjoin.store.store import Store

__all__ = ["Exported", "export_bundle"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did.

    :ivar platforms: whose packages are in the bundle.
    :ivar packages: how many.
    :ivar size: bytes of the whole file.
    """

    path: Path
    lock: Lock
    platforms: tuple[str, ...]
    packages: int
    size: int


def export_bundle(
    store: Store,
    lock: Lock,
    path: Path,
    platforms: Sequence[str] = (),
    alias: str = "",
    *,
    offline: bool = False,
    credentials: Sequence[Credential] = (),
    moved: Callable[[int, int], None] = lambda _done, _total: None,
) -> Exported:
    """Write a lock and all its packages to one file, for a machine without any network.

    Packages come from the local store, this one, else their origin; every byte is hashed on its way. The
    file appears whole or not at all. The same content is the same bytes (docs/bundle-format.md).

    :param platforms: conda's names (``linux-64``); default: all of the lock's.
    :param alias: the name it goes by, for whoever imports it to know.
    :param offline: fetch nothing from origins.
    :param credentials: for the origins of packages.
    :param moved: told how many bytes are done, and of how many, from any thread.
    :raises UsageError: where the file cannot be written.
    :raises DiskError: where the disk is full.
    :raises IntegrityError: where a package's bytes, here or at its origin, are not the locked ones.
    :raises NotFound: where a package was built elsewhere and is not here, or a platform is not locked.
    :raises Unreachable: where the store or an origin does not answer.
    """
    wanted = platforms_of(lock, platforms)
    refuse_editable(lock, wanted)
    _check_writable(path)
    progress = ByteCounter(moved)
    sources = Sources(
        store,
        offline=offline,
        credentials=credentials,
        places=places_of(lock),
        received=progress.add,
    )
    try:
        packages = packages_of(lock, wanted)
        unknown = [package for package in packages if not package.size]
        sizes = dict(map_concurrently(sources.measure, unknown, stop=sources.stop))
        documents, members = _plan(lock, wanted, alias, package_files(lock, wanted, sizes))
        total = members[-1].end + len(END)
        progress.begin(sum(member.size for member in members if member.key not in documents))
        places = {member.key: member for member in members}
        with _written(path, total) as descriptor:
            for member in members:
                write_all(descriptor, member.header + documents.get(member.key, b""), path, member.at)

            def put(package: LockedPackage) -> None:
                place = places[package_key(package.sha256, package.file)]
                sources.copy(package, _Slot(descriptor, path, place, package.sha256))

            map_concurrently(put, packages, stop=sources.stop)
    finally:
        sources.close()
    return Exported(path, lock, tuple(wanted), len(packages), total)


def _plan(
    lock: Lock, platforms: Sequence[str], alias: str, packages: tuple[BundleFile, ...]
) -> tuple[dict[str, bytes], list[Member]]:
    """Return the documents by key, and where every member stands."""
    data = encode(lock)
    key = lock_key(lock.req_id, lock.full_id)
    files = (BundleFile(key, hashlib.sha256(data).hexdigest(), len(data)), *packages)
    manifest = encode_manifest(
        Manifest(
            format=FORMAT,
            req_id=lock.req_id,
            full_id=lock.full_id,
            platforms=tuple(platforms),
            alias=alias,
            files=files,
        )
    )
    members = lay_out([(MANIFEST_KEY, len(manifest)), *((file.key, file.size) for file in files)])
    return {MANIFEST_KEY: manifest, key: data}, members


class _Slot:
    """The place of one package in the bundle; written to like ``transfer.fetch.Receiving``.

    As every place is known beforehand, packages are written side by side, in whatever order they come.
    """

    def __init__(self, descriptor: int, path: Path, member: Member, sha256: str) -> None:
        self._descriptor = descriptor
        self._path = path
        self._member = member
        self._verifier = StreamVerifier(sha256, member.size)

    @property
    def received(self) -> int:
        """Bytes written so far."""
        return self._verifier.received

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``.

        :raises IntegrityError: where it does not fit: the next member's place begins there.
        """
        at = self._member.content_at + self._verifier.received
        self._verifier.update(chunk)
        if self._verifier.received > self._member.size:
            raise IntegrityError(f"more than its {self._member.size} bytes")
        write_all(self._descriptor, chunk, self._path, at)

    def restart(self) -> None:
        """Forget what was written."""
        self._verifier.reset()

    def commit(self) -> None:
        """Compare.

        :raises IntegrityError: where the bytes are not the ones that were promised.
        """
        self._verifier.verify()


def _check_writable(path: Path) -> None:
    """Refuse what cannot become the bundle, before any work.

    :raises UsageError: where that is so.
    """
    try:
        if not path.absolute().parent.is_dir():
            raise UsageError("the folder does not exist", where=str(path), advice="make it first")
        regular = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_written(path, error) from None
    if not regular:
        raise UsageError("this is no file that could be replaced", where=str(path), advice="name a file")


@contextmanager
def _written(path: Path, total: int) -> Iterator[int]:
    """Yield the descriptor of a file of ``total`` zeros, which becomes ``path`` if the body succeeds.

    Until then it has a name of its own beside it, which is locked: another export to the same file waits, and
    takes over what a killed one left behind.
    """
    part = path.with_name(f".{path.name}.part")
    with contextlib.ExitStack() as stack:
        try:
            # Not removed behind us: once it is renamed, that name may be the next one's.
            descriptor = stack.enter_context(locked(part, litter=True))
        except OSError as error:
            raise disk_error(error, path) or _not_written(path, error) from None
        try:
            os.ftruncate(descriptor, 0)
            _reserve(descriptor, total)
            yield descriptor
            os.fsync(descriptor)
            part.replace(path)
        except BaseException as error:
            part.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise disk_error(error, path) or _not_written(path, error) from None
            raise


def _reserve(descriptor: int, total: int) -> None:
    """Make the file ``total`` bytes long, with the space it takes: a full disk shows now, not in an hour."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, total)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise  # else a file system that cannot
    os.ftruncate(descriptor, total)


def _not_written(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot be written ({error.strerror or error})",
        where=str(path),
        advice="check its permissions",
    )
