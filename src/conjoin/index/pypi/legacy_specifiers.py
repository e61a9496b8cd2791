"""Reads the one broken PEP 440 form that old packages are full of: an ordered comparison with ``.*``.

``>=3.6.*`` is not PEP 440 (only ``==`` and ``!=`` take a prefix match), but thousands of released files
say it, and what they mean is certain. uv repairs it the same way; every other error stays an error.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["repaired"]

_ORDERED_PREFIX = re.compile(r"(>=|<=|(?<![=!~<>])[<>])(\s*[0-9]+(?:\.[0-9]+)*)\.\*")


@lru_cache(maxsize=4096)  # thousands of files say the same
def repaired(text: str) -> str:
    """Return specifiers or a whole requirement without ``.*`` behind an ordered comparison.

    >>> repaired(">=3.6.*, !=3.7.*")
    '>=3.6, !=3.7.*'
    """
    return _ORDERED_PREFIX.sub(r"\1\2", text) if ".*" in text else text
