"""The grammars of what names an environment and its files: ids, digests, plain file names.

The one place where they are spelled. ``conjoin.bootstrap`` runs where nothing else of ours is and keeps
copies, which a test holds equal to these.
"""

from __future__ import annotations

import re

__all__ = [
    "ENVIRONMENT_ID",
    "HEX_40",
    "HEX_64",
    "PLAIN_FILE_NAME",
    "is_id",
    "is_plain_file_name",
    "is_sha256",
]

HEX_40 = re.compile("[0-9a-f]{40}")
"""A ``req_id`` or a ``full_id``: the first 40 hex digits of a SHA-256."""

HEX_64 = re.compile("[0-9a-f]{64}")
"""A SHA-256, as a lock and a key of a store spell it."""

ENVIRONMENT_ID = re.compile("([0-9a-f]{40}):([0-9a-f]{40})")
"""``req_id:full_id``, which names one environment; the groups are the two."""

# Letters, digits and what versions are written with: `!` is the epoch of one (PEP 440), `~` and `=` are
# conda's. No separator, no leading dot, no control character; `%` would be decoded in URLs, and what is
# before an `@` in one is a login.
PLAIN_FILE_NAME = re.compile("[A-Za-z0-9_][A-Za-z0-9_.+!~=-]*")
"""The name of a package's file; conda makes folder names of such names, versions and builds."""


def is_id(text: str) -> bool:
    """Return whether ``text`` is a ``req_id`` or a ``full_id``.

    >>> is_id("0123456789" * 4)
    True
    >>> is_id("latest")
    False
    """
    return HEX_40.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    """Return whether ``text`` is a SHA-256 in lower case hex digits.

    >>> is_sha256("ab" * 32), is_sha256("AB" * 32)
    (True, False)
    """
    return HEX_64.fullmatch(text) is not None


def is_plain_file_name(text: str) -> bool:
    """Return whether ``text`` is the name of a file that stays in its folder and shows itself there.

    >>> is_plain_file_name("numpy-2.1.3-py312h58c1407_0.conda")
    True
    >>> is_plain_file_name("../passwd"), is_plain_file_name(".profile"), is_plain_file_name("me@host")
    (False, False, False)
    """
    return PLAIN_FILE_NAME.fullmatch(text) is not None
