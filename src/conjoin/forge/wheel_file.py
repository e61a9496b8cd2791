"""Read a wheel (PEP 427) whose maker nobody has to trust.

Member names that lead elsewhere are refused, links are, and each member has to be what RECORD says it is.
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.errors import ConjoinError, IntegrityError, NotFound, UsageError
from conjoin.forge.package import check_path
from conjoin.spec.names import PypiName, pypi_name
from conjoin.untrusted import archive_failures, reason_of

if TYPE_CHECKING:
    from packaging.tags import Tag

__all__ = ["WheelFile", "open_wheel"]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a wheel."""

    name: str
    executable: bool
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class WheelFile:
    """What is in a wheel, after it was checked.

    :ivar version: as METADATA spells it.
    :ivar dist_info: name of the ``.dist-info`` folder.
    :ivar pure: whether it is for any platform and ABI (``Root-Is-Purelib`` and tag ``none-any``).
    :ivar members: all files but RECORD and its signatures.
    :ivar entry_points: group -> name -> ``module:function`` of console and GUI scripts.
    """

    path: Path
    name: PypiName
    version: str
    dist_info: str
    pure: bool
    tags: frozenset[Tag]
    metadata: Message
    members: tuple[Member, ...]
    entry_points: dict[str, str]

    @property
    def requires_dist(self) -> list[str]:
        """Requires-Dist as it stands (PEP 508)."""
        return [str(text) for text in self.metadata.get_all("Requires-Dist") or []]

    @property
    def requires_python(self) -> str:
        """Requires-Python as it stands, empty for none."""
        return str(self.metadata.get("Requires-Python") or "")


def open_wheel(path: Path) -> WheelFile:
    """Read and check a wheel.

    :raises NotFound: where there is no such file.
    :raises UsageError: where it is no wheel, or an unsafe one.
    :raises IntegrityError: where a member is not what RECORD says.
    """
    try:
        return _open(path)
    except FileNotFoundError as error:
        raise NotFound("no such wheel", where=str(path)) from error
    except archive_failures() as error:
        raise UsageError(f"not a valid wheel: {reason_of(error)}", where=str(path)) from error
    except ConjoinError as error:
        raise type(error)(error.what, where=str(path), advice=error.advice) from error


def _open(path: Path) -> WheelFile:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        parsed, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise UsageError(str(error)) from error
    project = PypiName(parsed)
    # Kept open: members of big wheels are read when they are packed.
    archive = zipfile.ZipFile(path)
    entries = _checked(archive)
    infos = {name.partition("/")[0] for name in entries if name.endswith(".dist-info/WHEEL")}
    infos = {name for name in infos if pypi_name(name.partition("-")[0]) == project}
    if len(infos) != 1:
        raise UsageError("not exactly one .dist-info folder of this project")
    (dist_info,) = infos
    metadata = _headers(archive.read(f"{dist_info}/METADATA"))
    wheel = _headers(archive.read(f"{dist_info}/WHEEL"))
    if pypi_name(str(metadata["Name"])) != project:
        raise UsageError(f"METADATA is that of {metadata['Name']}")
    _check_record(archive, entries, dist_info)
    members = tuple(
        Member(name, bool((entry.external_attr >> 16) & 0o111), partial(archive.read, entry))
        for name, entry in entries.items()
        if not name.startswith(f"{dist_info}/RECORD")
    )
    return WheelFile(
        path=path,
        name=project,
        version=str(version),
        dist_info=dist_info,
        pure=str(wheel["Root-Is-Purelib"]).strip().lower() == "true"
        and all(tag.platform == "any" and tag.abi == "none" for tag in tags),
        tags=tags,
        metadata=metadata,
        members=members,
        entry_points=_scripts(archive, f"{dist_info}/entry_points.txt"),
    )


def _checked(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the files by name; folders have no place in a package."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        # orig_filename: zipfile cuts names at NUL bytes, other readers may not.
        check_path(entry.orig_filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise UsageError(
                f"{entry.filename!r} is a link", advice="wheels cannot hold links, so it is refused"
            )
        if entry.filename in found:
            raise UsageError(f"{entry.filename!r} is in it twice")
        found[entry.filename] = entry
    return found


def _check_record(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], dist_info: str) -> None:
    own = f"{dist_info}/RECORD"
    recorded = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(own).decode())) if len(row) > 1}
    for name, entry in entries.items():
        if name in (own, f"{own}.jws", f"{own}.p7s"):
            continue
        algorithm, _, wanted = recorded.get(name, "").partition("=")
        if not wanted:
            raise IntegrityError(
                f"RECORD has no hash of {name!r}", advice="the wheel was changed; get it again"
            )
        if algorithm not in ("sha256", "sha384", "sha512"):
            raise IntegrityError(f"RECORD has a weak hash of {name!r} ({algorithm})")
        digest = hashlib.new(algorithm, archive.read(entry)).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != wanted.rstrip("="):
            raise IntegrityError(
                f"{name!r} is not what RECORD says", advice="the wheel was changed; get it again"
            )


def _headers(content: bytes) -> Message:
    from email.parser import HeaderParser

    return HeaderParser().parsestr(content.decode("utf-8", "replace"))


def _scripts(archive: zipfile.ZipFile, member: str) -> dict[str, str]:
    if member not in archive.namelist():
        return {}
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(archive.read(member).decode("utf-8"))
    found = {}
    for group in ("console_scripts", "gui_scripts"):
        for name, target in parser.items(group) if parser.has_section(group) else ():
            check_path(name)
            # Extras after the target (`[cli]`) are a relic that says nothing here.
            module, _, function = target.partition("[")[0].strip().partition(":")
            parts = [*module.strip().split("."), *function.strip().split(".")]
            if "/" in name or not all(part.isidentifier() for part in parts):
                raise UsageError(f"the entry point {name} = {target} is none")
            found[name] = f"{module.strip()}:{function.strip()}"
    return found
