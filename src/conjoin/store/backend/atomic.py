"""What a store in a folder does with whole files: publish them once, and make them survive a power cut."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from conjoin.errors import Unreachable
from conjoin.writing import disk_errors, written_beside

__all__ = ["fsync_files", "put_if_absent", "store_errors"]

_SYNCED_AT_ONCE = 8
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
"""What file systems answer that cannot do it for a folder."""


@contextmanager
def store_errors(where: Path) -> Iterator[None]:
    """Turn what the file system refuses into a message about the store.

    :raises DiskError: where the disk is full or fails.
    :raises Unreachable: where a folder is not writable, and so on.
    """
    try:
        with disk_errors(where):
            yield
    except OSError as error:
        raise Unreachable(
            f"the store cannot be used ({error.strerror or error})",
            where=str(where),
            advice="check its permissions, or set CONJOIN_STORE",
        ) from error


def put_if_absent(path: Path, data: bytes) -> bool:
    """Make ``path`` hold ``data`` unless it exists; whole or not at all, and never over another's.

    :return: whether it was absent.
    """
    temporary = written_beside(path, data)
    try:
        # link(2) is the one operation that publishes a whole file and fails where the name is taken.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def fsync_files(paths: Iterable[Path], root: Path) -> None:
    """Wait until files, and the folders below ``root`` that name them, are on the disk.

    All at the end and several at once, while most of it is on its way: the disk is waited for once, not after
    each file.

    :raises OSError: where a file is not there, or the disk fails.
    """
    from concurrent.futures import ThreadPoolExecutor

    files = sorted(paths)
    folders = sorted({parent for file in files for parent in file.parents if parent.is_relative_to(root)})
    with ThreadPoolExecutor(_SYNCED_AT_ONCE, thread_name_prefix="conjoin-fsync") as pool:
        list(pool.map(_fsync, files))
        if os.name != "nt":  # where folders cannot be opened
            list(pool.map(_fsync_folder, folders))


def _fsync(path: Path) -> None:
    # Windows syncs nothing that was opened to be read.
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_folder(path: Path) -> None:
    try:
        _fsync(path)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
