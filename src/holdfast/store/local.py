"""A store in a local folder."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path

from holdfast.errors import UsageError
from holdfast.lock.model import Lock
from holdfast.store.aliases import Alias, Aliases, parse_alias
from holdfast.store.locks import Locks
from holdfast.store.packages import Packages
from holdfast.store.paths import store_root

__all__ = ["Store", "current_user"]


def current_user() -> str:
    """Return the name pointers are kept under: the login name, as far as it makes a plain file name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""  # a container's uid without an entry in the user database
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_.+-@") else "-" for c in name)
    return plain.lstrip(".+-@") or "unknown"


class Store:
    """Packages by content hash, locks, pointers and aliases, in a folder (layout: design, section 7).

    What it holds is complete: bytes are written before the lock that names them, the lock before pointers,
    pointers before aliases. There is no global lock; any number of processes may use it at once.

    :param root: the folder, made on first use; None for ``HOLDFAST_STORE`` or the user's data folder.
    :raises UsageError: where ``root`` is a URL: only folders are supported yet.

    :ivar packages: bytes by sha256.
    :ivar locks: locks by ``req_id`` and ``full_id``, and who resolved them.
    :ivar aliases: names for locks.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        place = str(root) if root is not None else store_root()
        place = place.removeprefix("file://")
        if "://" in place:
            raise UsageError("only a local folder can be a store yet", where=place.partition("?")[0])
        self.root = Path(place).expanduser().absolute()
        self.packages = Packages(self.root)
        self.locks = Locks(self.root)
        self.aliases = Aliases(self.root)

    def save(self, lock: Lock, *, versions: Mapping[str, str], user: str | None = None) -> bool:
        """Keep a lock that was just resolved here and make it its requirements' default.

        :param versions: of the programs that took part.
        :return: whether the lock is new to this store.
        :raises Conflict: where another lock stands under its ids.
        """
        new = self.locks.put(lock)
        self.locks.point(lock.req_id, lock.full_id, user or current_user(), versions)
        return new

    def default_lock(self, req_id: str, user: str | None = None) -> Lock | None:
        """Return the lock ``user`` (default: the current one) resolved last, None if none."""
        return self.locks.default(req_id, user or current_user())

    def alias(self, lock: Lock, name: str) -> Alias:
        """Give a lock a name (``team/torch:v1``), keeping the lock as well.

        :raises UsageError: where ``name`` is no alias.
        :raises Conflict: where its tag is written once and means another lock.
        """
        alias = parse_alias(name)
        self.locks.put(lock)
        self.aliases.set(alias, lock.req_id, lock.full_id)
        return alias

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"
