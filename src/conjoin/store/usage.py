"""When a lock was used last: the age of a note beside it, one for each user.

A note of one's own, as in a folder that a team shares nobody may touch the files of others.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from conjoin.errors import ConjoinError
from conjoin.store.backend.protocol import Backend
from conjoin.store.layout import lock_key, used_key
from conjoin.store.user import current_user
from conjoin.writing import DiskError, replace

__all__ = ["note_use", "note_use_in_folder"]


def note_use(backend: Backend, req_id: str, full_id: str) -> None:
    """Note that the current user uses a lock; a store that may not be written is left as it is."""
    with suppress(ConjoinError):
        backend.put(used_key(req_id, full_id, current_user()), b"")


def note_use_in_folder(root: Path, req_id: str, full_id: str) -> None:
    """Do as :func:`note_use` below a folder, if it has that lock; one system call but the first time."""
    path = root / used_key(req_id, full_id, current_user())
    try:
        os.utime(path)
    except FileNotFoundError:
        with suppress(OSError, DiskError):
            if (root / lock_key(req_id, full_id)).exists():
                replace(path, b"", durable=False)
    except OSError:
        pass  # a folder that we may only read
