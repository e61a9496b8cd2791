"""What a look at a prefix or a store finds: data, until somebody prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Kind", "Problem"]

Kind = Literal["file", "package", "lock", "alias", "pointer", "note"]
Problem = Literal["missing", "changed", "foreign"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that is not what it is to be.

    :ivar where: the file or object; of a prefix's file, its path in the prefix.
    :ivar problem: it is not there; it is something else; or it is there, and nobody who is locked brings it.
    :ivar package: who is to bring it, as far as that is known.
    :ivar by: who put it there instead, as far as that is told: an installer, and what it installed.
    :ivar detail: what differs, in one sentence; empty where ``problem`` says all.
    :ivar repaired: whether it was put right since it was found.
    """

    where: str
    kind: Kind
    problem: Problem
    package: str = ""
    by: str = ""
    detail: str = ""
    repaired: bool = False
