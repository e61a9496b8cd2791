"""Bytes that survive a power cut: on the disk before anything names them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

__all__ = ["settle"]

_AT_ONCE = 8
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
"""What file systems answer that cannot do it for a folder."""


def settle(paths: Iterable[Path], root: Path) -> None:
    """Wait until files, and the folders below ``root`` that name them, are on the disk.

    All at the end and several at once, while most of it is on its way: the disk is waited for once, not after
    each file.

    :raises OSError: where a file is not there, or the disk fails.
    """
    files = sorted(paths)
    folders = sorted({parent for file in files for parent in file.parents if parent.is_relative_to(root)})
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="conjoin-settle") as pool:
        list(pool.map(_sync, files))
        if os.name != "nt":  # where folders cannot be opened
            list(pool.map(_sync_folder, folders))


def _sync(path: Path) -> None:
    # Windows syncs nothing that was opened to be read.
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0) if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
