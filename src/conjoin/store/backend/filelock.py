"""Locks between processes that die with their holder: flock(2) on a file of their own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]


@contextmanager
def locked(path: Path, *, litter: bool = False) -> Iterator[int]:
    """Hold the lock file ``path`` while the body runs, waiting for whoever holds it; yield its descriptor.

    A child process that inherits the descriptor keeps the lock for as long as it lives.

    :param litter: leave the file behind (cheaper); else it is removed, as its name may be seen by users.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _acquire(path)
    try:
        yield descriptor
    finally:
        if not litter:
            # Removed while still held: whoever waits for this inode sees that the name is gone or another's.
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_current(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_current(path: Path, descriptor: int) -> bool:
    held = os.fstat(descriptor)
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
