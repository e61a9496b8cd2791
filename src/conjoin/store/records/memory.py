"""What this user remembers of a store's names: a small file each, below the user's state.

``<state>/names/<digest of the store>/<name>/<tag>.json``; ``store.txt`` beside them says which store that is.
A file a name, so that looking one up costs the same whatever the number of names, and damage costs that name
alone.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from conjoin.config.places import state_dir
from conjoin.errors import Conflict, IntegrityError, Unreachable
from conjoin.store.aliases import MUTABLE_TAGS, Alias, History
from conjoin.store.backend.filelock import locked
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.backend.protocol import update_object
from conjoin.trust.memory import Met, NamedAs, Remembered, after, contradiction, decode, encode

__all__ = ["NameMemory", "met_as"]

_NOTE = "store.txt"


def met_as(alias: Alias, history: History, serial: int = 0, signed: str = "") -> Met:
    """Return what a name is met with, out of what the store tells of it.

    :param serial: of the last signed statement about it, where one was asked for.
    :param signed: the digest of that.
    """
    moves = tuple(NamedAs(":".join(move.target.ids), move.user, move.time) for move in history.moves)
    return Met(
        target=moves[0].target,
        lock_digest=history.moves[0].lock_digest,
        mutable=alias.tag in MUTABLE_TAGS,
        moves=moves,
        times=len(moves) + history.forgotten,
        serial=serial,
        signed=signed,
    )


class NameMemory:
    """What is remembered of the names of one store.

    :param identity: what tells that store from all others, without credentials; empty for one that lives no
        longer than this process, of whose names nothing is remembered.
    """

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def get(self, alias: Alias, *, strict: bool = False) -> Remembered | None:
        """Return what is remembered of a name, None where nothing is.

        :param strict: refuse what is damaged, instead of starting anew with a warning.
        :raises IntegrityError: where it is damaged, and ``strict``.
        """
        if not self._identity:
            return None
        backend, key = self._backend(), _key(alias)
        try:
            found = backend.get(key)
        except Unreachable:
            return None  # a state that may not be read: nothing can be remembered
        return _decoded(found.data, str(alias), backend.where(key), strict) if found else None

    def believe(
        self,
        alias: Alias,
        met: Met,
        *,
        where: str,
        advice: str,
        accept_rollback: bool = False,
        strict: bool = False,
    ) -> None:
        """Remember what a name is met with, unless that contradicts what is remembered; writes only news.

        :param where: of the name, for messages.
        :param advice: what to do about a contradiction.
        :param accept_rollback: remember it whatever it contradicts.
        :param strict: refuse a memory that is damaged.
        :raises Conflict: where it contradicts; it names both targets.
        :raises IntegrityError: where what is remembered is damaged, and ``strict``.
        """

        def merged(present: bytes | None) -> Remembered | None:
            """Return what to remember, None where that is remembered already."""
            before = None
            if present is not None:
                file = self._backend().where(_key(alias))
                before = _decoded(present, str(alias), file, strict and not accept_rollback, told=True)
            problem = contradiction(before, met) if before is not None else ""
            if before is not None and problem:
                if not accept_rollback:
                    raise _refused(str(alias), before, met, problem, where, advice)
                before = None
            new = after(before, met, _now())
            return None if new is before else new

        self._update(alias, merged)

    @contextmanager
    def held(self, alias: Alias) -> Iterator[None]:
        """Return a context in which no other process of this user here gives, or judges, the name."""
        with ExitStack() as stack:
            if self._identity:
                path = Path(self._backend().where(_key(alias)))
                with suppress(OSError):
                    stack.enter_context(locked(path.with_name(f".{alias.tag}.held")))
            yield

    def replace(self, alias: Alias, met: Met) -> None:
        """Remember what this user made a name mean, whatever it meant before."""

        def merged(present: bytes | None) -> Remembered | None:
            before = None
            if present is not None:
                with suppress(ValueError):
                    before = decode(present)
            now = met
            if before is not None and before.serial > met.serial:
                # An unsigned move after signed ones: whoever asks for signatures still knows the last serial.
                now = met._replace(serial=before.serial, signed=before.signed)
            if before is not None and met.times < before.times:
                if met.times > 1:
                    return None  # another process of this user moved it on meanwhile
                before = None  # it was deleted, and is begun anew
            new = after(before, now, _now())
            return None if new is before else new

        self._update(alias, merged)

    def _update(self, alias: Alias, merged: Callable[[bytes | None], Remembered | None]) -> None:
        if not self._identity:
            return
        backend, key = self._backend(), _key(alias)
        try:
            present = backend.get(key)
        except Unreachable:
            return  # a state that may not be read: nothing can be remembered
        if (new := merged(present.data if present else None)) is None:
            return
        first = encode(new)

        def changed(data: bytes | None) -> bytes | None:
            if data == (present.data if present else None):
                return first
            new = merged(data)
            return encode(new) if new is not None else None

        # A home that may not be written, or is full, keeps nobody from working: each meeting is the first.
        with suppress(Unreachable):
            update_object(backend, key, changed, busy=f"{alias} is being remembered all the time")
            if not Path(backend.where(_NOTE)).exists():
                backend.put(_NOTE, f"{self._identity}\n".encode())

    def _backend(self) -> FolderBackend:
        digest = hashlib.sha256(self._identity.encode()).hexdigest()
        return FolderBackend(state_dir() / "names" / digest[:40])


def _key(alias: Alias) -> str:
    return f"{alias.name}/{alias.tag}.json"


def _decoded(data: bytes, alias: str, where: str, strict: bool, *, told: bool = False) -> Remembered | None:
    """:param told: whether there was a warning already, by whoever looked first."""
    try:
        return decode(data)
    except ValueError as error:
        what = f"what is remembered of {alias} is damaged ({error})"
    if strict:
        raise IntegrityError(what, where=where, advice="delete that file, or give --accept-rollback")
    if not told:
        warnings.warn(f"{where}: {what}; it is remembered anew", stacklevel=2)
    return None


def _refused(alias: str, before: Remembered, met: Met, problem: str, where: str, advice: str) -> Conflict:
    then, now = before.target, met.target
    if then == now and before.lock_digest and met.lock_digest:
        then, now = f"{then}@sha256:{before.lock_digest}", f"{now}@sha256:{met.lock_digest}"
    return Conflict(
        f"{alias} is not what it was: {problem}; it was {then} (met {before.seen}) and is {now}",
        where=where,
        advice=advice,
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
