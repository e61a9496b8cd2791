"""A prefix as a whole: where it may be, whether it is complete, and how it is made and given up.

``conda-meta/conjoin`` says what a prefix is to be and whether it is; it is the first file written and, in
its final form, the last. (Not ``.json``: conda takes every ``conda-meta/*.json`` for a package.)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from conjoin.config.places import envs_dir
from conjoin.errors import UsageError
from conjoin.lock.identity import environment_name, platform_digest
from conjoin.lock.model import Lock
from conjoin.store.backend.filelock import locked
from conjoin.store.layout import plain_name
from conjoin.untrusted import decode_json, path_of
from conjoin.writing import replace

__all__ = ["LONGEST", "Marker", "Prefix", "prefix_path", "read_marker"]

LONGEST = 255
"""Bytes in a prefix's path: conda's placeholders are that long, and binaries cannot hold more."""

# Would end a shebang, a quoted string in the `/bin/sh` form of one, or an entry of PATH.
_IMPOSSIBLE = frozenset("\"'`$\\:")

_MARKER = Path("conda-meta", "conjoin")


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a prefix is to be: an environment; and whether it is.

    :ivar platform_digest: of what it holds (:func:`~conjoin.lock.identity.platform_digest`).
    """

    req_id: str
    full_id: str
    platform: str
    platform_digest: str
    complete: bool
    schema: int = 2

    @classmethod
    def of(cls, lock: Lock, platform: str) -> Marker:
        """Return what a complete prefix of a lock says of itself."""
        return cls(
            req_id=lock.req_id,
            full_id=lock.full_id,
            platform=platform,
            platform_digest=platform_digest(platform, lock.platforms[platform]),
            complete=True,
        )

    def holds(self, wanted: Marker) -> bool:
        """Return whether what is there is what is wanted, of whichever lock it was made."""
        return self.complete and (self.platform, self.platform_digest) == (
            wanted.platform,
            wanted.platform_digest,
        )


def prefix_path(
    lock: Lock, prefix: Path | None = None, name: str | None = None, platform: str | None = None
) -> Path:
    """Return where an environment goes: ``prefix``, ``envs/named/<name>``, or the folder named by its ids.

    :param platform: of the environment: one that was made of an earlier lock of the same requirements, which
        lacked other platforms, is taken as it is; default: none is.
    :raises UsageError: where conda packages could not work there.
    """
    if prefix is not None and name is not None:
        raise UsageError("a prefix and a name are given", advice="choose one of --prefix and --name")
    if name is not None:
        path = envs_dir() / "named" / plain_name(name)
    else:
        path = prefix or _default_path(lock, platform)
    path = Path(os.path.abspath(path_of(str(path))))  # noqa: PTH100 (resolve() would follow links)
    text = str(path)
    if not path.name:
        raise UsageError("the root of a disk is no prefix", where=text, advice="name a folder with --prefix")
    if len(os.fsencode(text)) > LONGEST:
        raise UsageError(
            f"the prefix's path has {len(os.fsencode(text))} bytes, packages leave room for {LONGEST}",
            where=text,
            advice="choose a shorter one with --prefix, or set CONJOIN_ENVS",
        )
    impossible = sorted(c for c in set(text) if c in _IMPOSSIBLE or not c.isprintable())
    if impossible:
        raise UsageError(
            f"the prefix's path holds {' '.join(map(repr, impossible))}, which scripts cannot hold",
            where=text,
            advice="choose another one with --prefix, or set CONJOIN_ENVS",
        )
    return path


def _default_path(lock: Lock, platform: str | None) -> Path:
    """Return the folder named by the ids of a lock, or that of another lock which holds the same."""
    own = envs_dir() / environment_name(lock.req_id, lock.full_id)
    if platform not in lock.platforms or len(lock.platforms) == 1 or os.path.lexists(own):
        return own
    wanted = Marker.of(lock, platform)
    for other in sorted(envs_dir().glob(f"{environment_name(lock.req_id, '')}*")):
        there = read_marker(other)
        if there is not None and there.holds(wanted):
            return other
    return own


def read_marker(prefix: Path) -> Marker | None:
    """Return what ``prefix`` is to be, None where we did not make it."""
    try:
        return decode_json((prefix / _MARKER).read_bytes(), Marker)
    except (OSError, msgspec.DecodeError):
        return None


