"""What a wheel will put where, read from the archive once and remembered beside the cache."""

from __future__ import annotations

import base64
import configparser
import copy
import csv
import errno
import hashlib
import io
import os
import posixpath
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from conjoin.errors import IntegrityError
from conjoin.lock.model import LockedPackage
from conjoin.net.expansion import Expansion
from conjoin.prefix.link.packaged_path import (
    ENTRY_POINT,
    PackagedPath,
    canonical,
    folders_of,
    is_script_name,
    refuse_escape,
)
from conjoin.prefix.link.sealed import sealed, unsealed
from conjoin.store.packages import file_sha256
from conjoin.untrusted import archive_failures, reason_of
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


# Those that PEP 376 allows, which RECORDs use.
_ALGORITHMS = ("sha256", "sha384", "sha512")
_DEPTH = 3
_PIECE = 1 << 20
_MUCH = 1 << 62


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
    :ivar folders: the folders of ``paths``, all the way up.
    """

    stamp: _Stamp
    dist_info: str
    paths: tuple[PackagedPath, ...]
    folders: tuple[str, ...] = ()


class WheelListings:
    """The listings below ``root``; any number of processes may use them at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, package: LockedPackage, wheel: Path) -> WheelEntry | None:
        """Return the entry of a wheel that was verified and has not changed since, else None."""
        try:
            entry = unsealed(self._path(package).read_bytes(), WheelEntry)
            return entry if entry is not None and entry.stamp == _stamp(wheel) else None
        except OSError:
            return None

    def add(self, package: LockedPackage, wheel: Path, *, verified: bool) -> WheelEntry:
        """Verify and read ``wheel``, and remember the result.

        :param verified: whether the wheel's bytes were hashed just now.
        :raises IntegrityError: where its bytes are not the locked ones, it is no valid wheel, or its
            ``RECORD`` tells other hashes than its files have.
        """
        stamp = _stamp(wheel)
        if not verified and (found := file_sha256(wheel)) != package.sha256:
            raise IntegrityError(
                f"the package {package.file} in the store is damaged: sha256 is {found}",
                where=str(wheel),
                advice="nothing was installed; delete that file, it is fetched from its origin again",
            )
        dist_info, paths = _read(wheel, package)
        entry = WheelEntry(stamp, dist_info, paths, tuple(sorted(folders_of(each.path for each in paths))))
        path = self._path(package)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, sealed(entry), durable=False)
        return entry

    def _path(self, package: LockedPackage) -> Path:
        return self._root / package.sha256[:2] / f"{package.sha256}.json"


def _stamp(path: Path) -> _Stamp:
    facts = os.stat(path)  # noqa: PTH116 (mirrors the lstat of the conda cache)
    return _Stamp(str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _read(wheel: Path, package: LockedPackage) -> tuple[str, tuple[PackagedPath, ...]]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return _listed(archive, package, Expansion(wheel.name, wheel.stat().st_size, str(wheel)))
    except archive_failures() as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # zipfile sought before the start
            raise
        raise IntegrityError(
            f"{wheel.name} is no valid wheel ({reason_of(error)})",
            where=str(wheel),
            advice="its hash is right, so it was made this way: report it to its project",
        ) from None


class _InvalidError(ValueError):
    """Why something is no wheel."""


def _listed(
    archive: zipfile.ZipFile, package: LockedPackage, expansion: Expansion
) -> tuple[str, tuple[PackagedPath, ...]]:
    for each in archive.infolist():
        expansion.count(each.file_size)  # as it is told; whether that is true is seen below
    members = _members(archive, package.file)
    dist_info = _dist_info(members, package)
    described = archive.read(members[f"{dist_info}/WHEEL"])
    version = re.search(rb"^Wheel-Version:[ \t]*(\d{1,9})", described, re.MULTILINE)
    if version is None or version[1] != b"1":
        raise _InvalidError("its WHEEL names no version of the format that is known")
    told = _told(archive.read(members[f"{dist_info}/RECORD"]), package.file)
    data = f"{dist_info.removesuffix('.dist-info')}.data/"
    # These are made anew by the installer, so they are the wheel's own, never shared.
    own = {f"{dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s", *INSTALLERS_OWN)}
    paths: dict[str, PackagedPath] = {}
    for name, member in members.items():
        digest = _digest(archive, member, told.get(name, ("", "")), own=name in own)
        if name in own:
            continue
        if name.startswith(data) and not member.filename.startswith(data):
            raise _InvalidError(f"installers could not tell where {member.filename} belongs")
        path = _place(name, data, dist_info)
        refuse_escape(name.removeprefix(data).partition("/")[2] or name, package.file)
        # The first line of a script becomes the prefix's interpreter.
        packaged = PackagedPath(path, "" if name.startswith(f"{data}scripts/") else digest, member.file_size)
        if paths.setdefault(path, packaged) != packaged:
            raise _InvalidError(f"it brings {path} twice, with different content")
    for script in _entry_points(archive, members.get(f"{dist_info}/entry_points.txt")):
        paths[f"python-scripts/{script}"] = PackagedPath(f"python-scripts/{script}", "")
    for both in sorted(folders_of(paths).intersection(paths)):
        raise _InvalidError(f"it brings {both} as a file and as a folder")
    return dist_info, tuple(paths.values())


