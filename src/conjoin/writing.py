"""Bytes into files: all of them, under a name of their own until they are whole; and what a full disk is.

Every file of ours is written through :func:`write_all`, because ``write(2)`` may take a part of what it is
given (the disk, the quota or a limit ends within it) and says so by a number that is easily not looked at.
``conjoin.bootstrap`` has a twin of it (``bootstrap/download.py``).
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from conjoin.errors import FULL_DISK, Unreachable

__all__ = [
    "LEFTOVER",
    "DiskError",
    "copy_to",
    "disk_error",
    "disk_errors",
    "full_disk",
    "is_full_disk",
    "replace",
    "temporary_beside",
    "write_all",
    "written_beside",
]

LEFTOVER = ".part"
"""What the names of files end in that are being written, or were when their process was killed."""

_TRIES = 20
_MKSTEMPS = 0o600
_CHUNK = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# ENOSPC, EFBIG and EDQUOT, as Rust's standard library says them, and as C's does.
_SAYS = re.compile(
    r"os error (?:28|27|122|69)\b|No space left on device|File too large|(?:Disk )?[Qq]uota exceeded"
)
_FAILING = frozenset({errno.EIO})


class DiskError(Unreachable):
    """A disk does not take what is written to it: it is full, or it fails. Exit code 4.

    No ``OSError``, so that who reads something and fails to keep it does not blame whoever made it.
    """


class _HasDescriptor(Protocol):
    def fileno(self) -> int: ...


def write_all(
    file: int | _HasDescriptor, data: bytes | bytearray | memoryview, where: str | Path, at: int | None = None
) -> None:
    """Write all of ``data``, however little the disk takes at once.

    :param file: a descriptor, or a file opened without a buffer.
    :param where: its path, or the one that it will have.
    :param at: the position, in bytes; default: where the file stands.
    :raises DiskError: where not all of it could be written.
    """
    descriptor = file if isinstance(file, int) else file.fileno()
    left = memoryview(data)
    try:
        while left:
            count = os.write(descriptor, left) if at is None else os.pwrite(descriptor, left, at)
            if not count:
                break
            left = left[count:]
            at = None if at is None else at + count
    except OSError as error:
        raise _disk_error(error, where) from error
    if left:
        raise _disk_error(OSError(errno.EIO, "it takes nothing"), where)


def copy_to(target: Path, source: IO[bytes]) -> None:
    """Make a new file of what is left of ``source``; for folders that nobody else sees yet.

    :raises DiskError: where the disk is full or fails.
    :raises OSError: where ``source`` cannot be read, or ``target`` not be opened.
    """
    with disk_errors(target):
        file = target.open("wb", buffering=0)
    with file:
        while chunk := source.read(_CHUNK):
            write_all(file, chunk, target)


@contextmanager
def disk_errors(where: str | Path) -> Iterator[None]:
    """Say what the operating system says of a full or failing disk; leave other errors as they are.

    For what is no writing and meets it all the same: making files and folders, renaming, closing.

    :param where: what was to be written.
    :raises DiskError: in the place of such an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        if (told := disk_error(error, where)) is not None:
            raise told from error
        raise


def disk_error(error: OSError, where: str | Path) -> DiskError | None:
    """Return what an error says of a full or failing disk, None where it is about something else.

    :param where: what was to be written.
    """
    return _disk_error(error, where) if error.errno in _FULL or error.errno in _FAILING else None


def is_full_disk(said: str) -> bool:
    """Return whether words are about a full disk, of programs that write for us: each has its own."""
    return _SAYS.search(said) is not None


def full_disk(where: str | Path) -> DiskError:
    """Return the error for a full disk of which only words told.

    :param where: what was being written.
    """
    return _disk_error(OSError(errno.ENOSPC, ""), where)


def replace(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o644) -> None:
    """Make ``path`` hold ``data``; readers see the old content or the new one.

    :param durable: survive a power cut as well; costs a wait for the disk.
    :raises DiskError: where the disk is full or fails; what was there stays.
    :raises OSError: where it cannot be written for another reason.
    """
    with disk_errors(path):
        temporary = written_beside(path, data, durable=durable, mode=mode)
        try:
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def written_beside(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o644) -> Path:
    """Return a new file in the folder of ``path`` that holds ``data``; nothing is left where that fails.

    :raises DiskError: where the disk is full or fails.
    :raises OSError: where it cannot be written for another reason.
    """
    with disk_errors(path):
        descriptor, name = temporary_beside(path)
        try:
            try:
                write_all(descriptor, data, path)
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)  # which is when some network file systems say that they are full
            if mode != _MKSTEMPS:
                Path(name).chmod(mode)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    return Path(name)


def temporary_beside(path: Path) -> tuple[int, str]:
    """Open a new file to write in the folder of ``path``, which is made where there is none.

    :return: its descriptor and its name.
    :raises DiskError: where there is no room for it.
    """
    with disk_errors(path):
        for _ in range(_TRIES - 1):
            with suppress(FileNotFoundError):  # collecting garbage removes folders that are empty
                return _opened(path.parent)
        return _opened(path.parent)


def _opened(folder: Path) -> tuple[int, str]:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.mkstemp(dir=folder, prefix=".", suffix=LEFTOVER)


def _disk_error(error: OSError, where: str | Path) -> DiskError:
    if error.errno in _FULL:
        what = FULL_DISK
    elif error.errno in _FAILING:
        what = f"the disk fails ({error.strerror})"
    else:
        what = f"it cannot be written ({error.strerror or error})"
    return DiskError(
        what,
        where=str(where),
        advice="make room there, or choose another folder (CONJOIN_STORE, CONJOIN_CACHE, CONJOIN_ENVS), "
        "and run again",
    )
