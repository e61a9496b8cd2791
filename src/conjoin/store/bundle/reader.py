"""A bundle, read with nothing taken on trust: its form is verified as a whole before any of it is used."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from conjoin.errors import ConjoinError, IntegrityError, UsageError
from conjoin.lock.format import decode
from conjoin.lock.model import Lock
from conjoin.store.aliases import parse_alias
from conjoin.store.bundle.format import (
    BLOCK,
    END,
    FORMAT,
    MANIFEST_KEY,
    MOST_DOCUMENT,
    BundleFile,
    Manifest,
    Member,
    encode_manifest,
    header,
    lay_out,
    package_files,
)
from conjoin.store.layout import lock_key
from conjoin.untrusted import decode_json

__all__ = ["Bundle", "open_bundle"]

_CHUNK = 1 << 20
_SIZE_FIELD = slice(124, 136)
_FIRST_FIELDS = header(MANIFEST_KEY, 0)[:124]
"""Everything before the size, in the header that a bundle begins with."""


class Bundle:
    """An open bundle whose form is right; its packages' bytes are not verified yet.

    :ivar alias: the name it was exported by; empty for none.
    :ivar packages: by file name.
    """

    def __init__(self, source: _File) -> None:
        self._source = source
        manifest = _read_manifest(source)
        self.alias = manifest.alias
        self.platforms = manifest.platforms
        self.lock = _read_lock(source, manifest)
        self.packages = manifest.files[1:]
        manifest_size = len(encode_manifest(manifest))
        members = lay_out(
            [(MANIFEST_KEY, manifest_size), *((file.key, file.size) for file in manifest.files)]
        )
        _check_form(source, members)
        self._members = {member.key: member for member in members}

    def content(self, file: BundleFile) -> Iterator[bytes]:
        """Yield the bytes of a package, not verified; from several threads at once, if need be.

        :raises IntegrityError: where the file was cut off meanwhile.
        """
        at = self._members[file.key].content_at
        end = at + file.size
        while at < end:
            chunk = self._source.read(at, min(_CHUNK, end - at))
            yield chunk
            at += len(chunk)


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Open a bundle and verify everything but its packages' bytes.

    :raises UsageError: where it cannot be read, is no bundle, or is of a newer format.
    :raises IntegrityError: where it was changed, or cut off.
    """
    source = _File(path)
    try:
        yield Bundle(source)
    finally:
        source.close()


class _File:
    """The file of a bundle."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        try:
            # A pipe without a writer must not make us wait, before we see that it is one.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise self._unreadable(error) from None
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise UsageError("this is not a file", where=self.where, advice="name a bundle")
        self.size = status.st_size

    def read(self, at: int, size: int) -> bytes:
        """Return exactly ``size`` bytes.

        :raises IntegrityError: where the file ends before.
        """
        parts = []
        while size:
            try:
                part = os.pread(self._descriptor, size, at)
            except OSError as error:
                raise self._unreadable(error) from None
            if not part:
                raise self.damaged("it is cut off")
            parts.append(part)
            at, size = at + len(part), size - len(part)
        return b"".join(parts)

    def close(self) -> None:
        os.close(self._descriptor)

    def damaged(self, reason: str) -> IntegrityError:
        return IntegrityError(
            f"the bundle is damaged: {reason}", where=self.where, advice="copy it, or export it, again"
        )

    def _unreadable(self, error: OSError) -> UsageError:
        return UsageError(f"cannot be read ({error.strerror or error})", where=self.where)


class _Head(msgspec.Struct):
    format: int


def _read_manifest(source: _File) -> Manifest:
    first = source.read(0, min(BLOCK, source.size))
    if not first.startswith(_FIRST_FIELDS[: len(first)]):
        raise UsageError(
            "this is not a bundle",
            where=source.where,
            advice="make one: conjoin export ENV --offline-bundle FILE",
        )
    if len(first) < BLOCK:
        raise source.damaged("it is cut off" if first else "it is empty")
    digits = first[_SIZE_FIELD].rstrip(b"\0")
    size = int(digits, 8) if digits.isdigit() and not {*digits} & {*b"89"} else MOST_DOCUMENT + 1
    if size > MOST_DOCUMENT or first != header(MANIFEST_KEY, size):
        raise source.damaged("its first header is not what export writes")
    data = source.read(BLOCK, size)
    try:
        found = decode_json(data, _Head).format
        if found > FORMAT:
            raise UsageError(
                f"the bundle has format {found}, this version reads up to {FORMAT}",
                where=source.where,
                advice="upgrade conjoin",
            )
        manifest = decode_json(data, Manifest)
    except msgspec.DecodeError as error:
        raise source.damaged(f"its manifest cannot be read ({error})") from None
    if manifest.format < 1 or encode_manifest(manifest) != data:
        raise source.damaged("its manifest is not written as export writes it")
    return manifest


def _read_lock(source: _File, manifest: Manifest) -> Lock:
    """Return the lock, after comparing all that the manifest says with it."""
    try:
        key = lock_key(manifest.req_id, manifest.full_id)
        alias = str(parse_alias(manifest.alias)) if manifest.alias else ""
    except UsageError as error:
        raise source.damaged(error.what) from None
    if not manifest.files or manifest.files[0].key != key or alias != manifest.alias:
        raise source.damaged("its manifest does not fit together")
    told = manifest.files[0]
    if told.size > MOST_DOCUMENT:
        raise source.damaged(f"its lock is longer than {MOST_DOCUMENT} bytes")
    _, member = lay_out([(MANIFEST_KEY, len(encode_manifest(manifest))), (key, told.size)])
    data = source.read(member.content_at, told.size)
    if hashlib.sha256(data).hexdigest() != told.sha256:
        raise source.damaged("its lock has another sha256 than its manifest says")
    try:
        lock = decode(data, f"{source.where}: {key}")
    except ConjoinError as error:
        if isinstance(error, UsageError) and error.advice == "upgrade conjoin":
            raise
        raise source.damaged(error.what) from None
    platforms = manifest.platforms
    if (lock.req_id, lock.full_id) != (manifest.req_id, manifest.full_id):
        raise source.damaged("its lock is another than its manifest says")
    if list(platforms) != sorted({*platforms} & {*lock.platforms}):
        raise source.damaged("its manifest names platforms that its lock does not have")
    sizes = {file.key: file.size for file in manifest.files}
    if manifest.files[1:] != package_files(lock, platforms, sizes):
        raise source.damaged("its manifest lists other packages than its lock")
    return lock


def _check_form(source: _File, members: list[Member]) -> None:
    """Compare every byte that is no content with the only one it can be.

    So there is nothing else in it: no other member, no second of a name, no link, device or path of its own.
    """
    end = members[-1].end
    total = end + len(END)
    if source.size < total:
        raise source.damaged(f"it is cut off: {source.size} of {total} bytes")
    if source.size > total:
        raise source.damaged(f"{source.size - total} bytes follow after its end")
    for member in members:
        behind = member.end - member.padding
        if source.read(member.at, len(member.header)) != member.header or source.read(
            behind, member.padding
        ) != bytes(member.padding):
            raise source.damaged(f"around {member.key} it is not what export writes")
    if source.read(end, len(END)) != END:
        raise source.damaged("its end is not what export writes")
