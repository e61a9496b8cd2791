"""Aliases: names people give to environments, and what they meant before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime, timezone
from typing import NamedTuple

import msgspec

from conjoin.errors import Conflict, IntegrityError, NotFound, UsageError
from conjoin.lock.format import encode
from conjoin.lock.identity import lock_digest
from conjoin.lock.model import Lock
from conjoin.spec.grammars import is_id, is_sha256
from conjoin.store.backend.protocol import Backend, update_object
from conjoin.store.layout import alias_key
from conjoin.store.locks import Locks
from conjoin.store.user import current_user
from conjoin.untrusted import decode_json, shortened

__all__ = [
    "MOST_MOVES",
    "MUTABLE_TAGS",
    "Alias",
    "Aliases",
    "Given",
    "History",
    "Move",
    "Target",
    "parse_alias",
]

MUTABLE_TAGS = frozenset({"latest", "candidate", "stable"})
"""Tags that may be moved; every other tag is written once."""

MOST_MOVES = 200
"""Moves that an alias remembers, what it means now included: it is read whenever an environment is named, and
one move is about 340 bytes, so at most 68 kB."""

_LONGEST_PART = 200
"""Letters: file systems take 255 bytes, with what is written beside it."""

_PART = r"[a-z0-9][a-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(/{_PART})*")
_TAG = re.compile(_PART)


class Target(NamedTuple):
    """What a name means.

    :ivar lock_digest: of the whole lock (:func:`~conjoin.lock.identity.lock_digest`): what stands under its
        ids and has another one is not what was named.
    :ivar lock_sha256: of its bytes, as this store keeps them: where its packages come from counts as well.
    """

    req_id: str
    full_id: str
    lock_digest: str
    lock_sha256: str

    @classmethod
    def of(cls, lock: Lock) -> Target:
        """Return what names ``lock``."""
        return cls(lock.req_id, lock.full_id, lock_digest(lock), hashlib.sha256(encode(lock)).hexdigest())

    @property
    def ids(self) -> tuple[str, str]:
        """``(req_id, full_id)``."""
        return self.req_id, self.full_id


class Alias(NamedTuple):
    """A name and a tag."""

    name: str
    tag: str

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"


def parse_alias(text: str) -> Alias:
    """Return the alias ``text`` (``team/torch:v1``) names; without a tag, it is ``latest``.

    :raises UsageError: where it is none.
    """
    name, colon, tag = text.partition(":")
    if not colon:
        tag = "latest"
    if not _NAME.fullmatch(name) or not _TAG.fullmatch(tag):
        raise UsageError(
            f"{text!r} is not an alias",
            advice="expected lower-case letters, digits and ._- in parts separated by /, then :tag",
        )
    if is_id(name) and is_id(tag):
        raise UsageError(f"{text!r} is an environment's id, not an alias")
    if any(len(part) > _LONGEST_PART for part in (*name.split("/"), tag)):
        raise UsageError(
            f"{shortened(text)!r} is too long a name", advice="no part of it may have over 200 letters"
        )
    if any(part.endswith(".json") for part in name.split("/")):
        raise UsageError(f"{text!r} is not an alias", advice="no part of the name may end in .json")
    return Alias(name, tag)


class Move(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That somebody made an alias mean something.

    :ivar user: the login name; empty where it was not noted.
    :ivar time: RFC 3339, UTC, by that user's clock; empty where it was not noted.
    """

    req_id: str
    full_id: str
    lock_digest: str
    lock_sha256: str
    user: str = ""
    time: str = ""

    @property
    def target(self) -> Target:
        """What it was made to mean."""
        return Target(self.req_id, self.full_id, self.lock_digest, self.lock_sha256)


class _Record(Move, frozen=True, kw_only=True, omit_defaults=True):
    """An alias as it is kept. What it meant before is in the same object, so that both change in one step.

    :ivar earlier: oldest first.
    :ivar forgotten: moves that were older still.
    """

    earlier: tuple[Move, ...] = ()
    forgotten: int = 0

    def moved(self, move: Move) -> _Record:
        """Return the record after another move."""
        earlier = (*self.earlier, _move_of(self))
        kept = earlier[-(MOST_MOVES - 1) :]
        return _Record(
            **msgspec.structs.asdict(move),
            earlier=kept,
            forgotten=self.forgotten + len(earlier) - len(kept),
        )


class History(NamedTuple):
    """What an alias meant.

    :ivar moves: newest first; the first is what it means now.
    :ivar forgotten: moves that were older still and are not kept any more.
    """

    moves: tuple[Move, ...]
    forgotten: int


class Given(NamedTuple):
    """That a name was given.

    :ivar moved: whether it meant something else, or nothing, before.
    """

    history: History
    moved: bool


