"""METADATA out of a wheel's archive (PEP 427), of which only a part need be here."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from typing import IO, cast

from packaging.version import InvalidVersion, Version

from conjoin.errors import UsageError
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.net.bounded_file import BoundedFile
from conjoin.net.remote_zip import SparseFile
from conjoin.spec.names import PypiName, pypi_name

__all__ = ["read_metadata"]

_MAX_METADATA = 32 * 1024 * 1024  # bytes unpacked: the largest seen is under one; more is a zip bomb


def read_metadata(
    file: IO[bytes] | SparseFile,
    name: PypiName,
    version: Version,
    *,
    before_member: Callable[[zipfile.ZipInfo], None] = lambda _: None,
) -> bytes:
    """Return the ``METADATA`` member of a wheel (PEP 427).

    There must be exactly one top-level ``*.dist-info`` with one ``METADATA``, and its folder must be named
    after the wheel: a second one could say anything else.

    :param before_member: called with the member before it is read.
    :raises MetadataUnusable: where the wheel is no such zip file.
    :raises MissingRange: as the file does.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", BoundedFile(file))) as archive:
            member = _member(archive, name, version)
            if member.file_size > _MAX_METADATA:
                raise MetadataUnusable(f"its METADATA has {member.file_size} bytes")
            before_member(member)
            with archive.open(member) as stream:
                content = stream.read(_MAX_METADATA + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        OSError,
    ) as error:
        raise MetadataUnusable(f"it is not a readable zip file: {error}") from None
    if len(content) > _MAX_METADATA:
        raise MetadataUnusable("its METADATA is too large")
    return content


def _member(archive: zipfile.ZipFile, name: PypiName, version: Version) -> zipfile.ZipInfo:
    found = [
        info
        for info in archive.infolist()
        if info.filename.endswith(".dist-info/METADATA") and info.filename.count("/") == 1
    ]
    if not found:
        raise MetadataUnusable("it has no .dist-info/METADATA")
    if len(found) > 1:
        raise MetadataUnusable("it has more than one .dist-info/METADATA")
    folder = found[0].filename.partition("/")[0].removesuffix(".dist-info")
    distribution, _, spelled = folder.rpartition("-")
    try:
        agrees = pypi_name(distribution) == name and Version(spelled.replace("_", "-")) == version
    except (UsageError, InvalidVersion):
        agrees = False
    if not agrees:
        raise MetadataUnusable(f"its metadata folder {folder!r} is not named after it")
    return found[0]
