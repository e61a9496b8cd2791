"""What nobody refers to any more, in a folder or an object store: found, told, and taken away.

Order is what keeps a promise at every moment, whenever the process is killed: what can be found is complete.
Pointers go first, then what says that a platform is complete, then the lock, and the packages last; names are
never taken away.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.errors import ConjoinError, UsageError
from conjoin.store.announcements import read_announcements
from conjoin.store.backend.protocol import Listed
from conjoin.store.builds import notes_of
from conjoin.store.gc.references import Contents, Ids, LockEntry, read_contents, read_outlines
from conjoin.store.gc_lock import store_time
from conjoin.store.layout import parse_package_key
from conjoin.writing import LEFTOVER

if TYPE_CHECKING:
    from conjoin.store.store import Store

__all__ = ["GRACE", "SHARED_GRACE", "Garbage", "Piece", "find_garbage", "leftovers", "sweep"]

GRACE = 3600.0
"""Seconds that a package of a folder is left alone after it was written, although no lock names it (yet)."""

SHARED_GRACE = 86400.0
"""Seconds that everything in an object store is left alone after it was written, at least."""

LEFTOVER_AGE = 86400.0
"""Seconds after which a half-written file belongs to a process that is gone."""

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Piece:
    """Objects that go in one step.

    :ivar kind: ``environments``, ``records`` (who resolved, who used, what is complete), ``packages`` or
        ``leftovers`` (of processes that were killed).
    """

    kind: str
    objects: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can go, in the order it has to, and what is left.

    :ivar dropped: the locks that go, sorted.
    :ivar kept: the locks that stay.
    :ivar kept_packages: sha256 of the packages that stay because of a lock, or of somebody's work.
    :ivar problems: what cannot be read. Whatever it may mean stays, which is every lock and package.
    """

    pieces: tuple[Piece, ...]
    dropped: tuple[Ids, ...]
    kept: frozenset[Ids]
    kept_packages: frozenset[str]
    problems: tuple[ConjoinError, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rules:
    """What stays although no name means it.

    :ivar recent: used after this moment, in seconds since 1970.
    :ivar written: packages and notes written after this moment, whoever needs them.
    :ivar keep_all: every lock may be meant, by something that cannot be read.
    """

    recent: float
    written: float
    roots: Set[Ids] = field(default_factory=frozenset)
    announced: Set[Ids] = field(default_factory=frozenset)
    keep_defaults: bool = True
    keep_all: bool = False

    def keep(self, entry: LockEntry) -> bool:
        return bool(
            self.keep_all
            or entry.aliases
            or entry.deployed_by
            or (self.keep_defaults and entry.default_of)
            or entry.last_used > self.recent
            or entry.ids in self.roots
            or entry.ids in self.announced
        )


def find_garbage(
    store: Store,
    older_than: float,
    *,
    roots: Set[Ids] = frozenset(),
    keep_defaults: bool = True,
    now: float | None = None,
    renew: Callable[[], None] = lambda: None,
) -> Garbage:
    """Return what can go from ``store``. To take it away, its ``gc_lock`` is held since before.

    :param older_than: seconds; what was used since stays.
    :param roots: environments that stay, as prefixes of them are in use.
    :param keep_defaults: keep what each user resolved last for the same requirements, however long ago.
    :param now: seconds since 1970, by the store's clock; default: as it says itself.
    :param renew: called now and then.
    :raises UsageError: where an object store is to forget what others may just have written.
    :raises Conflict: where somebody announces work in a form that is not known here.
    """
    shared = store.shared is not None
    if shared and older_than < SHARED_GRACE:
        raise UsageError(
            "in an object store nothing younger than a day is removed", advice="give --older-than 1d or more"
        )
    moment = store_time(store.backend) if now is None else now
    # First: who is done after this look has written a lock that the next look finds.
    announced = read_announcements(store.backend, moment)
    problems: list[ConjoinError] = []
    contents = read_contents(store, problems.append)
    renew()
    rules = _Rules(
        recent=moment - older_than,
        written=moment - (max(older_than, SHARED_GRACE) if shared else GRACE),
        roots=roots,
        announced=announced.ids,
        keep_defaults=keep_defaults,
        keep_all=not contents.is_whole,
    )
    unread: list[ConjoinError] = []
    kept, packages = _follow(store, {entry.ids for entry in contents.locks if rules.keep(entry)}, unread)
    renew()
    packages |= announced.packages
    present = store.backend.objects("packages")
    if unread or not contents.is_whole:  # nobody knows which packages they need, nor which locks they extend
        rules = replace(rules, keep_all=True)
        kept |= {entry.ids for entry in contents.locks}
        packages |= {sha256 for each in present if (sha256 := parse_package_key(each.key)) is not None}
    garbage = [
        each
        for each in present
        if each.modified <= rules.written
        and (sha256 := parse_package_key(each.key)) is not None
        and sha256 not in packages
    ]
    expired = {each.key: each for each in store.backend.objects("announced")} if announced.expired else {}
    dropped = [
        entry for ids, entry in sorted(contents.entries.items()) if ids not in kept and _may_go(entry, rules)
    ]
    pieces = [
        *_pieces(contents, dropped),
        Piece("records", tuple(_build_notes(store, garbage))),
        Piece("packages", tuple(garbage)),
        Piece("records", tuple(expired[key] for key in announced.expired if key in expired)),
    ]
    if not shared:
        pieces.append(Piece("leftovers", tuple(leftovers(store.root, moment))))
    return Garbage(
        pieces=tuple(piece for piece in pieces if piece.objects),
        dropped=tuple(entry.ids for entry in dropped if entry.lock is not None),
        kept=frozenset(kept),
        kept_packages=frozenset(packages),
        problems=(*problems, *unread),
    )


def sweep(
    store: Store, garbage: Garbage, *, renew: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, int, int]]:
    """Take garbage away; yields what went: the kind, how many objects, how many bytes.

    :param renew: called before each step; raises where the lock was lost.
    """
    for piece in garbage.pieces:
        for start in range(0, len(piece.objects), _BATCH):
            batch = piece.objects[start : start + _BATCH]
            renew()
            if store.shared is None:
                batch = tuple(each for each in batch if _is_unchanged(store.root / each.key, each))
            store.backend.delete_all([each.key for each in batch])
            yield piece.kind, len(batch), sum(each.size for each in batch)


