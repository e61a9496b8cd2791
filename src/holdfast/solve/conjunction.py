"""Markers taken apart: most are comparisons joined by ``and``, and thousands of them share a few."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.utils import canonicalize_name

from holdfast.index.dependency import Condition

__all__ = ["comparisons", "named_extra"]

# As packaging spells a marker: one comparison, of a variable with a text that holds nothing odd.
_OPERATOR = r"(?:<=|>=|<|>|!=|===|==|~=|in|not in)"
_COMPARISON = re.compile(rf'(?:[a-z_.]+ {_OPERATOR} "[\w.*,+/: -]*"|"[\w.*,+/: -]*" {_OPERATOR} [a-z_.]+)')
_EXTRA = re.compile(r'extra == "((?!v[0-9])[a-zA-Z][\w.-]*)"')


@lru_cache(maxsize=1 << 14)
def comparisons(condition: Condition) -> tuple[Condition, ...]:
    """Return the comparisons that all have to hold; the whole marker where it is more than that.

    >>> comparisons(Condition('python_version < "3.8" and extra == "fast"'))
    ('python_version < "3.8"', 'extra == "fast"')
    """
    parts = condition.split(" and ")
    if all(_COMPARISON.fullmatch(part) for part in parts):
        return tuple(Condition(part) for part in parts)
    return (condition,)


@lru_cache(maxsize=1 << 14)
def named_extra(comparison: Condition) -> str | None:
    """Return the extra, normalised, that a comparison asks for; None where it asks for something else.

    An extra that reads like a version is left to packaging, which compares it as one.
    """
    match = _EXTRA.fullmatch(comparison)
    return canonicalize_name(match[1]) if match else None
