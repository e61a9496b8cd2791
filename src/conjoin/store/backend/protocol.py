"""What a store is made of, wherever it is: objects under keys, and what can be done to them atomically."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from conjoin.errors import Conflict

__all__ = ["Backend", "Listed", "Object", "update_object"]

_TRIES = 40


class Object(NamedTuple):
    """An object as it was read.

    :ivar version: what :meth:`Backend.compare_and_swap` compares; means nothing to anybody else.
    """

    data: bytes
    version: str


class Listed(NamedTuple):
    """An object as a listing tells of it.

    :ivar size: bytes.
    :ivar modified: when it was written last: seconds since 1970, by the store's own clock.
    :ivar e_tag: of its bytes, as an object store tells it; empty for a file.
    """

    key: str
    size: int
    modified: float
    e_tag: str = ""


class Backend(Protocol):
    """Objects by key; the keys are those of :mod:`conjoin.store.layout`.

    Whatever is written appears whole or not at all. Every method raises
    :class:`~conjoin.errors.Unreachable` where the store does not answer or refuses.

    :ivar place: the store's address for messages, without credentials.
    """

    place: str

    def where(self, key: str) -> str:
        """Return the address of an object, for messages."""
        ...

    def get(self, key: str) -> Object | None:
        """Return an object, None where there is none."""
        ...

    def size(self, key: str) -> int | None:
        """Return an object's length in bytes, None where there is none."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """Return all keys below ``prefix``, a whole number of parts, sorted."""
        ...

    def objects(self, prefix: str) -> list[Listed]:
        """Return all objects below ``prefix``, a whole number of parts, sorted by key."""
        ...

    def keys_starting_with(self, start: str) -> list[str]:
        """Return all keys that begin with ``start``, whose last part may be cut, sorted."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Make an object, or replace whatever it was: for notes that nobody else writes."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Make an object unless there is one, and return whether there was none."""
        ...

    def compare_and_swap(self, key: str, data: bytes, version: str | None) -> bool:
        """Replace the object if it is still at ``version`` (None: absent), and return whether it was."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        ...

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove objects, those that there are; in few requests where the store can do that."""
        ...


def update_object(
    backend: Backend, key: str, change: Callable[[bytes | None], bytes | None], *, busy: str
) -> bool:
    """Change an object that others may change as well, by compare-and-swap: again, until nobody was faster.

    :param change: given what is there, None where nothing is; returns what is to be there, None to leave it.
    :param busy: what to say where others change it all the time.
    :return: whether anything was written.
    :raises Conflict: where others change it all the time; and what ``change`` raises.
    """
    import random

    for attempt in range(_TRIES):
        present = backend.get(key)
        data = change(present.data if present is not None else None)
        if data is None:
            return False
        if backend.compare_and_swap(key, data, present.version if present is not None else None):
            return True
        time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 5)))  # noqa: S311 (no secret)
    raise Conflict(busy, where=backend.where(key), advice="try again")
