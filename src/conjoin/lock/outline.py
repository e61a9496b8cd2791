"""The few facts of a lock that lists and collectors need: read in a fraction of a lock's time."""

from __future__ import annotations

from typing import Annotated

import msgspec

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.model import SCHEMA
from conjoin.spec.grammars import ENVIRONMENT_ID, is_sha256
from conjoin.untrusted import decode_json

__all__ = ["Outline", "OutlinedPackage", "OutlinedPlatform", "read_outline", "refuse_schema"]


class OutlinedPackage(msgspec.Struct, frozen=True):
    """A package; the fields are those of :class:`~conjoin.lock.model.LockedPackage`."""

    kind: str
    name: str
    version: str
    file: str
    sha256: str = ""
    size: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


class OutlinedPlatform(msgspec.Struct, frozen=True):
    """The packages of one platform."""

    packages: tuple[OutlinedPackage, ...]


class Outline(msgspec.Struct, frozen=True):
    """A lock; what it says is believed, as far as it goes: its ids are not computed again."""

    schema: int
    req_id: str
    full_id: str
    platforms: dict[str, OutlinedPlatform]
    requirements: msgspec.Raw

    @property
    def packages(self) -> frozenset[OutlinedPackage]:
        """The packages that have bytes, of all platforms, each once."""
        return frozenset(
            each for platform in self.platforms.values() for each in platform.packages if each.sha256
        )

    @property
    def base(self) -> tuple[str, str] | None:
        """The environment that this one extends (``resolve --using``)."""
        try:
            text = decode_json(bytes(self.requirements), _Base).base
        except msgspec.DecodeError:
            return None
        found = ENVIRONMENT_ID.fullmatch(text)
        return (found[1], found[2]) if found else None


class _Base(msgspec.Struct):
    base: str = ""


def read_outline(data: bytes, where: str) -> Outline:
    """Return the outline of the lock that ``data`` holds.

    :param where: file or URL the bytes came from, for messages.
    :raises UsageError: where it is of a schema newer than this version reads.
    :raises IntegrityError: where it is no lock.
    """
    try:
        outline = decode_json(data, Outline)
    except msgspec.DecodeError as error:
        raise IntegrityError(
            f"the lock is damaged ({error})", where=where, advice="delete that file, or upgrade conjoin"
        ) from None
    refuse_schema(outline.schema, where)
    if not all(is_sha256(each.sha256) for each in outline.packages):
        raise IntegrityError("the lock is damaged (no sha256)", where=where, advice="delete that file")
    return outline


def refuse_schema(schema: int, where: str) -> None:
    """Refuse a lock of a schema that this version does not read.

    :param where: file or URL the bytes came from.
    :raises UsageError: saying which it reads.
    """
    if schema > SCHEMA:
        raise UsageError(
            f"the lock has schema {schema}, this version reads up to {SCHEMA}",
            where=where,
            advice="upgrade conjoin",
        )
    if schema < SCHEMA:
        raise UsageError(
            f"the lock has schema {schema}, which no published version wrote; this one reads {SCHEMA}",
            where=where,
            advice="resolve again, and delete that file",
        )
