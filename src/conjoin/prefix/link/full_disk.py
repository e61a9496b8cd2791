"""What went wrong, as the programs tell of it that write for us: in words, and each in its own."""

from __future__ import annotations

import re
from pathlib import Path

from conjoin.errors import FULL_DISK, ConjoinError, IntegrityError, Unreachable

__all__ = ["full_disk", "linking_failure"]

# ENOSPC, EFBIG and EDQUOT, as Rust's standard library says them, and as C's does.
_SAYS = re.compile(
    r"os error (?:28|27|122|69)\b|No space left on device|File too large|(?:Disk )?[Qq]uota exceeded"
)
# EPERM, EIO, ENOMEM, EACCES, EMFILE, EROFS, ESTALE: of this machine, whatever a package holds.
_OF_THE_MACHINE = re.compile(r"os error (?:1|5|12|13|24|30|116)\b|Permission denied|Read-only file system")


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


def linking_failure(what: str, said: str, where: Path) -> ConjoinError:
    """Return the error of a program that could not link packages whose bytes are the locked ones.

    :param what: what happened, with what was said of it.
    :param where: what was being written.
    """
    if (full := full_disk(said, where)) is not None:
        return full
    if _OF_THE_MACHINE.search(said):
        return Unreachable(
            what, where=str(where), advice="check permissions, or set CONJOIN_ENVS and CONJOIN_CACHE"
        )
    return IntegrityError(
        what,
        where=str(where),
        advice="nothing was installed; a package was made so that it cannot be: report it with the lock",
    )
