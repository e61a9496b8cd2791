"""What goes from caches and folders of prefixes, on its way: moved aside at once, deleted later."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TRASH", "Trash", "Tree", "freed", "modified"]

TRASH = ".trash-"
"""What a folder for trash is called, with more behind it."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A file or folder that can go.

    :ivar kind: ``unpacked_conda``, ``unpacked_wheels``, ``sources``, ``built_wheels``, ``prefixes``,
        ``records`` or ``leftovers``.
    :ivar paths: what is deleted, in this order; the last one is what counts.
    """

    kind: str
    paths: tuple[Path, ...]


def freed(trees: Sequence[Tree]) -> dict[str, tuple[int, int]]:
    """Return of each kind how many go, and how many bytes of the disk that frees.

    A file with several names frees its bytes only when the last of its names goes.
    """
    gone: Counter[tuple[int, int]] = Counter()
    totals: dict[str, tuple[int, int]] = {}
    for tree in trees:
        count, size = totals.get(tree.kind, (0, 0))
        for facts in (facts for path in tree.paths for facts in _files(path)):
            gone[facts.st_dev, facts.st_ino] += 1
            if gone[facts.st_dev, facts.st_ino] == facts.st_nlink:
                size += facts.st_size
        totals[tree.kind] = (count + 1, size)
    return totals


class Trash:
    """What goes, on its way.

    :param root: where it is put meanwhile: on the same file system.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder: Path | None = None
        self._count = 0

    def take(self, tree: Tree) -> bool:
        """Take a tree away, and return whether it was there; its bytes are freed by :meth:`empty`."""
        return [self._take(path) for path in tree.paths][-1]

    def empty(self) -> None:
        """Delete everything; what cannot be deleted now is a leftover for the next time."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _take(self, path: Path) -> bool:
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                path.unlink()
                return True
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(dir=self._root, prefix=TRASH))
            self._count += 1
            path.rename(self._folder / str(self._count))
        except OSError as error:
            if error.errno == errno.EXDEV:
                shutil.rmtree(path, ignore_errors=True)
                return True
            return False  # gone, or not ours
        return True


def _files(path: Path) -> Iterator[os.stat_result]:
    with suppress(OSError):
        facts = path.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            yield facts
            return
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                yield os.lstat(f"{folder}/{name}")


def modified(*paths: Path) -> float:
    """Return when the first of ``paths`` that is there was written; now, where none is."""
    for path in paths:
        with suppress(OSError):
            return path.lstat().st_mtime
    return time.time()