class Aliases:
    """The aliases of a store."""

    def __init__(
        self,
        backend: Backend,
        giving: Callable[[Alias], AbstractContextManager[list[Given]]] = lambda _alias: nullcontext([]),
    ) -> None:
        """:param giving: entered whenever a name is given here; what was given is appended to its value."""
        self._backend = backend
        self._giving = giving

    def set(self, alias: Alias, lock: Lock) -> bool:
        """Make ``alias`` mean a lock that is already kept, as it is kept.

        :return: whether it meant something else, or nothing, before.
        :raises NotFound: where the lock is not in the store: an alias never dangles.
        :raises Conflict: where the tag is written once and means something else.
        :raises IntegrityError: where the alias is there, but damaged.
        """
        try:
            kept = Locks(self._backend).get(lock.req_id, lock.full_id)
        except NotFound as error:
            raise NotFound(
                error.what, where=error.where, advice="resolve it there, or push it first"
            ) from None
        return self.name_kept(alias, Target.of(kept))

    def name_kept(self, alias: Alias, target: Target) -> bool:
        """Do as :meth:`set`, for a caller who knows that this very lock is kept.

        :raises Conflict: where the tag is written once and means something else.
        :raises IntegrityError: where the alias is there, but damaged.
        """
        now: list[_Record] = []

        def moved(present: bytes | None) -> bytes | None:
            move = Move(**target._asdict(), user=current_user(), time=_now())
            if present is None:
                now[:] = [_Record(**msgspec.structs.asdict(move))]
                return _encode(now[0])
            record = self._decode(alias, present)
            if record.target == target:
                now[:] = [record]
                return None
            if alias.tag not in MUTABLE_TAGS:
                raise self._taken(alias)
            now[:] = [record.moved(move)]
            return _encode(now[0])

        # Whoever comes last wins, but never unawares.
        busy = f"the alias {alias} is being changed by others all the time"
        with self._giving(alias) as given:
            changed = update_object(self._backend, alias_key(*alias), moved, busy=busy)
            given.append(Given(_history_of(now[0]), changed))
        return changed

    def refuse_taken(self, alias: Alias, target: Target) -> bool:
        """Return whether ``alias`` means this lock already; asked before the work of pushing it.

        :raises Conflict: where its tag is written once and means something else.
        :raises IntegrityError: where the alias is there, but damaged.
        """
        present = self._backend.get(alias_key(*alias))
        if present is None:
            return False
        same = self._decode(alias, present.data).target.ids == target.ids
        if not same and alias.tag not in MUTABLE_TAGS:
            raise self._taken(alias)
        return same

    def get(self, alias: Alias) -> Target:
        """Return what ``alias`` means.

        :raises NotFound: where it is unknown; near names are named.
        :raises IntegrityError: where it is damaged.
        """
        return self._read(alias).target

    def find(self, alias: Alias) -> Target | None:
        """Return what ``alias`` means, None where it is unknown: one request.

        :raises IntegrityError: where it is damaged.
        """
        found = self._backend.get(alias_key(*alias))
        return self._decode(alias, found.data).target if found is not None else None

    def history(self, alias: Alias) -> History:
        """Return who made ``alias`` mean what, and when; at most :data:`MOST_MOVES` moves.

        :raises NotFound: where it is unknown; near names are named.
        :raises IntegrityError: where it is damaged.
        """
        return _history_of(self._read(alias))

    def find_history(self, alias: Alias) -> History | None:
        """Do as :meth:`history`; None where it is unknown: one request.

        :raises IntegrityError: where it is damaged.
        """
        found = self._backend.get(alias_key(*alias))
        return _history_of(self._decode(alias, found.data)) if found is not None else None

    def all(self, prefix: str = "") -> Iterator[Alias]:
        """Yield every alias whose name and tag begin with ``prefix``, sorted."""
        # Whole parts of the prefix narrow down what is listed; the rest is compared here.
        folder, _, _ = prefix.partition(":")[0].rpartition("/")
        for key in self._backend.keys(f"aliases/{folder}" if folder else "aliases"):
            name, _, file = key.removeprefix("aliases/").rpartition("/")
            text = f"{name}:{file.removesuffix('.json')}"
            if file.endswith(".json") and text.startswith(prefix):
                with suppress(UsageError):  # a file that nobody could name, so it is none of ours
                    yield parse_alias(text)

    def _read(self, alias: Alias) -> _Record:
        found = self._backend.get(alias_key(*alias))
        if found is not None:
            return self._decode(alias, found.data)
        known = [str(each) for each in self.all()]
        import difflib

        near = difflib.get_close_matches(str(alias), known, n=3, cutoff=0.6)
        advice = f"did you mean {' or '.join(near)}?" if near else "name one with: conjoin resolve --alias"
        raise NotFound(f"no alias {alias}", where=self._backend.place, advice=advice)

    def _decode(self, alias: Alias, data: bytes) -> _Record:
        try:
            record = decode_json(data, _Record)
        except msgspec.DecodeError as error:
            reason = str(error)
        else:
            if all(map(is_id, record.target.ids)) and all(map(is_sha256, record.target[2:])):
                return record
            reason = "it names no environment"
        raise IntegrityError(
            f"the alias {alias} is damaged ({reason})",
            where=self._backend.where(alias_key(*alias)),
            advice="delete that file and name the environment again",
        )

    def _taken(self, alias: Alias) -> Conflict:
        return Conflict(
            f"the alias {alias} is written once and means another environment",
            where=self._backend.where(alias_key(*alias)),
            advice=f"choose a new tag, or one of {', '.join(sorted(MUTABLE_TAGS))}",
        )


def _move_of(record: _Record) -> Move:
    return Move(**record.target._asdict(), user=record.user, time=record.time)


def _history_of(record: _Record) -> History:
    return History((_move_of(record), *reversed(record.earlier)), record.forgotten)


def _encode(record: _Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
