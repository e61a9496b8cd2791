"""The environments that commands are given: by alias, id, lock file, or the step of a past run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterable, NamedTuple, Sequence

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.requirements import Credential, Requirements
    from conjoin.store.aliases import Alias
    from conjoin.store.store import Store

__all__ = ["Named", "aliases_of", "environment_named", "give_names", "keep_in_store", "refuse_taken"]

_STEP = "step:"
_PATHSPEC = re.compile(r"[A-Za-z_]\w*(/[^/:]+){2,3}")
_REQ_ID = re.compile(r"[0-9a-f]{40}")


class Named(NamedTuple):
    """An environment that somebody named.

    :ivar step: the pathspec of the step of a past run that it was named by, empty where it was not.
    """

    lock: Lock
    step: str = ""


def environment_named(name: str, store: Store, *, pathspec: bool = False) -> Named:
    """Return the environment that ``name`` means.

    Beside what ``conjoin`` takes everywhere (an alias, ``req_id:full_id``, ``step:Flow/run/step``, a lock
    file): a bare ``req_id``, which means its default, and a bare ``Flow/run/step[/task]``, unless there is an
    alias of that name.

    :param pathspec: whether the user said that it is a pathspec.
    :raises conjoin.errors.ConjoinError: where there is no such environment.
    """
    from conjoin.errors import NotFound, UsageError
    from conjoin.store.lookup.reference import find_lock

    if pathspec or name.startswith(_STEP):
        step = name[len(_STEP) :] if name.startswith(_STEP) else name
        return Named(find_lock(_STEP + step, store), step)
    if _REQ_ID.fullmatch(name):
        lock = store.default_lock(name)
        if lock is None:
            raise NotFound(f"nothing was resolved for {name}", advice="give req_id:full_id, or an alias")
        return Named(lock)
    try:
        return Named(find_lock(name, store))
    except (NotFound, UsageError) as error:
        if not _PATHSPEC.fullmatch(name):
            raise
        try:
            return Named(find_lock(_STEP + name, store), name)
        except NotFound as of_step:
            # What begins with a class's name is a pathspec; an alias has no capitals.
            raise (error if name == name.lower() else of_step) from None


def aliases_of(names: Iterable[str], *, dry_run: bool) -> list[Alias]:
    """Return the aliases that ``names`` are.

    :raises conjoin.errors.UsageError: where one is none, or nothing is to be kept.
    """
    from conjoin.errors import UsageError
    from conjoin.store.aliases import parse_alias

    aliases = [parse_alias(name) for name in names]
    if aliases and dry_run:
        raise UsageError("--alias and --dry-run contradict each other", advice="drop one of them")
    return aliases


def refuse_taken(
    aliases: list[Alias],
    requirements: Requirements,
    base: Lock | None,
    store: Store,
    *,
    force: bool,
) -> None:
    """Refuse names that are written once and mean something else, before any work.

    :param base: the environment that is extended.
    :raises conjoin.errors.Conflict: naming the first.
    """
    if not aliases:
        return
    from conjoin.cli.commands.resolve import refuse_taken as refuse
    from conjoin.cli.environments import Base
    from metaflow_extensions.conjoin.config.settings import engine_settings

    use_latest = engine_settings().text("use-remote-latest") or None
    refuse(aliases, requirements, Base("", base) if base else None, store, use_latest, force=force)


def keep_in_store(lock: Lock, store: Store, credentials: Sequence[Credential]) -> None:
    """Bring an environment and all its packages into the datastore's store, where others find it."""
    if store.shared is not None and not store.locks.has(lock.req_id, lock.full_id):
        from conjoin.store.transfer.push import push

        push(store, lock, credentials=credentials)


def give_names(
    aliases: Iterable[Alias], lock: Lock, store: Store, credentials: Sequence[Credential] = ()
) -> None:
    """Give names to an environment; in an object store it is complete before it has one."""
    from conjoin.store.transfer.alias import alias_lock

    for alias in aliases:
        alias_lock(store, lock, str(alias), credentials=credentials)
