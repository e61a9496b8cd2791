"""Folders of a cache that are made whole or not at all: worked on beside their place, then moved there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["keep", "note_use", "scratch_beside"]


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """Give a new folder on the disk of ``target``, which is gone afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name[:16]}-", dir=target.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def keep(work: Path, target: Path) -> None:
    """Move a finished folder to its place, unless another process was faster."""
    try:
        work.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def note_use(*entries: Path) -> None:
    """Say that entries of a cache were used just now: whoever collects garbage looks at their times."""
    for entry in entries:
        with suppress(OSError):
            os.utime(entry)
