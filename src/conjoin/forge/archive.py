"""Packages as archives: deterministic writers of ``.conda`` (CEP 35) and ``.tar.bz2``.

The same package gives the same bytes whenever and wherever it is written: members are sorted, dates and
owners fixed, compression settings constant. A file appears under its name complete or not at all.
"""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from conjoin.forge.package import TIMESTAMP, Package, PackageFile
from conjoin.writing import disk_errors

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEVEL", "Format", "file_name", "write_archive"]

Format = Literal["conda", "tar.bz2"]

LEVEL = 10
"""Default zstd level: a sixth smaller than level 3 for three times its (short) time; 19 takes 30 times it."""

# One worker or more gives other bytes than none; how many makes no difference to the bytes.
_WORKERS = 2
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def file_name(package: Package, fmt: Format = "conda") -> str:
    """Return the name of the package's file."""
    return f"{package.stem}.{fmt}"


def write_archive(package: Package, folder: Path, *, fmt: Format = "conda", level: int = LEVEL) -> Path:
    """Write ``package`` into ``folder`` (a subdir of a channel, made if missing) and return its path.

    :param level: zstd level, 1 to 22; ``.tar.bz2`` knows only one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(package, fmt)
    descriptor, temporary = tempfile.mkstemp(prefix=".forge-", dir=folder)
    try:
        # A file with a buffer writes all that it is given, or raises.
        with disk_errors(path), os.fdopen(descriptor, "wb") as out:
            if fmt == "conda":
                _write_conda(package, out, level)
            else:
                _write_bz2(package, out)
        # mkstemp's mode is 0600; channels are served by other users.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _write_conda(package: Package, out: IO[bytes], level: int) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:

        def member(name: str, write: Callable[[IO[bytes]], Any]) -> None:
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.external_attr = 0o100644 << 16
            with archive.open(entry, "w", force_zip64=True) as stream:
                write(stream)

        member("metadata.json", lambda stream: stream.write(b'{"conda_pkg_format_version": 2}'))
        member(f"pkg-{package.stem}.tar.zst", lambda stream: _write_zst(stream, level, files=package.files))
        member(f"info-{package.stem}.tar.zst", lambda stream: _write_zst(stream, level, info=package.info()))


def _write_zst(
    out: IO[bytes],
    level: int,
    *,
    files: dict[str, PackageFile] | None = None,
    info: dict[str, bytes] | None = None,
) -> None:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.nb_workers: _WORKERS,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    with (
        zstd.ZstdFile(out, "w", options=options) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar,
    ):
        _add_all(tar, info or {}, files or {})


def _write_bz2(package: Package, out: IO[bytes]) -> None:
    with tarfile.open(
        fileobj=out, mode="w:bz2", compresslevel=9, format=tarfile.GNU_FORMAT, encoding="utf-8"
    ) as tar:
        # info first: readers then need not decompress the whole archive for it.
        _add_all(tar, package.info(), package.files)


def _add_all(tar: tarfile.TarFile, info: dict[str, bytes], files: dict[str, PackageFile]) -> None:
    for name, content in info.items():
        _add(tar, name, PackageFile(content))
    for name, file in sorted(files.items()):
        _add(tar, name, file)


def _add(tar: tarfile.TarFile, name: str, file: PackageFile) -> None:
    entry = tarfile.TarInfo(name)
    entry.mtime = TIMESTAMP
    if file.link:
        entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, file.link, 0o777
        tar.addfile(entry)
        return
    content = file.read()
    entry.size, entry.mode = len(content), 0o755 if file.executable else 0o644
    tar.addfile(entry, io.BytesIO(content))
