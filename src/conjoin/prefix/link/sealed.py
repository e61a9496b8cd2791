"""Listings beside caches, which say when they are not as they were written: each begins with its own hash."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeVar

import msgspec

from conjoin.untrusted import decode_json

__all__ = ["sealed", "unsealed"]

_T = TypeVar("_T")


def sealed(listing: msgspec.Struct) -> bytes:
    """Return a listing as it is kept."""
    body = msgspec.json.encode(listing)
    return sha256(body).hexdigest().encode() + b"\n" + body


def unsealed(content: bytes, kind: type[_T]) -> _T | None:
    """Return the listing that was kept, None where it is not as it was written."""
    told, _, body = content.partition(b"\n")
    if told != sha256(body).hexdigest().encode():
        return None
    try:
        return decode_json(body, kind)
    except msgspec.DecodeError:
        return None
