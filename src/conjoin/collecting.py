"""Collecting garbage: what nobody needs any more, on this machine or in a store that many use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.config.places import cache_dir, envs_dir
from conjoin.prefix.gc import collect as trees
from conjoin.prefix.registry import KnownPrefix, Registry
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.gc.collect import GRACE, Garbage, find_garbage, sweep
from conjoin.store.gc.references import Ids, read_outlines
from conjoin.store.gc_lock import FolderGcLock, store_time
from conjoin.store.store import Store, local_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from conjoin.errors import ConjoinError

__all__ = ["KINDS", "Collected", "collect_here", "collect_store"]

KINDS = (
    "environments",
    "packages",
    "unpacked_conda",
    "unpacked_wheels",
    "sources",
    "built_wheels",
    "prefixes",
    "registrations",
    "records",
    "leftovers",
)
"""What can go, as reports call it."""

_MOST_LOGGED = 1000
"""Environments that the log names of one collection: 80 bytes each."""


@dataclass
class Collected:
    """What went, or would go.

    :ivar counts: of each of :data:`KINDS`: how many.
    :ivar sizes: of each of :data:`KINDS`: bytes that were freed.
    :ivar environments: ``(req_id, full_id)`` of the locks that went.
    :ivar prefixes: that were deleted.
    :ivar kept: how many locks stay.
    :ivar problems: what cannot be read; whatever it may mean stays.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    environments: list[Ids] = field(default_factory=list)
    prefixes: list[Path] = field(default_factory=list)
    kept: int = 0
    problems: list[ConjoinError] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes, together."""
        return sum(self.sizes.values())

    def add(self, kind: str, count: int, size: int) -> None:
        """Count some more."""
        self.counts[kind] += count
        self.sizes[kind] += size


def collect_store(
    store: Store,
    older_than: float,
    *,
    keep_defaults: bool = True,
    dry_run: bool = False,
    now: float | None = None,
) -> Collected:
    """Drop from a store what no name, no deployment, no default, no recent use and no prefix here refers to.

    Safe beside any number of others who push, name, resolve and hydrate.

    :param older_than: seconds; what was used since stays. In an object store a day at least.
    :param keep_defaults: keep what each user resolved last for the same requirements, however long ago.
    :param dry_run: tell what would go, and change nothing.
    :param now: seconds since 1970; default: by the store's clock.
    :raises Conflict: where somebody else collects there.
    :raises Unreachable: where the store does not answer or may not be changed.
    :raises UsageError: where ``older_than`` is too little.
    """
    roots = {known.ids for known in Registry().all() if known.ids is not None}
    collected = Collected()
    with _held(store, dry_run=dry_run) as renew:
        found = find_garbage(
            store, older_than, roots=roots, keep_defaults=keep_defaults, now=now, renew=renew
        )
        _collect(store, found, collected, dry_run=dry_run, renew=renew)
    return collected


def collect_here(
    older_than: float,
    *,
    prefixes: bool = False,
    keep_defaults: bool = True,
    dry_run: bool = False,
    now: float | None = None,
) -> Collected:
    """Drop from the local store, the caches and what is known of prefixes what nothing refers to any more.

    :param older_than: seconds; what was used since stays.
    :param prefixes: delete prefixes, too, that are at their default place and were not used since.
    :param keep_defaults: keep what this user resolved last for the same requirements, however long ago.
    :param dry_run: tell what would go, and change nothing.
    :param now: seconds since 1970; default: by the clock of the store's disk.
    :raises Conflict: where somebody else collects here.
    :raises Unreachable: where a folder may not be changed.
    """
    store = Store(local_folder())
    moment = store_time(store.backend) if now is None else now
    registry = Registry()
    cache = cache_dir()
    collected = Collected()
    bins = {cache: trees.Trash(cache), envs_dir(): trees.Trash(envs_dir())}
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(registry.gc_lock.held())
            stack.enter_context(FolderGcLock(cache).held())
        renew = stack.enter_context(_held(store, dry_run=dry_run))
        known = registry.all()
        unused = trees.unused_prefixes(known, older_than, now=moment) if prefixes else []
        roots = {each.ids for each in known if each.ids is not None and each not in unused}
        found = find_garbage(
            store, older_than, roots=roots, keep_defaults=keep_defaults, now=moment, renew=renew
        )
        gone = [
            *_trees_of(unused),
            *trees.prefix_leftovers(envs_dir(), now=moment),
            *trees.cache_garbage(cache, found.kept_packages, _wheels(store, found), older_than, now=moment),
        ]
        for kind, (count, size) in trees.freed(gone).items():
            collected.add(kind, count, size)
        collected.prefixes = [each.path for each in unused]
        forgotten = [*unused, *_gone(known, older_than, moment)]
        registered = [each.file for each in forgotten if each.file is not None]
        collected.add("registrations", len(registered), sum(_size(file) for file in registered))
        if not dry_run:
            for tree in gone:
                root = cache if tree.paths[-1].is_relative_to(cache) else envs_dir()
                bins[root].take(tree)
            for each in forgotten:
                registry.forget(each)
        _collect(store, found, collected, dry_run=dry_run, renew=renew)
    for trash in bins.values():
        trash.empty()
    return collected


@contextmanager
def _held(store: Store, *, dry_run: bool) -> Iterator[Callable[[], None]]:
    """Hold a store's lock of collecting, unless nothing is to be changed; give what renews it."""
    if dry_run:
        yield lambda: None
        return
    with store.gc_lock.held() as renew:
        yield renew


def _collect(
    store: Store, found: Garbage, collected: Collected, *, dry_run: bool, renew: Callable[[], None]
) -> None:
    collected.kept += len(found.kept)
    collected.problems += found.problems
    collected.environments += found.dropped
    if dry_run:
        for piece in found.pieces:
            collected.add(piece.kind, len(piece.objects), sum(each.size for each in piece.objects))
        return
    swept = 0, 0
    for kind, count, size in sweep(store, found, renew=renew):
        collected.add(kind, count, size)
        swept = swept[0] + count, swept[1] + size
    if swept[0]:
        named = tuple(":".join(ids) for ids in found.dropped[:_MOST_LOGGED])
        more = len(found.dropped) - len(named)
        told = f"and {more} more environments" if more else ""
        store.log.add("gc", environments=named, count=swept[0], size=swept[1], told=told)


def _trees_of(prefixes: Sequence[KnownPrefix]) -> list[trees.Tree]:
    return [trees.Tree("prefixes", (each.path,)) for each in prefixes]


def _gone(known: Sequence[KnownPrefix], older_than: float, now: float) -> list[KnownPrefix]:
    """Return the registrations of prefixes that are not there (any more).

    One that is being made just now was registered just before. On another machine's disk, it may be there.
    """
    return [
        each
        for each in known
        if each.marker is None
        and now - each.last_used > (max(older_than, GRACE) if each.is_elsewhere else GRACE)
    ]


def _wheels(store: Store, found: Garbage) -> set[trees.Wheel]:
    from packaging.version import InvalidVersion, Version

    wheels = set()
    for outline in read_outlines(FolderBackend(store.root), found.kept, _told_already).values():
        for package in outline.packages:
            if package.kind == "pypi":
                try:
                    wheels.add((package.name, str(Version(package.version))))
                except InvalidVersion:
                    continue  # what lies unpacked has no such version either
    return wheels


def _told_already(_error: ConjoinError) -> None:
    """Say nothing: what cannot be read was found before."""


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
