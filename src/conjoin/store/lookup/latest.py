"""Whose resolution is taken for a request that was resolved before (``--use-latest``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from conjoin.errors import ConjoinError, IntegrityError, NotFound, UsageError
from conjoin.lock.model import Lock
from conjoin.store.layout import parse_pointer_key, plain_name, req_id_prefix
from conjoin.store.store import Store
from conjoin.store.usage import note_use_in_folder
from conjoin.store.user import current_user

__all__ = ["DEFAULT", "Taken", "Whose", "find_latest", "parse_whose"]

DEFAULT = "me"
"""What this host resolved; else what the same user pushed from elsewhere."""

_WORDS = ("none", "me", "any")
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)[^/-]*")


class Whose(NamedTuple):
    """Whose resolutions count.

    :ivar word: ``none`` (this host's alone), ``me``, ``any``, or ``users``.
    :ivar users: with ``users``, their names.
    """

    word: str
    users: frozenset[str] = frozenset()


class Taken(NamedTuple):
    """A lock that somebody resolved before.

    :ivar user: who.
    :ivar time: when, RFC 3339, UTC, to the second.
    :ivar place: the store it was found in.
    """

    lock: Lock
    user: str
    time: str
    place: str


def parse_whose(text: str) -> Whose:
    """Return what ``none``, ``me``, ``any`` or ``USER,USER...`` mean; words may stand between colons.

    :raises UsageError: where it is none of them.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    bare = [name[1:-1] if re.fullmatch(r":[a-z]+:", name) else name for name in names]
    advice = "expected none, me, any, or names of users with commas between them"
    if not bare:
        raise UsageError("--use-latest says nobody", advice=advice)
    if len(bare) == 1 and bare[0] in _WORDS:
        return Whose(bare[0])
    for name in bare:
        try:
            plain_name(name)
        except UsageError:
            raise UsageError(f"{name!r} is not the name of a user", advice=advice) from None
        if name in {"none", "any"}:
            raise UsageError(f"{name} and names of users contradict each other", advice=advice)
    return Whose("users", frozenset(current_user() if name == "me" else name for name in bare))


def find_latest(
    store: Store,
    req_id: str,
    whose: Whose,
    damaged: Callable[[ConjoinError], None] = lambda _error: None,
) -> Taken | None:
    """Return the newest lock of a request that counts, None where there is none.

    Pointers tell by their names who resolved what and when: a store is asked for one list, and for the lock.
    With ``me``, what this host resolved goes before what the same user pushed.

    :param damaged: told of locks that cannot be read; the one before counts then.
    """
    me = frozenset({current_user()})
    if whose.word == "none":
        return _newest([store.local], req_id, me, damaged)
    if whose.word == "me":
        # Not mixed: as long as something is known here, no object store is asked.
        here = _newest([store.local], req_id, me, damaged)
        return here if here is not None or store.shared is None else _newest([store], req_id, me, damaged)
    places = [store.local] if store.shared is None else [store.local, store]
    return _newest(places, req_id, None if whose.word == "any" else whose.users, damaged)


def _newest(
    stores: list[Store],
    req_id: str,
    users: frozenset[str] | None,
    damaged: Callable[[ConjoinError], None],
) -> Taken | None:
    found = [(*pointer, store) for store in stores for pointer in _pointers(store, req_id, users)]
    # Where two places know of one resolution, the first in line is the nearer one.
    for _, full_id, user, time, store in sorted(found, key=lambda each: each[:2], reverse=True):
        try:
            lock = store.lock(req_id, full_id)
        except NotFound:  # collected as garbage since
            continue
        except (IntegrityError, UsageError) as error:
            damaged(error)
            continue
        if store.shared is None:
            note_use_in_folder(store.root, req_id, full_id)
        return Taken(lock, user, time, store.place)
    return None


def _pointers(store: Store, req_id: str, users: frozenset[str] | None) -> Iterator[tuple[str, str, str, str]]:
    """Yield (stamp, full_id, user, time) of the pointers that count."""
    folder = f"{req_id_prefix(req_id)}/by-user"
    one = next(iter(users)) if users is not None and len(users) == 1 else ""
    for key in store.backend.keys(f"{folder}/{one}" if one else folder):
        told = parse_pointer_key(key)
        if told and (users is None or told.user in users) and (found := _TIME.fullmatch(told.time)):
            time = "{}-{}-{}T{}:{}:{}Z".format(*found.groups())
            yield told.time, told.full_id, told.user, time
