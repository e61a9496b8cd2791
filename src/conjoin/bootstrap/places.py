"""Where things go on a node."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING

from conjoin.errors import Unreachable

if TYPE_CHECKING:
    from conjoin.bootstrap.locked import Wanted

__all__ = ["cache_folder", "default_prefix", "is_complete"]


def cache_folder(given: str | None) -> str:
    """Return the folder that bootstraps on this node share: ``given``, ``CONJOIN_CACHE``, the user's cache.

    Where there is no home that can be written, which is usual in containers: a folder for temporary files.

    :raises Unreachable: where none can be made.
    """
    asked = given or os.environ.get("CONJOIN_CACHE")
    if asked:
        return _made(os.path.abspath(os.path.expanduser(asked)))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    try:
        return _made(os.path.join(os.path.abspath(base), "conjoin"))
    except Unreachable:
        own = os.path.join(tempfile.gettempdir(), f"conjoin-{os.getuid()}")
        found = _made(own)
        if os.stat(found).st_uid != os.getuid() or os.path.islink(found):
            raise Unreachable("this folder is somebody else's", where=found, advice="give --cache") from None
        return found


def default_prefix(wanted: Wanted) -> str:
    """Return where an environment goes if nobody says it."""
    base = os.environ.get("CONJOIN_ENVS")
    if not base:
        data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
        base = os.path.join(data, "conjoin", "envs")
    return os.path.join(os.path.abspath(base), f"metaflow_{wanted.req_id}_{wanted.full_id}")


def is_complete(prefix: str, wanted: Wanted) -> bool:
    """Return whether a prefix is there already: the engine's own note says so (see hydrate's ``prefix``)."""
    try:
        with open(os.path.join(prefix, "conda-meta", "conjoin"), "rb") as file:
            told = json.loads(file.read().decode())
    except (OSError, ValueError):
        return False
    expected = {
        "req_id": wanted.req_id,
        "full_id": wanted.full_id,
        "platform": wanted.platform,
        "complete": True,
        "schema": 1,
    }
    return bool(told == expected)


def _made(folder: str) -> str:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise Unreachable(
            f"the cache's folder cannot be made ({error.strerror})", where=folder, advice="give --cache"
        ) from None
    return folder
