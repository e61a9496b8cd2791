"""What a store has, and what refers to what in it: read once, for lists and for collecting garbage."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import ConjoinError, IntegrityError, NotFound, Unreachable, UsageError
from conjoin.lock.outline import Outline, read_outline
from conjoin.spec.grammars import HEX_40
from conjoin.store.aliases import Alias
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.backend.protocol import Backend, Listed
from conjoin.store.layout import lock_key, parse_pointer_key

if TYPE_CHECKING:
    from conjoin.store.store import Store

__all__ = ["Contents", "Ids", "LockEntry", "PointerEntry", "read_contents", "read_outlines"]

Ids = tuple[str, str]
"""``(req_id, full_id)``."""

AT_ONCE = 32
"""Requests at the same time."""

_BESIDE_LOCK = re.compile(rf"envs/({HEX_40.pattern})/({HEX_40.pattern})/(.+)")
_STAMP = "%Y%m%dT%H%M%S.%f%z"


class LockEntry(msgspec.Struct):
    """A lock, or what is left of one.

    :ivar lock: the lock itself; None where it is gone, or not written yet.
    :ivar complete: that all packages of a platform are there.
    :ivar used: who used it when.
    :ivar aliases: names that mean it.
    :ivar deployed_by: deployed workflows that need it.
    :ivar default_of: users who resolved nothing newer for its requirements.
    :ivar last_used: seconds since 1970.
    """

    ids: Ids
    lock: Listed | None = None
    complete: list[Listed] = msgspec.field(default_factory=list)
    used: list[Listed] = msgspec.field(default_factory=list)
    aliases: list[Alias] = msgspec.field(default_factory=list)
    deployed_by: list[str] = msgspec.field(default_factory=list)
    default_of: list[str] = msgspec.field(default_factory=list)
    last_used: float = 0.0

    def note(self, moment: float) -> None:
        """Note a use."""
        self.last_used = max(self.last_used, moment)


class PointerEntry(msgspec.Struct, frozen=True):
    """A pointer, as its name tells it."""

    ids: Ids
    user: str
    stamp: str
    listed: Listed

    @property
    def moment(self) -> float:
        """When it was written, or says that the lock was resolved, whatever is later: seconds since 1970."""
        try:
            resolved = datetime.strptime(self.stamp, _STAMP).timestamp()
        except ValueError:
            resolved = 0.0
        return max(self.listed.modified, resolved)


class Contents(msgspec.Struct, frozen=True):
    """Everything below ``envs``, and the aliases.

    :ivar is_whole: whether everything could be read: else any lock may be meant, or be there unseen.
    """

    entries: Mapping[Ids, LockEntry]
    pointers: tuple[PointerEntry, ...]
    is_whole: bool = True

    @property
    def locks(self) -> list[LockEntry]:
        """The locks that are there, sorted by their ids."""
        return [entry for _, entry in sorted(self.entries.items()) if entry.lock is not None]


def read_contents(store: Store, damaged: Callable[[ConjoinError], None]) -> Contents:
    """Return what ``store`` has; costs a request for each thousand objects, each alias and each deployment.

    :param damaged: told of aliases, deployments and folders that cannot be read, which are left out then.
    """
    entries: dict[Ids, LockEntry] = {}
    pointers = []
    problems: list[ConjoinError] = []

    def left_out(error: ConjoinError) -> None:
        problems.append(error)
        damaged(error)

    def entry(ids: Ids) -> LockEntry:
        return entries.setdefault(ids, LockEntry(ids))

    for listed in _objects(store.backend, "envs", left_out):
        if found := _BESIDE_LOCK.fullmatch(listed.key):
            _add(entry((found[1], found[2])), found[3], listed)
        elif told := parse_pointer_key(listed.key):
            pointer = PointerEntry((told.req_id, told.full_id), told.user, told.time, listed)
            pointers.append(pointer)
            entry(pointer.ids).note(pointer.moment)
    for alias, ids in _aliases(store, left_out):
        entry(ids).aliases.append(alias)
    for workflow, ids in _deployments(store, left_out):
        entry(ids).deployed_by.append(workflow)
    _find_defaults(entries, pointers)
    return Contents(entries, tuple(pointers), is_whole=not problems)


def read_outlines(
    backend: Backend, wanted: Iterable[Ids], damaged: Callable[[ConjoinError], None]
) -> dict[Ids, Outline]:
    """Return the outlines of locks, those that are there; a request for each, several at once.

    :param damaged: told of locks that cannot be read, which are left out then.
    :raises Unreachable: where an object store does not answer.
    """
    faults = _faults(backend)

    def one(ids: Ids) -> tuple[Ids, Outline | None]:
        key = lock_key(*ids)
        try:
            found = backend.get(key)
            return ids, read_outline(found.data, backend.where(key)) if found is not None else None
        except faults as error:
            damaged(error)
            return ids, None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {ids: outline for ids, outline in pool.map(one, sorted(wanted)) if outline is not None}


def _add(entry: LockEntry, rest: str, listed: Listed) -> None:
    if rest == "lock.json":
        entry.lock = listed
    elif rest.startswith("complete/"):
        entry.complete.append(listed)
    elif rest.startswith("used/"):
        entry.used.append(listed)
    else:
        return  # of a newer version: none of our business
    entry.note(listed.modified)


def _faults(backend: Backend) -> tuple[type[ConjoinError], ...]:
    """Return what may be wrong with one entry alone: a server that does not answer has no other either."""
    own = (IntegrityError, UsageError)
    return (*own, Unreachable) if isinstance(backend, FolderBackend) else own


def _objects(backend: Backend, prefix: str, damaged: Callable[[ConjoinError], None]) -> list[Listed]:
    if not isinstance(backend, FolderBackend):
        return backend.objects(prefix)

    def unseen(error: OSError) -> None:
        damaged(Unreachable(f"this cannot be looked at ({error.strerror})", where=str(error.filename)))

    return backend.objects(prefix, unseen)


def _aliases(store: Store, damaged: Callable[[ConjoinError], None]) -> list[tuple[Alias, Ids]]:
    faults = _faults(store.backend)

    def one(alias: Alias) -> tuple[Alias, Ids] | None:
        try:
            return alias, store.aliases.get(alias).ids
        except NotFound:
            return None  # removed meanwhile
        except faults as error:
            damaged(error)
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [each for each in pool.map(one, store.aliases.all()) if each is not None]


def _deployments(store: Store, damaged: Callable[[ConjoinError], None]) -> Iterator[tuple[str, Ids]]:
    """Yield each deployed workflow with each environment that it needs, of its deployments that count."""
    faults = _faults(store.backend)

    def one(workflow: str) -> set[Ids]:
        try:
            found = {ids for each in store.deployments.get(workflow) for ids in each.environments}
        except faults as error:
            damaged(error)
            return set()
        return {(req_id, full_id) for req_id, _, full_id in (ids.partition(":") for ids in found)}

    workflows = list(store.deployments.all())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for workflow, found in zip(workflows, pool.map(one, workflows), strict=True):
            yield from ((workflow, ids) for ids in sorted(found))


def _find_defaults(entries: Mapping[Ids, LockEntry], pointers: Iterable[PointerEntry]) -> None:
    # As Locks.default() does: the newest pointer of a user whose lock is there.
    newest: dict[tuple[str, str], tuple[str, str]] = defaultdict(lambda: ("", ""))
    for pointer in pointers:
        req_id, full_id = pointer.ids
        if entries[pointer.ids].lock is not None:
            who = (req_id, pointer.user)
            newest[who] = max(newest[who], (pointer.stamp, full_id))
    for (req_id, user), (_, full_id) in sorted(newest.items()):
        entries[req_id, full_id].default_of.append(user)
