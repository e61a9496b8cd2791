"""Writing whole files or nothing, on a local folder, and making them survive a power cut."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conjoin.errors import Unreachable

__all__ = ["LEFTOVER", "fsync_files", "put_if_absent", "replace", "store_errors", "temporary_beside"]

LEFTOVER = ".part"
"""What the names of files end in that are being written, or were when their process was killed."""

_TRIES = 20
_SYNCED_AT_ONCE = 8
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
"""What file systems answer that cannot do it for a folder."""


@contextmanager
def store_errors(where: Path) -> Iterator[None]:
    """Turn what the file system refuses into a message about the store.

    :raises Unreachable: where a folder is not writable, the disk is full, and so on.
    """
    try:
        yield
    except OSError as error:
        raise Unreachable(
            f"the store cannot be used ({error.strerror or error})",
            where=str(where),
            advice="check its permissions and space, or set CONJOIN_STORE",
        ) from error


def replace(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Make ``path`` hold ``data``; readers see the old content or the new one.

    :param durable: survive a power cut as well; costs a wait for the disk.
    """
    temporary = _written(path, data, durable=durable)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def put_if_absent(path: Path, data: bytes) -> bool:
    """Make ``path`` hold ``data`` unless it exists; whole or not at all, and never over another's.

    :return: whether it was absent.
    """
    temporary = _written(path, data)
    try:
        # link(2) is the one operation that publishes a whole file and fails where the name is taken.
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _written(path: Path, data: bytes, *, durable: bool = True) -> Path:
    descriptor, name = temporary_beside(path)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    Path(name).chmod(0o644)
    return Path(name)


def temporary_beside(path: Path) -> tuple[int, str]:
    """Open a new file to write in the folder of ``path``, which is made where there is none.

    :return: its descriptor and its name.
    """
    for _ in range(_TRIES - 1):
        with suppress(FileNotFoundError):  # collecting garbage removes folders that are empty
            return _opened(path.parent)
    return _opened(path.parent)


def _opened(folder: Path) -> tuple[int, str]:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.mkstemp(dir=folder, prefix=".", suffix=LEFTOVER)


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
