"""What a release asks of another project: a Requires-Dist entry (PEP 508), read once and kept as read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NewType

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from conjoin.spec.names import ExtraName, PypiName

__all__ = ["Condition", "Dependency", "MeaninglessMarker", "is_meaningful", "parse_dependency", "repaired"]

_ORDERED_PREFIX = re.compile(r"(>=|<=|(?<![=!~<>])[<>])(\s*[0-9]+(?:\.[0-9]+)*)\.\*")


@lru_cache(maxsize=4096)  # thousands of files say the same
def repaired(text: str) -> str:
    """Return specifiers or a whole requirement without ``.*`` behind an ordered comparison.

    >>> repaired(">=3.6.*, !=3.7.*")
    '>=3.6, !=3.7.*'
    """
    return _ORDERED_PREFIX.sub(r"\1\2", text) if ".*" in text else text


Condition = NewType("Condition", str)
"""The text of a valid marker: it stands for the parsed one, which is slow to compare and to print."""

_PROBE = {"extra": "", "platform_release": "", "platform_version": ""}


class Dependency(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One Requires-Dist entry, parsed.

    :ivar marker: None where it always applies.
    :ivar url: of a direct reference, else empty.
    :ivar text: as it was written.
    """

    name: PypiName
    extras: tuple[ExtraName, ...]
    specifier: str
    marker: Condition | None
    url: str
    text: str


class MeaninglessMarker(InvalidRequirement):
    """A requirement can be read, but its marker cannot be evaluated."""


def is_meaningful(marker: str) -> bool:
    """Tell whether a marker can be evaluated at all (`sys_platform ~= 'x'` cannot)."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
    from packaging.version import InvalidVersion

    try:
        Marker(marker).evaluate(dict(_PROBE))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return False
    except InvalidVersion:  # packaging before 26: an empty `platform_release` against a version
        return False
    return True


@lru_cache(maxsize=1 << 14)  # thousands of releases ask for the same
def parse_dependency(text: str) -> Dependency:
    """Read one PEP 508 requirement.

    :raises packaging.requirements.InvalidRequirement: where it is none, or has a marker without meaning.
    """
    from packaging.utils import canonicalize_name

    requirement = Requirement(text)
    if requirement.marker is not None and not is_meaningful(str(requirement.marker)):
        raise MeaninglessMarker(f"the marker of {text!r} cannot be evaluated")
    return Dependency(
        PypiName(canonicalize_name(requirement.name)),
        tuple(sorted(ExtraName(canonicalize_name(extra)) for extra in requirement.extras)),
        str(requirement.specifier),
        Condition(str(requirement.marker)) if requirement.marker else None,
        requirement.url or "",
        text,
    )
