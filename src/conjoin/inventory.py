"""The environments that are known: what they are called and hold, where they are, when they were used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import ConjoinError
from conjoin.prefix.registry import KnownPrefix, Registry
from conjoin.store.gc.references import Ids, LockEntry, read_contents, read_outlines
from conjoin.store.store import Store
from conjoin.store.user import current_user

if TYPE_CHECKING:
    from conjoin.lock.outline import Outline

__all__ = ["Known", "inventory", "known_environment"]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that is known.

    :ivar aliases: its names, with their tags, sorted.
    :ivar deployed_by: deployed workflows that need it, sorted.
    :ivar is_default: whether the current user gets it for its requirements.
    :ivar default_of: all users who do.
    :ivar platforms: conda's names, each with its number of packages; empty where the lock is not there.
    :ivar size: bytes of its packages, all platforms together.
    :ivar prefixes: where it was made, by this user on this host.
    :ivar last_used: seconds since 1970.
    """

    ids: Ids
    aliases: tuple[str, ...] = ()
    deployed_by: tuple[str, ...] = ()
    is_default: bool = False
    default_of: tuple[str, ...] = ()
    platforms: dict[str, int] = msgspec.field(default_factory=dict)
    packages: int = 0
    size: int = 0
    prefixes: tuple[KnownPrefix, ...] = ()
    last_used: float = 0.0


def inventory(
    store: Store,
    *,
    prefixes: bool = True,
    damaged: Callable[[ConjoinError], None] = lambda _error: None,
) -> list[Known]:
    """Return the environments in ``store``, last used first; costs a request for each lock and alias.

    :param prefixes: tell where they were made, and add those that only prefixes tell of.
    :param damaged: told of locks and aliases that cannot be read, which are left out.
    """
    contents = read_contents(store, damaged)
    outlines = read_outlines(store.backend, [entry.ids for entry in contents.locks], damaged)
    made = _by_ids(Registry().all()) if prefixes else {}
    found = [
        _known(entry, outlines[entry.ids], made.pop(entry.ids, ()))
        for entry in contents.locks
        if entry.ids in outlines
    ]
    found += [_known(LockEntry(ids), None, each) for ids, each in made.items()]
    return sorted(found, key=lambda each: (-each.last_used, each.ids))


def known_environment(store: Store, ids: Ids) -> Known:
    """Return what is known here of one environment, which need not be in ``store``, a local one."""
    entry = read_contents(store, _left_out).entries.get(ids, LockEntry(ids))
    outline = read_outlines(store.backend, [ids], _left_out).get(ids)
    return _known(entry, outline, _by_ids(Registry().all()).get(ids, ()))


def _left_out(_error: ConjoinError) -> None:
    """Say nothing: what is damaged is not what was asked for."""


def _known(entry: LockEntry, outline: Outline | None, prefixes: Sequence[KnownPrefix]) -> Known:
    packages = outline.packages if outline else ()
    return Known(
        ids=entry.ids,
        aliases=tuple(sorted(map(str, entry.aliases))),
        deployed_by=tuple(sorted(entry.deployed_by)),
        is_default=current_user() in entry.default_of,
        default_of=tuple(entry.default_of),
        platforms={name: len(each.packages) for name, each in outline.platforms.items()} if outline else {},
        packages=len(packages),
        size=sum(each.size for each in packages),
        prefixes=tuple(prefixes),
        last_used=max([entry.last_used, *(each.last_used for each in prefixes)]),
    )


def _by_ids(prefixes: Iterable[KnownPrefix]) -> dict[Ids, list[KnownPrefix]]:
    found: dict[Ids, list[KnownPrefix]] = {}
    for each in prefixes:
        if each.ids is not None and each.marker is not None and each.marker.complete:
            found.setdefault(each.ids, []).append(each)
    return found
