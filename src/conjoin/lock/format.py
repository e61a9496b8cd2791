"""A lock as bytes: one canonical JSON document, written and read back with nothing taken on trust."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.identity import full_id, package_order, requirements_id
from conjoin.lock.model import SCHEMA, Lock, LockedPackage
from conjoin.spec.grammars import is_id, is_plain_file_name, is_sha256
from conjoin.spec.platform import PLATFORMS
from conjoin.writing import replace

__all__ = ["decode", "encode", "read_lock", "write_lock"]

_MD5 = re.compile(r"([0-9a-f]{32})?")


def encode(lock: Lock) -> bytes:
    """Return ``lock`` as bytes: JSON with sorted keys and packages, indented by one space, with a newline.

    The same decision has the same bytes, in whatever order it was put together.
    """
    document = msgspec.to_builtins(lock)
    for platform, locked in lock.platforms.items():
        ordered = sorted(locked.packages, key=package_order)
        document["platforms"][platform]["packages"] = [_without_empty(package) for package in ordered]
    # Indented afterwards: json alone would do that in Python, ten times slower.
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return msgspec.json.format(text.encode(), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Lock:
    """Return the lock that ``data`` holds.

    :param where: file or URL the bytes came from, for messages.
    :raises UsageError: where it is no lock, or of a schema newer than this version reads.
    :raises IntegrityError: where the ids do not belong to the content: somebody edited it.
    """
    try:
        schema = msgspec.json.decode(data, type=_Head).schema
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"this is not a lock ({error})", where=where, advice="write one with `conjoin resolve -o FILE`"
        ) from None
    if schema > SCHEMA:
        raise UsageError(
            f"the lock has schema {schema}, this version reads up to {SCHEMA}",
            where=where,
            advice="upgrade conjoin",
        )
    try:
        lock = msgspec.json.decode(data, type=Lock)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the lock cannot be read ({error})", where=where) from None
    _check_shape(lock, where)
    advice = "locks are not edited by hand: resolve again"
    if requirements_id(lock.requirements) != lock.req_id:
        raise IntegrityError("req_id does not belong to these requirements", where=where, advice=advice)
    if full_id(lock.platforms) != lock.full_id:
        raise IntegrityError("full_id does not belong to these packages", where=where, advice=advice)
    return lock


def read_lock(path: Path) -> Lock:
    """Return the lock in the file ``path``.

    :raises UsageError: where it cannot be read or is no lock.
    :raises IntegrityError: where its ids do not belong to its content.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", where=str(path)) from None
    return decode(data, str(path))


def write_lock(path: Path, lock: Lock) -> None:
    """Write ``lock`` to the file ``path`` in one step: readers see the old file or the new one.

    :raises UsageError: where the folder is not there, or cannot be written to.
    :raises DiskError: where the disk is full.
    """
    try:
        path.parent.stat()  # else it would be made
        replace(path, encode(lock), durable=False)
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror})", where=str(path)) from None


def _without_empty(package: LockedPackage) -> dict[str, Any]:
    # msgspec leaves out an empty tuple only where it is the very object of the default, which the one that
    # Python 3.10 makes of an empty generator is not.
    return {name: value for name, value in msgspec.to_builtins(package).items() if value not in ((), [])}


class _Head(msgspec.Struct):
    schema: int


def _check_shape(lock: Lock, where: str) -> None:
    problems = []
    if lock.schema < 1:
        problems.append(f"schema {lock.schema} never existed")
    problems += [
        f"{name} is not 40 hex digits"
        for name, value in (("req_id", lock.req_id), ("full_id", lock.full_id))
        if not is_id(value)
    ]
    for platform, locked in lock.platforms.items():
        if platform not in PLATFORMS:
            problems.append(f"{platform!r} is not a platform")
        seen: set[tuple[str, str]] = set()
        for position, package in enumerate(locked.packages):
            at = f"platforms.{platform}.packages[{position}]"
            problems += [f"{at}: {problem}" for problem in _package_problems(package)]
            if (package.kind, package.name) in seen:
                problems.append(f"{at}: a second {package.kind} package {package.name!r}")
            seen.add((package.kind, package.name))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UsageError(f"the lock is not valid: {problems[0]}{more}", where=where)


def _package_problems(package: LockedPackage) -> list[str]:
    problems = [
        f"{field} {value!r} is not a plain name"
        for field, value in (("name", package.name), ("version", package.version), ("file", package.file))
        if not is_plain_file_name(value)
    ]
    if package.size < 0:
        problems.append(f"size {package.size} is negative")
    if package.kind == "python":
        return problems
    if not is_sha256(package.sha256):
        problems.append("sha256 is not 64 hex digits")
    if not _MD5.fullmatch(package.md5):
        problems.append("md5 is not 32 hex digits")
    if "@" in urlsplit(package.url).netloc:
        problems.append("url carries credentials")
    if package.kind == "pypi" and not package.file.endswith(".whl"):
        problems.append(f"file {package.file!r} is not a wheel")
    if package.kind == "conda":
        if not package.file.endswith((".conda", ".tar.bz2")):
            problems.append(f"file {package.file!r} is not a conda package")
        if not is_plain_file_name(package.build):
            problems.append(f"build {package.build!r} is not a plain name")
    return problems
