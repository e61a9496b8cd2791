"""What a built wheel is kept under, so that nobody builds it twice (design, section 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

__all__ = ["build_key"]

_SCHEME = 1


def build_key(
    identity: str, requires: Iterable[str], exclude_newer: str, abi: str = "none", platform: str = "any"
) -> str:
    """Return a key of a wheel: 64 hex digits of SHA-256.

    A wheel has two. Its *build key* says what exactly it was built with: ``requires`` are files with their
    hashes. Its *build request* says what was asked for: ``requires`` are requirements, as the project
    declares them. By that it is found before anybody solves for its build requirements; else each release of
    a build backend would have everybody build everything again.

    :param identity: of the source.
    :param requires: what it is built with, as said.
    :param exclude_newer: what the index of the build requirements is cut off at, empty for nothing; of a
        build key always empty, for its files are exact.
    :param abi: of the Python that built it (``cp311``); ``none`` for a wheel that any serves.
    :param platform: it was built on (``linux-64``); ``any`` for a wheel that serves any.
    """
    document = [_SCHEME, identity, sorted(set(requires)), exclude_newer, abi, platform]
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
