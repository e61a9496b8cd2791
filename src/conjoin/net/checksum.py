"""Hashes that an index announces of a file beside or instead of sha256 (PEP 503: any of hashlib's)."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping

from conjoin.errors import IntegrityError

__all__ = ["Checksum", "announced", "mismatch"]

# The strongest first. The "shake" algorithms have no length of their own, so nothing can be compared.
_KNOWN = (
    *("sha512", "sha3_512", "blake2b", "sha384", "sha3_384", "sha3_256", "blake2s", "sha224", "sha3_224"),
    *("sha1", "md5"),
)
_HEX = re.compile(r"[0-9a-f]+")


def announced(hashes: Mapping[str, str]) -> str:
    """Return the strongest of some announced hashes that can be verified, as ``algorithm=hex``; else empty.

    >>> announced({"md5": "D41D8CD98F00B204E9800998ECF8427E", "x": "1"})
    'md5=d41d8cd98f00b204e9800998ecf8427e'
    """
    for algorithm in _KNOWN:
        digest = hashes.get(algorithm, "").lower()
        if digest and _HEX.fullmatch(digest):
            return f"{algorithm}={digest}"
    return ""


def mismatch(filename: str, url: str, announced: str = "") -> IntegrityError:
    """Return the error for a file whose bytes are not those announced.

    :param announced: ``algorithm=hex``, sha256 if empty.
    """
    return IntegrityError(
        f"{filename} does not match the {announced.partition('=')[0] or 'sha256'} its index announces",
        where=url,
        advice="the index or something on the way to it is broken or lies: report it to its operator",
    )


class Checksum:
    """Hashes bytes as they come, and tells whether they are those that were announced.

    :param text: as :func:`announced` returns it; empty for "nothing was".
    """

    def __init__(self, text: str) -> None:
        algorithm, _, self._expected = text.partition("=")
        # Not a matter of security where an index offers nothing better: it finds damage, at least.
        self._digest = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._digest is not None:
            self._digest.update(chunk)

    @property
    def matches(self) -> bool:
        """Whether all bytes are those announced; true where nothing was."""
        return self._digest is None or hmac.compare_digest(self._digest.hexdigest(), self._expected)
