"""The prefixes of this user on this host: a small file each, so that nobody overwrites another's.

``<state>/prefixes/<hash of the path>.json`` says where a prefix is and when it was made; how old the file is,
when it was used last. What the prefix holds says its own marker: a prefix that was deleted, or made anew by
another tool, is noticed by that.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from conjoin.config.places import envs_dir, state_dir
from conjoin.lock.identity import environment_name
from conjoin.prefix.prefix import Marker, read_marker
from conjoin.store.gc_lock import FolderGcLock
from conjoin.untrusted import decode_json
from conjoin.writing import replace

__all__ = ["KnownPrefix", "Registration", "Registry"]


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """A prefix, as it was made.

    :ivar made: when; RFC 3339, UTC.
    :ivar host: on which machine: a home may be shared by several, with prefixes on disks of their own.
    """

    path: str
    req_id: str
    full_id: str
    platform: str
    made: str
    host: str
    schema: int = 1


class KnownPrefix(msgspec.Struct, frozen=True, kw_only=True):
    """A prefix that is known here.

    :ivar marker: what it holds; None where it is gone, or is not ours any more.
    :ivar made: RFC 3339, UTC; empty where that was not noted.
    :ivar last_used: seconds since 1970.
    :ivar host: where it was made.
    :ivar file: what registers it; None for a prefix that was only found.
    """

    path: Path
    marker: Marker | None
    made: str
    last_used: float
    host: str
    file: Path | None

    @property
    def ids(self) -> tuple[str, str] | None:
        """``(req_id, full_id)`` of what it holds."""
        return (self.marker.req_id, self.marker.full_id) if self.marker else None

    @property
    def is_elsewhere(self) -> bool:
        """Whether it may be on another machine's disk."""
        return self.marker is None and self.host != socket.gethostname()

    @property
    def is_at_default_place(self) -> bool:
        """Whether its place was chosen by us, and so is found again by anybody who needs it."""
        return self.ids is not None and self.path == envs_dir() / environment_name(*self.ids)


class Registry:
    """The prefixes known to this user; any number of processes may use it at once.

    :ivar gc_lock: held by whoever deletes prefixes.
    """

    def __init__(self) -> None:
        root = state_dir()
        self.gc_lock = FolderGcLock(root)
        self._folder = root / "prefixes"

    def use(self, prefix: Path) -> bool:
        """Note that ``prefix`` is about to be used, and return whether it is registered.

        Waits while prefixes are being deleted: what is there afterwards, stays.
        """
        file = self._file(prefix)
        try:
            os.utime(file)
            known = os.stat(file).st_size > 0  # noqa: PTH116 (a power cut may have left nothing of it)
        except OSError:
            known = False
        self.gc_lock.wait()
        return known

    def add(self, prefix: Path, marker: Marker) -> None:
        """Register a prefix, instead of what was registered there; a home that is read-only is left so."""
        registration = Registration(
            path=str(prefix),
            req_id=marker.req_id,
            full_id=marker.full_id,
            platform=marker.platform,
            made=datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
            host=socket.gethostname(),
        )
        with suppress(OSError):
            replace(self._file(prefix), msgspec.json.encode(registration) + b"\n", durable=False)

    def all(self) -> list[KnownPrefix]:
        """Return every prefix that is registered or lies where we make them, sorted by path."""
        found = {known.path: known for known in self._registered()}
        for path in _lying_around():
            if path not in found and (marker := read_marker(path)) is not None:
                facts = path.stat()
                found[path] = KnownPrefix(
                    path=path,
                    marker=marker,
                    made="",
                    last_used=facts.st_mtime,
                    host=socket.gethostname(),
                    file=None,
                )
        return [known for _, known in sorted(found.items())]

    def forget(self, known: KnownPrefix) -> None:
        """Drop a registration."""
        if known.file is not None:
            known.file.unlink(missing_ok=True)

    def _registered(self) -> Iterator[KnownPrefix]:
        for file in sorted(self._folder.glob("*.json")):
            try:
                last_used = file.stat().st_mtime
                data = file.read_bytes()
            except OSError:
                continue  # dropped meanwhile
            try:
                registration = decode_json(data, Registration)
            except msgspec.DecodeError:
                # Nothing is known of it, not even where it is: its next use registers it anew.
                yield KnownPrefix(
                    path=file, marker=None, made="", last_used=last_used, host=socket.gethostname(), file=file
                )
                continue
            path = Path(registration.path)
            yield KnownPrefix(
                path=path,
                marker=read_marker(path),
                made=registration.made,
                last_used=last_used,
                host=registration.host,
                file=file,
            )

    def _file(self, prefix: Path) -> Path:
        name = hashlib.sha256(os.fsencode(prefix)).hexdigest()[:40]
        return self._folder / f"{name}.json"


def _lying_around() -> Iterator[Path]:
    root = envs_dir()
    for folder in (root, root / "named"):
        try:
            yield from (path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError:  # noqa: PERF203 (two rounds)
            continue
