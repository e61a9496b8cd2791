"""What ``ENV`` means on a command line: an environment by file, by id or by alias (design, section 9).

Others may bring kinds of their own, written ``kind:rest`` with a slash in the rest, as in
``step:Flow/run/step``: an entry point named ``kind`` of the group ``conjoin.references`` is a function from
the rest to ``req_id:full_id``.
"""

from __future__ import annotations

import re
from pathlib import Path

from conjoin.errors import NotFound, UsageError
from conjoin.lock.format import read_lock
from conjoin.lock.model import Lock
from conjoin.store.aliases import Alias, parse_alias
from conjoin.store.lookup.id_prefixes import begins, find_beginning
from conjoin.store.store import Store

__all__ = ["alias_in", "find_lock"]

GROUP = "conjoin.references"
"""Entry points that know further kinds of references."""

_FILES = (".json", ".lock")
# A tag has no slash: nothing of this shape is an alias.
_KIND = re.compile(r"([a-z][a-z0-9_-]*):([^:]*/.*)")
_IDS = re.compile(r"([0-9a-f]{40}):([0-9a-f]{40})")


def find_lock(text: str, store: Store) -> Lock:
    """Return the lock that ``text`` means.

    An existing lock file's path, ``req_id:full_id``, a reference of a kind that somebody registered, an
    alias, or else the beginning of ids (:mod:`conjoin.store.lookup.id_prefixes`).

    :raises NotFound: where nothing of that name exists.
    :raises UsageError: where ``text`` can be none of these, names a file that is no lock, or begins several
        environments' ids.
    """
    path = Path(text)
    if path.is_file():
        return read_lock(path)
    if match := _IDS.fullmatch(text) or _IDS.fullmatch(_answer(text)):
        return store.lock(match[1], match[2])
    try:
        alias = parse_alias(text)
    except UsageError as error:
        if "/" in text or text.endswith(_FILES):
            raise NotFound(f"there is no lock file {text}", advice=error.advice) from None
        raise
    ids = store.aliases.find(alias) or find_beginning(text, store)
    try:
        ids = ids or store.aliases.get(alias)  # which names near ones
    except NotFound:
        if text.endswith(_FILES):
            raise NotFound(f"there is no lock file {text}, nor an alias of that name") from None
        raise
    return store.lock(*ids)


def alias_in(text: str, lock: Lock) -> Alias | None:
    """Return the alias that ``text`` is, which means ``lock``; None where it is something else."""
    if Path(text).is_file() or begins(text, lock):
        return None
    try:
        return parse_alias(text)
    except UsageError:
        return None  # of another kind of reference


def _answer(text: str) -> str:
    """Return ``req_id:full_id`` of a reference whose kind somebody registered, empty for any other text."""
    match = _KIND.fullmatch(text)
    if match is None:
        return ""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=match[1]):
        return str(point.load()(match[2]))
    return ""
