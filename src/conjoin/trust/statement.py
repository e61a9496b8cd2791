"""A signed statement: that a name means an environment, from somebody, as the n-th about that name.

What is signed is the statement's canonical JSON: keys sorted, no blanks, UTF-8 (as for ``req_id``). The name
and the serial are in it, so a signed statement is good for one name and cannot be played again in place of a
later one; the previous object's digest is in it, so all of them are a chain.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from typing import Any

import msgspec

from conjoin.errors import IntegrityError
from conjoin.spec.grammars import is_id, is_sha256

__all__ = ["NAMESPACE", "SCHEMA", "Signed", "Statement", "canonical", "decode", "encode", "object_digest"]

NAMESPACE = "alias@conjoin"
"""What signatures are for (``-n`` of ``ssh-keygen -Y``); ``namespaces=`` of allowed signers can demand it."""

SCHEMA = 1

_MOST_BYTES = 64 << 10
"""Of one object: a statement is 600 bytes, a signature by an RSA key of 16,384 bits 6 kB."""


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed.

    :ivar name: without its tag.
    :ivar lock_digest: SHA-256 of the lock's document without origins: 64 hex digits.
    :ivar extras: digests of what was made from the packages and goes with it, by kind.
    :ivar serial: 1 for the first statement about this name and tag, and one more for each that follows.
    :ivar previous: SHA-256 of the object before, as it is kept; empty for the first.
    :ivar time: RFC 3339, UTC, to the second; by the signer's clock.
    """

    schema: int
    name: str
    tag: str
    req_id: str
    full_id: str
    lock_digest: str
    extras: dict[str, str]
    serial: int
    previous: str
    time: str

    @property
    def target(self) -> tuple[str, str]:
        """``(req_id, full_id)``."""
        return self.req_id, self.full_id

    @property
    def moment(self) -> datetime:
        """When it was signed, as it says."""
        return datetime.strptime(self.time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


class Signed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statement and its signature, as a store keeps them.

    :ivar signature: in OpenSSH's armored form, over :func:`canonical`.
    """

    statement: Statement
    signature: str


def canonical(statement: Statement) -> bytes:
    """Return the bytes that are signed."""
    document: dict[str, Any] = msgspec.to_builtins(statement)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def encode(signed: Signed) -> bytes:
    """Return a signed statement as it is kept."""
    return msgspec.json.format(msgspec.json.encode(signed), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Signed:
    """Return the signed statement that ``data`` holds; who signed it is another question.

    :param where: for messages.
    :raises IntegrityError: where it is none.
    """
    reason = ""
    if len(data) > _MOST_BYTES:
        reason = f"of {len(data)} bytes"
    else:
        try:
            signed = msgspec.json.decode(data, type=Signed)
            reason = _problem(signed.statement)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            reason = str(error)
    if reason:
        raise IntegrityError(
            f"this is no signed statement that this version knows ({reason})",
            where=where,
            advice="ask who may sign to sign again: conjoin alias ENV NAME --sign",
        )
    return signed


def object_digest(data: bytes) -> str:
    """Return the SHA-256 of a signed statement as it is kept: what the next one calls ``previous``."""
    return hashlib.sha256(data).hexdigest()


def _problem(statement: Statement) -> str:
    """Return what is wrong with a statement's fields; empty where nothing is."""
    if statement.schema != SCHEMA:
        return f"schema {statement.schema}"
    if not all(map(is_id, statement.target)):
        return "it names no environment"
    if not is_sha256(statement.lock_digest) or not all(map(is_sha256, statement.extras.values())):
        return "a digest is none"
    if statement.previous and not is_sha256(statement.previous):
        return "the previous digest is none"
    if statement.serial < 1:
        return f"serial {statement.serial}"
    _ = statement.moment  # ValueError where it is no time
    return ""