def _members(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """Return the files of an archive, each by its name as file systems read it."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        if "\0" in member.orig_filename:
            raise _InvalidError(f"a name holds a null byte: {member.orig_filename!r}")
        refuse_escape(member.filename, where)
        if member.is_dir():
            continue
        name = canonical(member.filename)
        if not name:
            raise _InvalidError(f"a file has no name: {member.filename!r}")
        if name in found and (found[name].CRC, found[name].file_size) != (member.CRC, member.file_size):
            raise _InvalidError(f"it brings {name} twice, with different content")
        found[name] = member
    return found


def _dist_info(members: Iterable[str], package: LockedPackage) -> str:
    found = {name.partition("/")[0] for name in members if name.endswith(".dist-info/METADATA")}
    dist_infos = sorted(name for name in found if name.endswith(".dist-info"))
    if len(dist_infos) != 1:
        raise _InvalidError(f"it has {len(dist_infos)} .dist-info folders")
    name = dist_infos[0].removesuffix(".dist-info").partition("-")[0]
    if _normalised(name) != _normalised(package.name):
        raise _InvalidError(f"it calls itself {name}")
    return dist_infos[0]


def _normalised(name: str) -> str:
    """Return a name as PEP 503 has it; bare containers have no `packaging`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _told(record: bytes, where: str) -> dict[str, tuple[str, str]]:
    """Return what a RECORD (PEP 376) says: of each file an algorithm and a hash, in hex digits."""
    found = {}
    for row in csv.reader(io.StringIO(record.decode("utf-8"), newline="")):
        if not row or not row[0]:
            continue
        path = row[0].replace("\\", "/")
        # What was installed somewhere may name its scripts; the folder of packages is three deep.
        climbs = posixpath.normpath(path).split("/")[: _DEPTH + 1].count("..")
        if path.startswith("/") or climbs > _DEPTH:
            refuse_escape(path, where)
        found[canonical(row[0])] = _hash(row[1] if len(row) > 1 else "")
    return found


def _hash(said: str) -> tuple[str, str]:
    """Return algorithm and hex digits of a hash as RECORD has it: urlsafe base64 without padding."""
    algorithm, _, value = said.partition("=")
    if algorithm not in _ALGORITHMS:
        return "", ""
    try:
        return algorithm, base64.urlsafe_b64decode(f"{value}{'=' * (-len(value) % 4)}").hex()
    except ValueError:  # binascii.Error, or not ASCII
        return algorithm, value  # no hash of anything


def _digest(archive: zipfile.ZipFile, member: zipfile.ZipInfo, told: tuple[str, str], *, own: bool) -> str:
    """Return the sha256 of a file's bytes, which its zip checks against a CRC meanwhile.

    :param told: what RECORD says.
    """
    algorithm, expected = told
    whole = copy.copy(member)
    whole.file_size = _MUCH  # zipfile would stop where the directory says that it ends, uv does not
    size = 0
    digest = hashlib.sha256()
    other = digest if algorithm in ("", "sha256") else hashlib.new(algorithm)
    with archive.open(whole) as file:
        while piece := file.read(min(_PIECE, member.file_size + 1)):
            size += len(piece)
            if size > member.file_size:
                raise _InvalidError(f"{member.filename} has more bytes than the archive's directory says")
            digest.update(piece)
            if other is not digest:
                other.update(piece)
    if size != member.file_size:
        raise _InvalidError(f"{member.filename} has {size} bytes, and the archive's directory says another")
    if algorithm and not own and other.hexdigest() != expected:
        raise _InvalidError(f"its RECORD tells another hash of {member.filename} than that file has")
    return digest.hexdigest()


def _place(name: str, data: str, dist_info: str) -> str:
    if not name.startswith(data):
        return f"site-packages/{name}"
    category, _, rest = name[len(data) :].partition("/")
    if category == "headers":
        return f"python-headers/{dist_info.partition('-')[0]}/{rest}"
    if category not in _SCHEMES or not rest or (category == "scripts" and "/" in rest):
        raise _InvalidError(f"nothing can be installed from {name}")
    return f"{_SCHEMES[category]}{rest}"


def _entry_points(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> list[str]:
    if member is None:
        return []
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(archive.read(member).decode())
    scripts = [
        (name, value)
        for section in ("console_scripts", "gui_scripts")
        if parser.has_section(section)
        for name, value in parser[section].items()
    ]
    for name, value in scripts:
        if not is_script_name(name):
            raise _InvalidError(f"no script can be called {name[:100]!r}")
        if not ENTRY_POINT.fullmatch(value[:1000]):
            raise _InvalidError(f"the script {name} calls nothing: {value[:100]!r}")
    return [name for name, _ in scripts]
