"""What ``ENV`` means on a command line: an environment by file, by id or by alias (docs/errors.md).

Others may bring kinds of their own, written ``kind:rest`` with a slash in the rest, as in
``step:Flow/run/step``: an entry point named ``kind`` of the group ``conjoin.references`` is a function from
the rest to ``req_id:full_id``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from conjoin.errors import NotFound, UsageError
from conjoin.lock.format import read_lock
from conjoin.lock.model import Lock
from conjoin.spec.grammars import ENVIRONMENT_ID, is_sha256
from conjoin.store.aliases import Alias, parse_alias
from conjoin.store.locks import refuse_other_digest
from conjoin.store.lookup.named import find_named
from conjoin.store.store import Store

__all__ = ["alias_in", "find_by_id_prefix", "find_lock", "short_ids", "without_digest"]

GROUP = "conjoin.references"
"""Entry points that know further kinds of references."""

_PIN = "@sha256:"
_FILES = (".json", ".lock")
# A tag has no slash: nothing of this shape is an alias.
_KIND = re.compile(r"([a-z][a-z0-9_-]*):([^:/\n]*/.*)")
_LEAST_DIGITS = 4
"""Digits: git's. Words of so few that are no names are rare."""
_ID_PREFIXES = re.compile(rf"([0-9a-f]{{{_LEAST_DIGITS},40}})(?::([0-9a-f]{{{_LEAST_DIGITS},40}}))?")
_MOST_NAMED = 5
_DIGITS_SHOWN = 7
"""Digits of an id that are shown, at least."""


def find_lock(text: str, store: Store) -> Lock:
    """Return the lock that ``text`` means.

    An existing lock file's path, ``req_id:full_id``, a reference of a kind that somebody registered, an
    alias, or else the beginning of ids (:func:`find_by_id_prefix`). After any of them, ``@sha256:<digest>``
    says which lock it has to be, as images of containers are pinned.

    :raises NotFound: where nothing of that name exists.
    :raises Conflict: where a name means something else than this user remembers.
    :raises IntegrityError: where a name is not signed as a policy of the user's demands.
    :raises UsageError: where ``text`` can be none of these, names a file that is no lock, or begins several
        environments' ids.
    :raises IntegrityError: where the lock is not the one that was named, or whose digest was given.
    """
    name, digest = without_digest(text)
    lock = _find(name, store, digest)
    if digest:
        refuse_other_digest(lock, digest, text)
    return lock


def without_digest(text: str) -> tuple[str, str]:
    """Return a reference and the digest (64 hex digits) that it is pinned to, empty where it is not.

    :raises UsageError: where what stands after ``@sha256:`` is no such digest.
    """
    name, at, digest = text.partition(_PIN)
    if at and not is_sha256(digest):
        raise UsageError(f"{text!r} is pinned to no digest", advice=f"expected 64 hex digits after {_PIN}")
    return name, digest


def _find(text: str, store: Store, digest: str) -> Lock:
    if os.path.isfile(text):  # noqa: PTH113 (which raises nothing for what is too long to be a name)
        return read_lock(Path(text))
    if match := ENVIRONMENT_ID.fullmatch(text) or ENVIRONMENT_ID.fullmatch(_answer(text)):
        return store.lock(match[1], match[2], digest)
    try:
        alias = parse_alias(text)
    except UsageError as error:
        if "/" in text or text.endswith(_FILES):
            raise NotFound(f"there is no lock file {text}", advice=error.advice) from None
        raise
    named = find_named(alias, store)
    if named is not None:
        return named
    if ids := find_by_id_prefix(text, store):
        return store.lock(*ids, digest)
    try:
        target = store.aliases.get(alias)  # which names near ones
    except NotFound:
        if text.endswith(_FILES):
            raise NotFound(f"there is no lock file {text}, nor an alias of that name") from None
        raise
    return store.lock(*target)


def find_by_id_prefix(text: str, store: Store) -> tuple[str, str] | None:
    """Return ``(req_id, full_id)`` of the one environment whose ids begin so, None where there is none.

    Here and in the store that is named; one request there, and another for each thousand objects that belong
    to what begins so.

    :raises UsageError: where several do; it names them.
    """
    match = _ID_PREFIXES.fullmatch(text)
    if match is None:
        return None
    here = store.near().locks if store.shared is not None else store.locks
    starts = match[1], match[2] or ""
    found = sorted({*here.ids_starting_with(*starts), *store.locks.ids_starting_with(*starts)})
    if len(found) < 2:
        return found[0] if found else None
    short = short_ids(found, max(_DIGITS_SHOWN, *map(len, starts)))
    named = [short[ids] for ids in found[:_MOST_NAMED]]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise UsageError(
        f"{len(found)} environments begin with {text}: {', '.join(named)}{more}", advice="give more of one"
    )


def short_ids(every: Sequence[tuple[str, str]], least: int = _DIGITS_SHOWN) -> dict[tuple[str, str], str]:
    """Return for each environment the beginnings of its ids: as many digits as tell all of them apart.

    :param every: ``(req_id, full_id)`` of each.
    :param least: digits of an id that are shown at least.
    """
    digits = least
    while len({(req_id[:digits], full_id[:digits]) for req_id, full_id in every}) < len(set(every)):
        digits += 1
    return {(req_id, full_id): f"{req_id[:digits]}:{full_id[:digits]}" for req_id, full_id in every}


def alias_in(text: str, lock: Lock) -> Alias | None:
    """Return the alias that ``text`` is, which means ``lock``; None where it is something else."""
    text, _ = without_digest(text)
    if os.path.isfile(text) or _begins_ids(text, lock):  # noqa: PTH113
        return None
    try:
        return parse_alias(text)
    except UsageError:
        return None  # of another kind of reference


def _begins_ids(text: str, lock: Lock) -> bool:
    """Return whether ``text`` is the beginning of a lock's ids."""
    match = _ID_PREFIXES.fullmatch(text)
    if match is None:
        return False
    return lock.req_id.startswith(match[1]) and lock.full_id.startswith(match[2] or "")


def _answer(text: str) -> str:
    """Return ``req_id:full_id`` of a reference whose kind somebody registered, empty for any other text."""
    match = _KIND.fullmatch(text)
    if match is None:
        return ""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=match[1]):
        return str(point.load()(match[2]))
    return ""
