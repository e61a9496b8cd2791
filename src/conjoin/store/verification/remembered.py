"""Which objects of a store were read and found right: so that an interrupted look goes on where it was.

``<state>/verified/<hash of the store's address>.jsonl`` has a line for each object: key, size, when the
store says that it was written, and its e-tag. It is appended to while the work goes on, and whatever of it
cannot be read was never written: those objects are read again.
"""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from conjoin.config.places import state_dir
from conjoin.store.backend.protocol import Listed

__all__ = ["Remembered"]

_FLUSHED_EVERY = 0.5
"""Seconds of work that a killed process may have to do again."""

_SETTLED = 3.0
"""Seconds: what is younger may be written again within the tick of a clock, and look as it did."""

_Line = tuple[str, int, float, str]


class Remembered:
    """What is remembered of one store; used from several threads at once, and by one process well.

    :param place: the store's address.
    :param anew: believe nothing of what was remembered.
    """

    def __init__(self, place: str, *, anew: bool = False) -> None:
        name = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:40]
        self._path = state_dir() / "verified" / f"{name}.jsonl"
        self._known = {} if anew else _read(self._path)
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._flushed = time.monotonic()

    def knows(self, listed: Listed) -> bool:
        """Return whether an object was found right, and is the same since as far as a listing tells."""
        return self._known.get(listed.key) == (listed.size, listed.modified, listed.e_tag)

    def add(self, listed: Listed) -> None:
        """Remember that an object is right; where that cannot be written, it is read again next time."""
        if time.time() - listed.modified < _SETTLED:
            return
        with self._lock, suppress(OSError):
            self._known[listed.key] = (listed.size, listed.modified, listed.e_tag)
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("ab")
                self._file.write(b"\n")  # a process that was killed may have left half a line
            self._file.write(msgspec.json.encode(tuple(listed)) + b"\n")
            if time.monotonic() - self._flushed > _FLUSHED_EVERY:
                self._file.flush()
                self._flushed = time.monotonic()

    def close(self, present: set[str] | None = None) -> None:
        """Write what is left.

        :param present: all keys that the store has, where they are known: what is gone is forgotten.
        """
        from conjoin.writing import replace

        with self._lock, suppress(OSError):
            if self._file is not None:
                self._file.close()
                self._file = None
            if present is not None and self._known:
                kept = [
                    msgspec.json.encode((key, *told)) + b"\n"
                    for key, told in sorted(self._known.items())
                    if key in present
                ]
                replace(self._path, b"".join(kept), durable=False)


def _read(path: Path) -> dict[str, tuple[int, float, str]]:
    found = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    decoder = msgspec.json.Decoder(_Line)
    for line in lines:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            key, size, modified, e_tag = decoder.decode(line)
            found[key] = (size, modified, e_tag)
    return found