class Prefix:
    """A prefix being made; whoever makes it holds its lock (:attr:`lock_file`).

    :ivar path: where it is used from, and built: packages embed this path.
    :ivar marker: what it is to hold, as it says when it is complete.
    :ivar work: a folder beside it for what the making needs; gone afterwards.
    """

    def __init__(self, path: Path, marker: Marker) -> None:
        self.path = path
        self.marker = marker
        self.work = path.with_name(f".{path.name}.work")
        self.lock_file = path.with_name(f".{path.name}.lock")
        self._was_there = False

    def is_complete(self) -> bool:
        """Return whether the wanted environment is there."""
        there = read_marker(self.path)
        return there is not None and there.holds(self.marker)

    def adopt(self) -> None:
        """Have a complete prefix, which was made of another lock with these packages, say it is of ours."""
        if read_marker(self.path) == self.marker:
            return
        with suppress(OSError), locked(self.lock_file):  # a shared prefix may be read-only for us
            if self.is_complete():
                replace(self.path / _MARKER, self._encoded(complete=True), durable=False)

    def refuse_foreign(self) -> None:
        """Refuse to replace what we did not make.

        :raises UsageError: where ``path`` is a file, or a folder with content that is not ours.
        """
        if not os.path.lexists(self.path):
            return
        if not self.path.is_dir():
            raise UsageError("this is no folder", where=str(self.path), advice="choose another --prefix")
        if read_marker(self.path) is None and not _is_blank(self.path):
            raise UsageError(
                "this folder holds something else",
                where=str(self.path),
                advice="choose another --prefix, or empty it first",
            )

    @contextmanager
    def work_folder(self) -> Iterator[None]:
        """Have the work folder, empty, for as long as the context lasts; a killed process may have left one.

        Whatever was moved out of the way is deleted with it, and only then: on ext4, making many files just
        after deleting many is several times slower.
        """
        if self.work.exists():
            shutil.rmtree(self.work)
        self.work.mkdir(parents=True)
        try:
            yield
        finally:
            self._clean_up()

    @contextmanager
    def replaced(self) -> Iterator[None]:
        """Replace what was there: complete when the context ends, taken away where it ends in an error."""
        self.claim()
        try:
            yield
        except BaseException:
            self._give_up()
            raise
        replace(self.path / _MARKER, self._encoded(complete=True), durable=False)

    def claim(self) -> None:
        """Move what was there out of the way and make the prefix a folder that is known to be incomplete."""
        self._was_there = self.path.is_dir() and not any(self.path.iterdir())
        if self.path.exists() and not self._was_there:
            self._to_trash()
        replace(self.path / _MARKER, self._encoded(complete=False), durable=False)

    def tidy(self) -> None:
        """Clean up after a process that was killed between completing the prefix and cleaning up."""
        if self.work.exists() or self.lock_file.exists():
            with suppress(OSError), locked(self.lock_file):  # a shared prefix may be read-only for us
                self._clean_up()

    def _give_up(self) -> None:
        with suppress(OSError):  # what stays is known to be incomplete
            self._to_trash()
            if self._was_there:
                self.path.mkdir()

    def _clean_up(self) -> None:
        for leftover in (self.work, *self.path.parent.glob(f"{_escaped(self._trash_stem)}*")):
            shutil.rmtree(leftover, ignore_errors=True)

    @property
    def _trash_stem(self) -> str:
        return f".{self.path.name}.trash-"

    def _to_trash(self) -> None:
        trash = Path(tempfile.mkdtemp(dir=self.path.parent, prefix=self._trash_stem))
        try:
            self.path.rename(trash / "prefix")
        except OSError:
            # A mount point cannot be moved: empty it instead, what says that it is ours last.
            meta = self.path / _MARKER.parent
            for entry in (*self.path.iterdir(), *meta.iterdir()):
                if entry not in (meta, self.path / _MARKER):
                    _delete(entry)
            _delete(meta)

    def _encoded(self, *, complete: bool) -> bytes:
        marker = msgspec.structs.replace(self.marker, complete=complete)
        return msgspec.json.encode(marker) + b"\n"


def _is_blank(path: Path) -> bool:
    """Return whether a folder is empty, or as a process leaves it that dies while it writes the marker."""
    for entry in path.iterdir():
        if entry.name != _MARKER.parent.name or entry.is_symlink() or not entry.is_dir():
            return False
        if any(not (each.name.startswith(".") and each.name.endswith(".part")) for each in entry.iterdir()):
            return False
    return True


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _escaped(name: str) -> str:
    import glob

    return glob.escape(name)
