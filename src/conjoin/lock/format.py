"""A lock as bytes: one canonical JSON document, written and read back with nothing taken on trust."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import msgspec

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.identity import full_id, lock_document, requirements_id
from conjoin.lock.model import Lock
from conjoin.lock.outline import refuse_schema
from conjoin.lock.validation import lock_problems
from conjoin.untrusted import decode_json, refuse_deep
from conjoin.writing import replace

__all__ = ["decode", "encode", "read_lock", "write_lock"]

_MOST_PROBLEMS = 100
"""Told as a number: whoever damaged a lock may have damaged all of it."""


def encode(lock: Lock) -> bytes:
    """Return ``lock`` as bytes: JSON with sorted keys and packages, indented by one space, with a newline.

    The same decision has the same bytes, in whatever order it was put together.
    """
    # Indented afterwards: json alone would do that in Python, ten times slower.
    text = json.dumps(lock_document(lock), sort_keys=True, ensure_ascii=False)
    return msgspec.json.format(text.encode(), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Lock:
    """Return the lock that ``data`` holds.

    :param where: file or URL the bytes came from, for messages.
    :raises UsageError: where it is no lock, or of a schema newer than this version reads.
    :raises IntegrityError: where the ids do not belong to the content: somebody edited it.
    """
    try:
        schema = decode_json(data, _Head).schema
    except msgspec.DecodeError as error:
        raise UsageError(
            f"this is not a lock ({error})", where=where, advice="write one with `conjoin resolve -o FILE`"
        ) from None
    refuse_schema(schema, where)
    try:
        lock = decode_json(data, Lock)
        refuse_deep(lock.requirements)
    except msgspec.DecodeError as error:
        unknown = "unknown field" in str(error)
        raise UsageError(
            f"the lock cannot be read ({error})",
            where=where,
            advice="a newer version of conjoin wrote it: upgrade" if unknown else None,
        ) from None
    _check_fields(lock, where)
    advice = "it was damaged, or edited by hand: resolve again, or fetch it anew"
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
    except (OSError, ValueError) as error:  # a path may hold a null character
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot be read ({reason})", where=str(path)) from None
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


class _Head(msgspec.Struct):
    schema: int


def _check_fields(lock: Lock, where: str) -> None:
    problems = list(itertools.islice(lock_problems(lock), _MOST_PROBLEMS))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UsageError(f"the lock is not valid: {problems[0]}{more}", where=where)
