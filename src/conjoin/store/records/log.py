"""A store's log: an object for each act, written once, under ``log/<year>/``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

from conjoin.errors import ConjoinError, IntegrityError
from conjoin.store.backend.protocol import Backend
from conjoin.store.layout import log_key, parse_log_key
from conjoin.store.user import current_user
from conjoin.trust.log import ACTS, LogEntry, decode, encode, log_stamp
from conjoin.version import __version__

__all__ = ["Log"]

_AT_ONCE = 16
_TRIES = 20


class Log:
    """The log of a store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def add(
        self,
        act: str,
        *,
        name: str = "",
        environments: tuple[str, ...] = (),
        before: str = "",
        count: int = 0,
        size: int = 0,
        told: str = "",
    ) -> None:
        """Note what the current user did just now; the arguments are an entry's fields.

        It is done already: where it cannot be noted, there is a warning.
        """
        assert act in ACTS, act
        moment = datetime.now(timezone.utc)
        user = current_user()
        try:
            for _ in range(_TRIES):
                entry = LogEntry(
                    time=moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                    user=user,
                    act=act,
                    name=name,
                    environments=environments,
                    before=before,
                    count=count,
                    size=size,
                    told=told,
                    version=__version__,
                )
                if self._backend.put_if_absent(log_key(log_stamp(moment), user, act), encode(entry)):
                    return
                moment += timedelta(microseconds=1)  # another process of this user, in the same one
        except ConjoinError as error:
            warnings.warn(f"it is done, and the store's log could not be written: {error}", stacklevel=3)

    def entries(self, damaged: Callable[[str], None] = lambda _problem: None) -> Iterator[LogEntry]:
        """Yield the entries, newest first as their keys say; a few are read at a time.

        :param damaged: told of entries that cannot be read, which are left out.
        """
        from concurrent.futures import ThreadPoolExecutor

        keys = [key for key in self._backend.keys("log") if parse_log_key(key)]
        keys.reverse()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for start in range(0, len(keys), _AT_ONCE):
                for entry in pool.map(self._read, keys[start : start + _AT_ONCE]):
                    if isinstance(entry, str):
                        damaged(entry)
                    elif entry is not None:
                        yield entry

    def _read(self, key: str) -> LogEntry | str | None:
        """Return an entry; why it is none; or None where it is gone."""
        found = self._backend.get(key)
        if found is None:
            return None
        try:
            return decode(found.data, self._backend.where(key))
        except IntegrityError as error:
            return str(error)
