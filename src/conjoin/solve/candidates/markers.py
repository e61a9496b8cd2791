"""Markers taken apart: most are comparisons joined by ``and``, and thousands of them share a few.

Plain comparisons are evaluated here, as packaging does it (PEP 508), but without reading them as a grammar
first, which takes fifty times longer. The tests hold the one against the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, Specifier
from packaging.utils import canonicalize_name

from conjoin.index.pypi.dependency import Condition

__all__ = ["comparisons", "holds", "named_extra"]

# As packaging spells a marker: one comparison, of a variable with a text that holds nothing odd.
_OPERATOR = r"(?:<=|>=|<|>|!=|===|==|~=|in|not in)"
_COMPARISON = re.compile(rf'(?:[a-z_.]+ {_OPERATOR} "[\w.*,+/: -]*"|"[\w.*,+/: -]*" {_OPERATOR} [a-z_.]+)')
_OF_TEXTS = re.compile(
    r"(os_name|sys_platform|platform_machine|platform_system|platform_python_implementation"
    r'|implementation_name) (==|!=) "([^"]*)"'
)
_OF_VERSIONS = re.compile(r'(python_version|python_full_version) (<=|>=|<|>|!=|==|~=) "([0-9][0-9.*]*)"')
# How backends write what an extra adds for some machines: the same condition again for dozens of extras.
_OF_AN_EXTRA = re.compile(r'\(([^()]*)\) and (extra == "[\w.-]*")')
_EXTRA = re.compile(r'extra == "((?!v[0-9])[a-zA-Z][\w.-]*)"')


@lru_cache(maxsize=1 << 14)
def comparisons(condition: Condition) -> tuple[Condition, ...]:
    """Return what all has to hold, taken apart where that is plain; else the whole marker.

    >>> comparisons(Condition('python_version < "3.8" and extra == "fast"'))
    ('python_version < "3.8"', 'extra == "fast"')
    >>> comparisons(Condition('(os_name == "nt" or os_name == "java") and extra == "fast"'))
    ('os_name == "nt" or os_name == "java"', 'extra == "fast"')
    """
    if match := _OF_AN_EXTRA.fullmatch(condition):
        return Condition(match[1]), Condition(match[2])
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


def holds(comparison: Condition, environment: Mapping[str, str]) -> bool | None:
    """Tell whether a comparison holds; None where it is not plain, and packaging has to be asked."""
    if match := _OF_TEXTS.fullmatch(comparison):
        variable, operator, text = match.groups()
        return (environment[variable] == text) is (operator == "==")
    if match := _OF_VERSIONS.fullmatch(comparison):
        variable, operator, text = match.groups()
        try:
            specifier = Specifier(operator + text)
        except InvalidSpecifier:
            return None
        return specifier.contains(environment[variable], prereleases=True)
    return None
