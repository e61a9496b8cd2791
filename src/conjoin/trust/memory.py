"""What a user remembers of a name in a store, and whether what it means now contradicts that.

Trust on first use, as ssh's ``known_hosts``: whoever may write a store may rewrite what its names mean, but
not what somebody has seen. Where it is kept is :mod:`conjoin.store.records.memory`'s concern.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from conjoin.spec.grammars import is_id, is_sha256

__all__ = ["MOST_EARLIER", "Met", "NamedAs", "Remembered", "after", "contradiction", "decode", "encode"]

MOST_EARLIER = 50
"""Targets that a name had before and that are remembered, at most."""

SCHEMA = 1


class NamedAs(NamedTuple):
    """One move of a name, as the store tells of it."""

    target: str
    user: str
    time: str


class Met(NamedTuple):
    """What a name means in a store, now.

    :ivar target: ``req_id:full_id``.
    :ivar lock_digest: of the lock that is there; empty where it was not looked at.
    :ivar mutable: whether the tag may be moved.
    :ivar moves: what the store tells of its moves, newest first.
    :ivar times: how often it was named, in all: the store forgets old moves.
    :ivar serial: of the last signed statement; 0 where nobody asked for one.
    :ivar signed: the digest of that statement as it is kept; empty where nobody asked.
    """

    target: str
    lock_digest: str
    mutable: bool
    moves: tuple[NamedAs, ...]
    times: int
    serial: int = 0
    signed: str = ""


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered: the fields are those of :class:`Met`.

    :ivar user: who made it so, as the store tells.
    :ivar time: when, as the store tells.
    :ivar seen: when this user met it first; RFC 3339, UTC.
    :ivar earlier: targets that it had before, the last one last.
    """

    schema: int
    target: str
    lock_digest: str = ""
    times: int = 1
    user: str = ""
    time: str = ""
    serial: int = 0
    signed: str = ""
    seen: str = ""
    earlier: tuple[str, ...] = ()


def contradiction(remembered: Remembered, met: Met) -> str:
    """Return what speaks against believing that a name means what it is met with; empty where nothing does.

    A write-once tag means the same for ever. One that moves only goes forward: its history grows at its end,
    its serial grows, and it comes back to a target of before only where that was signed.
    """
    if met.serial:
        if met.serial < remembered.serial:
            return f"the last statement about it is the {met.serial}., and it was the {remembered.serial}."
        if met.serial == remembered.serial and met.signed != remembered.signed:
            return f"the {met.serial}. statement about it was exchanged"
    same_target = met.target == remembered.target
    other_lock = bool(
        same_target
        and met.lock_digest
        and remembered.lock_digest
        and met.lock_digest != remembered.lock_digest
    )
    if not met.mutable:
        if not same_target:
            return "it is written once, and means another environment"
        return "it is written once, and its lock was exchanged" if other_lock else ""
    newly_signed = met.serial > remembered.serial
    if met.times < remembered.times:
        return f"it was named {remembered.times} times, and now {met.times}: an old state was put back"
    then = met.moves[met.times - remembered.times :][:1]
    if then and then[0] != NamedAs(remembered.target, remembered.user, remembered.time):
        return "its history was rewritten"
    if newly_signed:
        return ""
    if other_lock:
        return "its lock was exchanged"
    if not same_target and met.target in remembered.earlier:
        return "it went back to what it meant before"
    return ""


def after(remembered: Remembered | None, met: Met, now: str) -> Remembered:
    """Return what is remembered from now on: the same object where nothing is new."""
    new = Remembered(
        schema=SCHEMA,
        target=met.target,
        lock_digest=met.lock_digest,
        times=met.times,
        user=met.moves[0].user if met.moves else "",
        time=met.moves[0].time if met.moves else "",
        serial=met.serial,
        signed=met.signed,
        seen=now,
    )
    if remembered is None:
        return new
    same = met.target == remembered.target
    earlier = tuple(each for each in remembered.earlier if each != met.target)
    if not same:
        earlier = (*earlier, remembered.target)[-MOST_EARLIER:]
    new = msgspec.structs.replace(
        new,
        # What was not looked at this time is not forgotten.
        lock_digest=met.lock_digest or (remembered.lock_digest if same else ""),
        serial=met.serial or remembered.serial,
        signed=met.signed or remembered.signed,
        seen=remembered.seen if same else now,
        earlier=earlier,
    )
    return remembered if new == remembered else new


def encode(remembered: Remembered) -> bytes:
    """Return what is remembered as it is kept."""
    return msgspec.json.encode(remembered) + b"\n"


def decode(data: bytes) -> Remembered:
    """Return what is remembered.

    :raises ValueError: where it is damaged, or of a newer version.
    """
    try:
        found = msgspec.json.decode(data, type=Remembered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    req_id, _, full_id = found.target.partition(":")
    if found.schema != SCHEMA or not is_id(req_id) or not is_id(full_id):
        raise ValueError("it is of another version, or no environment")
    if found.lock_digest and not is_sha256(found.lock_digest):
        raise ValueError("its digest is none")
    return found
