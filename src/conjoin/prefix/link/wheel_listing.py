"""What a wheel will put where, read from the archive once and remembered beside the cache."""

from __future__ import annotations

import base64
import binascii
import configparser
import csv
import io
import os
import zipfile
from pathlib import Path

import msgspec

from conjoin.errors import IntegrityError
from conjoin.lock.model import LockedPackage
from conjoin.net.expansion import check_wheel
from conjoin.prefix.link.packaged_path import PackagedPath, refuse_escape
from conjoin.store.packages import file_sha256
from conjoin.writing import replace

__all__ = ["INSTALLERS_OWN", "WheelEntry", "WheelListings"]

INSTALLERS_OWN = ("INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")
"""What installers write beside a wheel's ``METADATA``, the one used here among them.

No wheel should have these (PEP 376, PEP 610), yet one made of what was installed somewhere may.
"""

# PEP 427: where the categories of a wheel's .data folder go.
_SCHEMES = {
    "purelib": "site-packages/",
    "platlib": "site-packages/",
    "scripts": "python-scripts/",
    "data": "",
}


class _Stamp(msgspec.Struct, frozen=True):
    """A file as it was when its bytes were hashed: while this stays, so do they."""

    path: str
    size: int
    mtime_ns: int
    inode: int


class WheelEntry(msgspec.Struct, frozen=True):
    """A wheel whose bytes were verified.

    :ivar dist_info: name of its ``.dist-info`` folder.
    :ivar paths: what will be installed, ``RECORD``'s additions by the installer aside.
    """

    stamp: _Stamp
    dist_info: str
    paths: tuple[PackagedPath, ...]


class WheelListings:
    """The listings below ``root``; any number of processes may use them at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, package: LockedPackage, wheel: Path) -> WheelEntry | None:
        """Return the entry of a wheel that was verified and has not changed since, else None."""
        try:
            entry = msgspec.json.decode(self._path(package).read_bytes(), type=WheelEntry)
            return entry if entry.stamp == _stamp(wheel) else None
        except (OSError, msgspec.DecodeError):
            return None

    def add(self, package: LockedPackage, wheel: Path, *, verified: bool) -> WheelEntry:
        """Verify and read ``wheel``, and remember the result.

        :param verified: whether the wheel's bytes were hashed just now.
        :raises IntegrityError: where its bytes are not the locked ones, or it is no valid wheel.
        """
        stamp = _stamp(wheel)
        if not verified and (found := file_sha256(wheel)) != package.sha256:
            raise IntegrityError(
                f"the package {package.file} in the store is damaged: sha256 is {found}",
                where=str(wheel),
                advice="nothing was installed; delete that file, it is fetched from its origin again",
            )
        check_wheel(wheel)
        dist_info, paths = _read(wheel)
        entry = WheelEntry(stamp, dist_info, paths)
        path = self._path(package)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, msgspec.json.encode(entry), durable=False)
        return entry

    def _path(self, package: LockedPackage) -> Path:
        return self._root / package.sha256[:2] / f"{package.sha256}.json"


def _stamp(path: Path) -> _Stamp:
    facts = os.stat(path)  # noqa: PTH116 (mirrors the lstat of the conda cache)
    return _Stamp(str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _read(wheel: Path) -> tuple[str, tuple[PackagedPath, ...]]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _listed(archive, str(wheel))
    except (zipfile.BadZipFile, configparser.Error, csv.Error, UnicodeDecodeError, KeyError) as error:
        raise IntegrityError(
            f"{wheel.name} is no valid wheel ({error})",
            where=str(wheel),
            advice="its hash is right, so it was made this way: report it to its project",
        ) from None


def _listed(archive: zipfile.ZipFile, where: str) -> tuple[str, tuple[PackagedPath, ...]]:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    for name in names:
        refuse_escape(name, where)
    found = {name.partition("/")[0] for name in names if name.endswith(".dist-info/METADATA")}
    dist_infos = sorted(name for name in found if name.endswith(".dist-info"))
    if len(dist_infos) != 1:
        raise KeyError(f"{len(dist_infos)} .dist-info folders")
    dist_info = dist_infos[0]
    record = archive.read(f"{dist_info}/RECORD").decode()
    hashes = {row[0]: _hex(row[1]) for row in csv.reader(io.StringIO(record)) if len(row) > 1}
    data = f"{dist_info.removesuffix('.dist-info')}.data/"
    # These are made anew by the installer, so they are the wheel's own, never shared.
    own = {f"{dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s", *INSTALLERS_OWN)}
    paths = [
        PackagedPath(
            _place(name, data, dist_info),
            _content(archive, name, data, hashes),
            archive.getinfo(name).file_size,
        )
        for name in names
        if name not in own
    ]
    paths += [PackagedPath(f"python-scripts/{script}", "") for script in _entry_points(archive, dist_info)]
    return dist_info, tuple(paths)


def _place(name: str, data: str, dist_info: str) -> str:
    if not name.startswith(data):
        return f"site-packages/{name}"
    category, _, rest = name[len(data) :].partition("/")
    if category == "headers":
        return f"python-headers/{dist_info.partition('-')[0]}/{rest}"
    if category not in _SCHEMES:
        raise KeyError(f"unknown .data category {category!r}")
    return f"{_SCHEMES[category]}{rest}"


def _content(archive: zipfile.ZipFile, name: str, data: str, hashes: dict[str, str]) -> str:
    if name.startswith(f"{data}scripts/"):
        return ""  # the first line becomes the prefix's interpreter
    return hashes.get(name, "") or f"crc32:{archive.getinfo(name).CRC:08x}"


def _hex(record_hash: str) -> str:
    """Return a RECORD hash (``sha256=`` and urlsafe base64 without padding) as hex digits."""
    algorithm, _, value = record_hash.partition("=")
    if algorithm != "sha256":
        return ""
    try:
        return base64.urlsafe_b64decode(f"{value}{'=' * (-len(value) % 4)}").hex()
    except binascii.Error:
        return ""


def _entry_points(archive: zipfile.ZipFile, dist_info: str) -> list[str]:
    try:
        text = archive.read(f"{dist_info}/entry_points.txt").decode()
    except KeyError:
        return []
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return [
        script
        for section in ("console_scripts", "gui_scripts")
        if parser.has_section(section)
        for script in parser[section]
    ]
