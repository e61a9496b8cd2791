"""Archives into folders of the node's cache: whole or not there, and nobody waits for another."""

from __future__ import annotations

import lzma
import os
import posixpath
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from typing import TYPE_CHECKING

from conjoin.bootstrap.download import disk_errors
from conjoin.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["unpack_code", "unpack_once", "unpack_tar", "unpack_wheel"]

_BUFFER = 4 << 20
_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,  # an encrypted file; NotImplementedError of its method
    ValueError,  # names that are no text, or hold a null character
)
"""What reading a damaged or hostile archive raises, beside OSError."""


def unpack_once(folder: str, unpack: Callable[[str], None]) -> str:
    """Return ``folder``, which ``unpack`` fills unless it is there.

    Those who come at the same time each fill one of their own; the first to be ready gives it the name.

    :raises Unreachable: where the disk is full or the folder cannot be made.
    :raises IntegrityError: where the archive is none.
    """
    if os.path.isdir(folder):
        return folder
    with disk_errors(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        temporary = tempfile.mkdtemp(dir=os.path.dirname(folder), prefix=".", suffix=".part")
        try:
            try:
                unpack(temporary)
            except _UNREADABLE as error:
                raise IntegrityError(f"the archive cannot be unpacked ({error})", where=folder) from None
            os.chmod(temporary, 0o755)
            try:
                os.rename(temporary, folder)
            except OSError:
                if not os.path.isdir(folder):
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def unpack_wheel(archive: str, folder: str) -> None:
    """Unpack a wheel as ``pip install --target`` would, its scripts into ``bin``."""
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            parts = _checked(info.filename).split("/")
            runs = False
            if parts[0].endswith(".data") and len(parts) > 2:
                if parts[1] not in ("scripts", "purelib", "platlib"):
                    continue
                runs = parts[1] == "scripts"
                parts = (["bin"] if runs else []) + parts[2:]
            if info.is_dir():
                continue
            path = os.path.join(folder, *parts)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with opened.open(info) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, _BUFFER)
            if runs:
                os.chmod(path, 0o755)


def unpack_code(archive: str, folder: str) -> None:
    """Unpack the modules of a zip file that Python runs."""
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if _checked(info.filename).startswith("conjoin/"):
                opened.extract(info, folder)


def unpack_tar(archive: str, folder: str) -> None:
    """Unpack files, folders and links of a ``.tar.gz``."""
    with tarfile.open(archive, "r:gz") as opened:
        for member in opened:
            path = os.path.join(folder, _checked(member.name))
            # Links that each stay inside may lead out together: look where the file system would.
            _refuse_led_out(path, folder)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if member.isdir():
                os.makedirs(path, exist_ok=True)
            elif member.issym():
                _checked(posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.linkname)))
                os.symlink(member.linkname, path)
                _refuse_led_out(path, folder)
            elif member.isreg():
                source = opened.extractfile(member)
                assert source is not None
                with source, open(path, "wb") as target:
                    shutil.copyfileobj(source, target, _BUFFER)
                os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)


def _refuse_led_out(path: str, folder: str) -> None:
    top = os.path.realpath(folder)
    if not (os.path.realpath(path) + os.sep).startswith(top + os.sep):
        name = os.path.relpath(path, folder)
        raise IntegrityError(f"an archive's link would lead {name!r} out of its folder")


def _checked(name: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise IntegrityError(f"an archive's file {name!r} would leave its folder")
    return name
