"""Aliases: names people give to environments (grammar: design, section 9)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from holdfast.errors import Conflict, IntegrityError, NotFound, UsageError
from holdfast.store.atomic import put_if_absent, replace, store_errors
from holdfast.store.filelock import locked
from holdfast.store.layout import alias_key, lock_key

__all__ = ["MUTABLE_TAGS", "Alias", "Aliases", "parse_alias"]

MUTABLE_TAGS = frozenset({"latest", "candidate", "stable"})
"""Tags that may be moved; every other tag is written once."""

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
    """The aliases of a local store, below ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def set(self, alias: Alias, req_id: str, full_id: str) -> None:
        """Make ``alias`` mean a lock that is already kept.

        :raises NotFound: where the lock is not in the store: an alias never dangles.
        :raises Conflict: where the tag is written once and means something else.
        """
        if not (self._root / lock_key(req_id, full_id)).is_file():
            raise NotFound(f"no environment {req_id}:{full_id}", where=str(self._root))
        path = self._root / alias_key(*alias)
        data = msgspec.json.encode(_Target(req_id, full_id)) + b"\n"
        with store_errors(path):
            if alias.tag in MUTABLE_TAGS:
                with locked(path.with_name(f".{path.name}.lock")):
                    replace(path, data)
                return
            if put_if_absent(path, data) or path.read_bytes() == data:
                return
        raise Conflict(
            f"the alias {alias} is written once and means another environment",
            where=str(path),
            advice=f"choose a new tag, or one of {', '.join(sorted(MUTABLE_TAGS))}",
        )

    def get(self, alias: Alias) -> tuple[str, str]:
        """Return ``(req_id, full_id)`` of ``alias``.

        :raises NotFound: where it is unknown; near names are named.
        """
        path = self._root / alias_key(*alias)
        try:
            target = msgspec.json.decode(path.read_bytes(), type=_Target)
        except (FileNotFoundError, NotADirectoryError):
            known = [str(each) for each in self.all()]
            near = difflib.get_close_matches(str(alias), known, n=3, cutoff=0.6)
            advice = (
                f"did you mean {' or '.join(near)}?" if near else "name one with: holdfast resolve --alias"
            )
            raise NotFound(f"no alias {alias}", where=str(self._root), advice=advice) from None
        except msgspec.DecodeError as error:
            raise IntegrityError(f"the alias {alias} is damaged ({error})", where=str(path)) from None
        return target.req_id, target.full_id

    def all(self) -> Iterator[Alias]:
        """Yield every alias, sorted."""
        top = self._root / "aliases"
        for path in sorted(top.rglob("*.json")):
            if path.name.startswith(".") or not path.is_file():
                continue
            name = path.parent.relative_to(top).as_posix()
            yield Alias(name, path.name.removesuffix(".json"))
