"""What a source distribution says of itself, where a build must not say otherwise (PEP 643)."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from packaging.version import InvalidVersion, Version

from holdfast.index.core_metadata import MetadataUnusable, parse_core_metadata
from holdfast.index.project import CoreMetadata
from holdfast.spec.names import PypiName

__all__ = ["static_metadata"]

_MAX_PKG_INFO = 10 * 1024 * 1024
_STATIC_SINCE = Version("2.2")


def static_metadata(archive: Path, name: PypiName, version: Version) -> CoreMetadata | None:
    """Return what PKG-INFO says if it is binding, else None.

    It is from metadata 2.2 on, unless it calls dependencies or Requires-Python dynamic (PEP 643).
    """
    content = _pkg_info(archive)
    if content is None:
        return None
    headers = content.split(b"\n\n", 1)[0].decode("utf-8", "replace").splitlines()
    fields = [(key.strip().lower(), value.strip()) for key, _, value in (h.partition(":") for h in headers)]
    stated = next((value for key, value in fields if key == "metadata-version"), "0")
    dynamic = {value.lower() for key, value in fields if key == "dynamic"}
    try:
        if Version(stated) < _STATIC_SINCE or dynamic & {"requires-dist", "requires-python", "version"}:
            return None
        return parse_core_metadata(content, name, version)
    except (InvalidVersion, MetadataUnusable):
        return None


def _pkg_info(archive: Path) -> bytes | None:
    """Return ``<top folder>/PKG-INFO`` of an sdist, None where there is none."""
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as packed:
                for entry in packed.infolist():
                    if _is_pkg_info(entry.filename) and entry.file_size <= _MAX_PKG_INFO:
                        return packed.read(entry)
            return None
        with tarfile.open(archive) as packed_tar:
            for member in packed_tar:
                if _is_pkg_info(member.name) and member.isfile() and member.size <= _MAX_PKG_INFO:
                    stream = packed_tar.extractfile(member)
                    return stream.read() if stream else None
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError):
        return None
    return None


def _is_pkg_info(member: str) -> bool:
    return member.count("/") == 1 and member.endswith("/PKG-INFO")
