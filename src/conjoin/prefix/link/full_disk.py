"""A full disk, as the programs tell of it that write for us: in words, and each in its own."""

from __future__ import annotations

import re
from pathlib import Path

from conjoin.errors import FULL_DISK, Unreachable

__all__ = ["full_disk"]

# ENOSPC, EFBIG and EDQUOT, as Rust's standard library says them, and as C's does.
_SAYS = re.compile(
    r"os error (?:28|27|122|69)\b|No space left on device|File too large|(?:Disk )?[Qq]uota exceeded"
)


def full_disk(said: str, where: Path) -> Unreachable | None:
    """Return the error that ``said`` is about a full disk, None where it is about something else.

    :param where: what was being written.
    """
    if not _SAYS.search(said):
        return None
    return Unreachable(
        FULL_DISK,
        where=str(where),
        advice="make room there, or set CONJOIN_ENVS and CONJOIN_CACHE, and run again",
    )
