"""What went wrong, as the programs tell of it that write for us: in words, and each in its own."""

from __future__ import annotations

import re
from pathlib import Path

from conjoin.errors import ConjoinError, IntegrityError, Unreachable
from conjoin.writing import full_disk, is_full_disk

__all__ = ["linking_failure"]

# EPERM, EIO, ENOMEM, EACCES, EMFILE, EROFS, ESTALE: of this machine, whatever a package holds.
_OF_THE_MACHINE = re.compile(r"os error (?:1|5|12|13|24|30|116)\b|Permission denied|Read-only file system")


def linking_failure(what: str, said: str, where: Path) -> ConjoinError:
    """Return the error of a program that could not link packages whose bytes are the locked ones.

    :param what: what happened, with what was said of it.
    :param where: what was being written.
    """
    if is_full_disk(said):
        return full_disk(where)
    if _OF_THE_MACHINE.search(said):
        return Unreachable(
            what, where=str(where), advice="check permissions, or set CONJOIN_ENVS and CONJOIN_CACHE"
        )
    return IntegrityError(
        what,
        where=str(where),
        advice="nothing was installed; a package was made so that it cannot be: report it with the lock",
    )
