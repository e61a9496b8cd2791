"""The toolkit: what the engine needs beside its own code; from the store into the node's cache."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from conjoin.bootstrap import VERSION
from conjoin.bootstrap.grammar import HEX_64, PLAIN_FILE_NAME
from conjoin.bootstrap.unpack import unpack_once, unpack_tar, unpack_wheel
from conjoin.errors import IntegrityError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conjoin.bootstrap.download import Downloads

__all__ = ["Toolkit", "ToolkitFile", "read_python", "read_toolkit"]

SCHEMA = 1


class ToolkitFile(NamedTuple):
    """A file of a toolkit.

    :ivar project: what a wheel is of; ``python`` for a packed Python.
    :ivar pythons: of a wheel, which Pythons load it (``3.11``); of a packed Python, its own version.
    :ivar executable: of a packed Python, its program's path.
    """

    project: str
    file: str
    sha256: str
    size: int
    pythons: tuple[str, ...]
    executable: str = ""

    def bring(self, downloads: Downloads, platform: str, cache: str) -> str:
        """Return the folder of the node's cache that holds this, unpacked; fetched if it is not there.

        :raises ConjoinError: where it cannot be had.
        """

        def fetch_and_unpack(folder: str) -> None:
            archive = os.path.join(os.path.dirname(folder), os.path.basename(folder) + "-" + self.file)
            key = f"toolkit/{platform}/files/{self.sha256}/{self.file}"
            downloads.file(key, archive, self.sha256, self.size)
            try:
                (unpack_tar if self.project == "python" else unpack_wheel)(archive, folder)
            finally:
                os.unlink(archive)

        return unpack_once(os.path.join(cache, "toolkit", self.sha256), fetch_and_unpack)


class Toolkit(NamedTuple):
    """The wheels of one platform, for several Pythons."""

    platform: str
    files: tuple[ToolkitFile, ...]

    def wheels(self, python: str) -> dict[str, ToolkitFile] | None:
        """Return the wheels for a Python, by project; None where there are not all of them."""
        found = {each.project: each for each in self.files if python in each.pythons}
        return found if found and set(found) == {each.project for each in self.files} else None


def read_toolkit(fetch: Callable[[str], bytes | None], platform: str, where: str) -> Toolkit:
    """Return the toolkit that a store has for this version of Conjoin.

    :param fetch: returns an object.
    :raises NotFound: where it has none.
    """
    text = fetch(f"toolkit/{platform}/{VERSION}.json")
    if text is None:
        raise NotFound(
            f"the store has no toolkit of conjoin {VERSION} for {platform}",
            where=where,
            advice=f"run `conjoin toolkit --store {where} --platform {platform}` where an index is",
        )
    told = _document(text, where)
    files = told.get("files", [])
    if not isinstance(files, list):
        raise IntegrityError("the toolkit's description is not valid", where=where)
    return Toolkit(platform, tuple(_file(each, where) for each in files))


def read_python(fetch: Callable[[str], bytes | None], platform: str, where: str, here: str) -> ToolkitFile:
    """Return the packed Python that a store has.

    :param here: which Python runs this, for messages.
    :raises UsageError: where it has none.
    """
    text = fetch(f"toolkit/{platform}/python.json")
    if text is None:
        raise UsageError(
            f"no wheels of the toolkit are for Python {here}, and the store has no packed Python",
            where=where,
            advice="use an image with CPython 3.10 or later, or push an environment whose Python is conda's",
        )
    return _file(_document(text, where), where)


def _document(text: bytes, where: str) -> dict[str, Any]:
    try:
        told = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"the toolkit's description is not valid ({error})", where=where) from None
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise IntegrityError("the toolkit's description is of another version of conjoin", where=where)
    return told


def _file(told: Any, where: str) -> ToolkitFile:
    try:
        found = ToolkitFile(
            project=str(told["project"]),
            file=str(told["file"]),
            sha256=str(told["sha256"]),
            size=int(told["size"]),
            pythons=tuple(map(str, told["pythons"])),
            executable=str(told.get("executable", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise IntegrityError("the toolkit's description is not valid", where=where) from None
    if (
        not PLAIN_FILE_NAME.fullmatch(found.file)
        or not HEX_64.fullmatch(found.sha256)
        or ".." in found.executable
    ):
        raise IntegrityError("the toolkit's description names no plain file", where=where)
    return found
