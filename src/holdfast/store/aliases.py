"""Aliases: names people give to environments (grammar: design, section 9)."""

from __future__ import annotations

import difflib
import random
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from holdfast.errors import Conflict, IntegrityError, NotFound, UsageError
from holdfast.store.backend import Backend
from holdfast.store.layout import alias_key, lock_key

__all__ = ["MUTABLE_TAGS", "Alias", "Aliases", "parse_alias"]

MUTABLE_TAGS = frozenset({"latest", "candidate", "stable"})
"""Tags that may be moved; every other tag is written once."""

_TRIES = 40

_PART = r"[a-z0-9][a-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(/{_PART})*")
_TAG = re.compile(_PART)
_ID = re.compile(r"[0-9a-f]{40}")


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
    if _ID.fullmatch(name) and _ID.fullmatch(tag):
        raise UsageError(f"{text!r} is an environment's id, not an alias")
    if any(part.endswith(".json") for part in name.split("/")):
        raise UsageError(f"{text!r} is not an alias", advice="no part of the name may end in .json")
    return Alias(name, tag)


class _Target(msgspec.Struct, frozen=True):
    req_id: str
    full_id: str


class Aliases:
    """The aliases of a store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def set(self, alias: Alias, req_id: str, full_id: str) -> None:
        """Make ``alias`` mean a lock that is already kept.

        :raises NotFound: where the lock is not in the store: an alias never dangles.
        :raises Conflict: where the tag is written once and means something else.
        """
        if self._backend.size(lock_key(req_id, full_id)) is None:
            raise NotFound(
                f"no environment {req_id}:{full_id}",
                where=self._backend.place,
                advice="resolve it there, or push it first",
            )
        self.name_kept(alias, req_id, full_id)

    def name_kept(self, alias: Alias, req_id: str, full_id: str) -> None:
        """Do as :meth:`set`, for a caller who knows that the lock is kept.

        :raises Conflict: where the tag is written once and means something else.
        """
        key = alias_key(*alias)
        data = msgspec.json.encode(_Target(req_id, full_id)) + b"\n"
        if alias.tag in MUTABLE_TAGS:
            self._move(alias, key, data)
        elif not self._backend.put_if_absent(key, data):
            present = self._backend.get(key)
            if present is None or present.data != data:
                raise self._taken(alias)

    def refuse_taken(self, alias: Alias, req_id: str, full_id: str) -> bool:
        """Return whether ``alias`` means this lock already; asked before the work of pushing it.

        :raises Conflict: where its tag is written once and means something else.
        """
        present = self._backend.get(alias_key(*alias))
        if present is None:
            return False
        same = present.data == msgspec.json.encode(_Target(req_id, full_id)) + b"\n"
        if not same and alias.tag not in MUTABLE_TAGS:
            raise self._taken(alias)
        return same

    def get(self, alias: Alias) -> tuple[str, str]:
        """Return ``(req_id, full_id)`` of ``alias``.

        :raises NotFound: where it is unknown; near names are named.
        :raises IntegrityError: where it is damaged.
        """
        key = alias_key(*alias)
        found = self._backend.get(key)
        if found is None:
            known = [str(each) for each in self.all()]
            near = difflib.get_close_matches(str(alias), known, n=3, cutoff=0.6)
            advice = (
                f"did you mean {' or '.join(near)}?" if near else "name one with: holdfast resolve --alias"
            )
            raise NotFound(f"no alias {alias}", where=self._backend.place, advice=advice)
        try:
            target = msgspec.json.decode(found.data, type=_Target)
        except msgspec.DecodeError as error:
            raise IntegrityError(
                f"the alias {alias} is damaged ({error})", where=self._backend.where(key)
            ) from None
        return target.req_id, target.full_id

    def all(self, prefix: str = "") -> Iterator[Alias]:
        """Yield every alias whose name and tag begin with ``prefix``, sorted."""
        # Whole parts of the prefix narrow down what is listed; the rest is compared here.
        folder, _, _ = prefix.partition(":")[0].rpartition("/")
        for key in self._backend.keys(f"aliases/{folder}" if folder else "aliases"):
            name, _, file = key.removeprefix("aliases/").rpartition("/")
            alias = Alias(name, file.removesuffix(".json"))
            if name and file.endswith(".json") and str(alias).startswith(prefix):
                yield alias

    def _move(self, alias: Alias, key: str, data: bytes) -> None:
        for attempt in range(_TRIES):
            present = self._backend.get(key)
            if present is not None and present.data == data:
                return
            if self._backend.compare_and_swap(key, data, present.version if present else None):
                return
            # Somebody else moved it in between. Whoever comes last wins, but never unawares.
            time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 5)))  # noqa: S311 (no secret)
        raise Conflict(
            f"the alias {alias} is being changed by others all the time",
            where=self._backend.where(key),
            advice="try again",
        )

    def _taken(self, alias: Alias) -> Conflict:
        return Conflict(
            f"the alias {alias} is written once and means another environment",
            where=self._backend.where(alias_key(*alias)),
            advice=f"choose a new tag, or one of {', '.join(sorted(MUTABLE_TAGS))}",
        )