def leftovers(root: Path, now: float, *, but_not: Set[str] = frozenset()) -> Iterator[Listed]:
    """Yield the files below a folder that were being written when their process was killed.

    :param but_not: folders in it that others see to.
    """
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if folder != str(root) or name not in but_not]
        for name in files:
            if name.startswith(".") and name.endswith(LEFTOVER):
                path = Path(folder, name)
                try:
                    facts = path.lstat()
                except FileNotFoundError:
                    continue
                if now - facts.st_mtime > LEFTOVER_AGE:
                    yield Listed(path.relative_to(root).as_posix(), facts.st_size, facts.st_mtime)


def _follow(store: Store, kept: set[Ids], damaged: list[ConjoinError]) -> tuple[set[Ids], set[str]]:
    """Return the locks that stay, with those that they extend, and the packages of all of them.

    :param damaged: gets what cannot be read.
    """
    packages: set[str] = set()
    unread = set(kept)
    while unread:
        outlines = read_outlines(store.backend, unread, damaged.append)
        bases = {outline.base for outline in outlines.values() if outline.base is not None}
        packages.update(each.sha256 for outline in outlines.values() for each in outline.packages)
        unread = bases - kept
        kept |= unread
    return kept, packages


def _pieces(contents: Contents, dropped: Sequence[LockEntry]) -> Iterator[Piece]:
    gone = {entry.ids for entry in dropped}
    pointers = [each.listed for each in contents.pointers if each.ids in gone]
    yield Piece("records", tuple(pointers))
    yield Piece("records", _flat([entry.complete for entry in dropped]))
    yield Piece("environments", tuple(entry.lock for entry in dropped if entry.lock is not None))
    yield Piece("records", _flat([entry.used for entry in dropped]))


def _build_notes(store: Store, garbage: Sequence[Listed]) -> list[Listed]:
    """Return what says of the wheels that go that they were built."""
    wheels = {
        sha256
        for each in garbage
        if each.key.endswith(".whl") and (sha256 := parse_package_key(each.key)) is not None
    }
    return notes_of(store.backend, wheels) if wheels else []


def _may_go(entry: LockEntry, rules: _Rules) -> bool:
    if entry.lock is not None:
        return not rules.keep(entry)
    # Notes without a lock: it is being written, or it is gone.
    meant = rules.keep_all or entry.aliases or entry.deployed_by or entry.ids in rules.announced
    return not meant and entry.last_used <= rules.written


def _flat(groups: Sequence[Sequence[Listed]]) -> tuple[Listed, ...]:
    return tuple(each for group in groups for each in group)


def _is_unchanged(path: Path, listed: Listed) -> bool:
    try:
        return path.lstat().st_mtime == listed.modified
    except OSError:
        return False
