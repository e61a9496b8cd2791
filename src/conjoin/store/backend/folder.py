"""Objects in a local folder: link(2) to create, rename(2) to replace, flock(2) to compare and swap."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from conjoin.store.backend.atomic import put_if_absent, store_errors
from conjoin.store.backend.filelock import locked
from conjoin.store.backend.protocol import Listed, Object
from conjoin.writing import replace

__all__ = ["FolderBackend"]


class FolderBackend:
    """A back end (:mod:`conjoin.store.backend.protocol`) below the folder ``root``, made on first use."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)

    def where(self, key: str) -> str:
        """Return the path of an object."""
        return str(self._root / key)

    def get(self, key: str) -> Object | None:
        """Return an object, None where there is none."""
        path = self._root / key
        with store_errors(path):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Object(data, _version(data))

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, None where there is none."""
        path = self._root / key
        with store_errors(path):
            try:
                return path.stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def keys(self, prefix: str) -> list[str]:
        """Return all keys below ``prefix``, sorted; files that begin with a dot are work in progress."""
        return sorted(key for key, _ in self._files(prefix))

    def keys_starting_with(self, start: str) -> list[str]:
        """Return all keys that begin with ``start``, whose last part may be cut, sorted."""
        folder, _, word = start.rpartition("/")
        path = self._root / folder
        with store_errors(path):
            try:
                parts = [name for name in os.listdir(path) if name.startswith(word)]  # noqa: PTH208
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(key for part in parts for key, _ in self._files(f"{folder}/{part}"))

    def objects(self, prefix: str, unseen: Callable[[OSError], None] = lambda _error: None) -> list[Listed]:
        """Return all objects below ``prefix``, sorted by key.

        :param unseen: told of folders and files that cannot be looked at.
        """

        def failed(error: OSError) -> None:
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):  # else removed meanwhile
                unseen(error)

        found = []
        for key, path in self._files(prefix, failed):
            try:
                facts = os.stat(path)  # noqa: PTH116 (tens of thousands of times)
            except OSError as error:
                failed(error)
                continue
            found.append(Listed(key, facts.st_size, facts.st_mtime))
        return sorted(found)

    def put(self, key: str, data: bytes) -> None:
        """Make an object, or replace whatever it was. A power cut may undo it, which notes can bear."""
        path = self._root / key
        with store_errors(path):
            replace(path, data, durable=False)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Make an object unless there is one, and return whether there was none."""
        path = self._root / key
        with store_errors(path):
            return put_if_absent(path, data)

    def compare_and_swap(self, key: str, data: bytes, version: str | None) -> bool:
        """Replace the object if it is still at ``version`` (None: absent), and return whether it was."""
        path = self._root / key
        with store_errors(path), locked(path.with_name(f".{path.name}.lock")):
            current = self.get(key)
            if (current.version if current else None) != version:
                return False
            replace(path, data)
            return True

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        path = self._root / key
        with store_errors(path):
            path.unlink(missing_ok=True)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove objects, and the folders that are empty then."""
        for key in keys:
            self.delete(key)
        for folder in sorted({Path(key).parent for key in keys}, reverse=True):
            self._prune(folder)

    def _prune(self, folder: Path) -> None:
        while folder.parts:
            try:
                (self._root / folder).rmdir()
            except OSError:
                return  # not empty, or removed by another
            folder = folder.parent

    def _files(
        self, prefix: str, failed: Callable[[OSError], None] | None = None
    ) -> Iterator[tuple[str, str]]:
        for folder, _, files in os.walk(self._root / prefix, onerror=failed):
            relative = Path(folder).relative_to(self._root).as_posix()
            for name in files:
                if not name.startswith("."):
                    yield f"{relative}/{name}", f"{folder}/{name}"


def _version(data: bytes) -> str:
    # Of the content: a value that went and came back is the same value to whoever compares.
    return hashlib.sha256(data).hexdigest()
