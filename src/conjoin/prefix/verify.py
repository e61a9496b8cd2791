"""Whether a prefix still holds what was linked: every file against conda-meta and the wheels' RECORDs."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from conjoin.errors import IntegrityError, NotFound
from conjoin.prefix.prefix import read_marker
from conjoin.store.packages import file_sha256
from conjoin.untrusted import decode_json, read_as, reason_of

__all__ = ["Finding", "verify"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A file that is not as it was linked.

    :ivar path: relative to the prefix.
    :ivar package: who brings it.
    """

    path: str
    package: str
    problem: Literal["missing", "changed"]


class _Path(msgspec.Struct):
    path: str = msgspec.field(name="_path")
    path_type: str = "hardlink"
    sha256: str | None = None
    sha256_in_prefix: str | None = None


class _Paths(msgspec.Struct):
    paths: list[_Path]


class _Record(msgspec.Struct):
    name: str
    paths_data: _Paths


def verify(prefix: Path) -> list[Finding]:
    """Return the files of packages that are missing or changed, sorted. Costs reading every file once.

    Files nobody owns (bytecode, your own) are not looked at; a path that several wheels bring is right if it
    is as any of them brings it.

    :raises NotFound: where ``prefix`` is no complete environment of ours.
    """
    marker = read_marker(prefix)
    if marker is None or not marker.complete:
        raise NotFound("there is no complete environment", where=str(prefix), advice="create it first")
    accepted: dict[str, tuple[str, set[str]]] = {}
    for package, path, sha256 in (*_conda_files(prefix), *_wheel_files(prefix)):
        accepted.setdefault(path, (package, set()))[1].add(sha256)
    findings = []
    for path, (package, hashes) in accepted.items():
        file = prefix / path
        if not file.is_symlink() and not file.exists():
            findings.append(Finding(path, package, "missing"))
        elif file.is_symlink() or not file.is_file() or "" in hashes:
            continue  # links and files made here have no hash to compare with
        elif file_sha256(file) not in hashes:
            findings.append(Finding(path, package, "changed"))
    return sorted(findings)


def _conda_files(prefix: Path) -> Iterator[tuple[str, str, str]]:
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        with read_as(IntegrityError, "what is noted of this package cannot be read", where=str(path)):
            record = decode_json(path.read_bytes(), _Record)
        for file in record.paths_data.paths:
            link = file.path_type != "hardlink"
            yield record.name, file.path, "" if link else (file.sha256_in_prefix or file.sha256 or "")


def _wheel_files(prefix: Path) -> Iterator[tuple[str, str, str]]:
    for record in sorted(prefix.glob("lib/python*/site-packages/*.dist-info/RECORD")):
        installer = record.with_name("INSTALLER")
        if installer.is_file() and installer.read_text().strip() == "conda":
            continue  # conda-meta speaks for it
        name = record.parent.name.partition("-")[0]
        site = record.parent.parent
        for row in _rows(record):
            if len(row) < 2:
                continue
            path = (site / row[0]).resolve() if ".." in row[0] else site / row[0]
            try:
                relative = path.relative_to(prefix if ".." not in row[0] else prefix.resolve())
            except ValueError:
                continue
            yield name, relative.as_posix(), _hex(row[1])


def _rows(record: Path) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
    except (csv.Error, ValueError) as error:
        raise IntegrityError(f"this cannot be read ({reason_of(error)})", where=str(record)) from None


def _hex(record_hash: str) -> str:
    algorithm, _, value = record_hash.partition("=")
    if algorithm != "sha256":
        return ""
    try:
        return base64.urlsafe_b64decode(f"{value}{'=' * (-len(value) % 4)}").hex()
    except ValueError:  # binascii.Error, or not ASCII
        return ""
