"""The canonical form of requirements, and ``req_id``, its identity (docs/adr/0003-what-ids-cover.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from conjoin.errors import UsageError
from conjoin.spec.requirements import CondaRequirement, PypiRequirement, Requirements

__all__ = ["SCHEME", "canonical", "from_canonical", "req_id"]

SCHEME = 1
"""Version of the identity scheme; whatever gives an old request another canonical form must raise it."""

_DIGITS = 40

_REQUIREMENT_LISTS = {
    "conda": CondaRequirement,
    "pypi": PypiRequirement,
    "constraints": PypiRequirement,
    "overrides": PypiRequirement,
}
# Exactly the fields that take part in comparing: `Requirements` says which are not part of the identity.
_IDENTITY = tuple(field.name for field in fields(Requirements) if field.compare)

_LATER = ("channel_aliases", "same_versions", "prefer_conda")
"""Fields that came later: left out where they say nothing, so that old requests keep their identity."""

_Requirement = TypeVar("_Requirement", CondaRequirement, PypiRequirement)


def canonical(requirements: Requirements) -> dict[str, Any]:
    """Return what decides the identity of ``requirements``, made of JSON's types alone, and the scheme."""
    document: dict[str, Any] = {"scheme": SCHEME}
    for name in _IDENTITY:
        value = getattr(requirements, name)
        if name in _REQUIREMENT_LISTS:
            document[name] = [_as_dict(one) for one in value]
        elif name == "virtual_packages":
            document[name] = dict(value)
        elif name in _LATER and not value:
            continue
        elif name == "channel_aliases":
            document[name] = {alias: list(urls) for alias, urls in value}
        else:
            document[name] = list(value) if isinstance(value, tuple) else value
    return document


def req_id(requirements: Requirements) -> str:
    """Return the identity of ``requirements``: 40 hex digits of SHA-256 over their canonical JSON."""
    text = json.dumps(canonical(requirements), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def from_canonical(document: Mapping[str, Any]) -> Requirements:
    """Return the requirements that :func:`canonical` made ``document`` of, as a lock carries it.

    :raises UsageError: where it is none, or of a later scheme.
    """
    if document.get("scheme") != SCHEME:
        raise UsageError(
            f"requirements of scheme {document.get('scheme')!r} cannot be read",
            advice=f"this version of Conjoin knows scheme {SCHEME}",
        )
    unknown = set(document) - {"scheme", *_IDENTITY}
    if unknown:
        raise UsageError(f"canonical requirements have no field {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    try:
        for name, value in document.items():
            if name == "scheme":
                continue
            if kind := _REQUIREMENT_LISTS.get(name):
                values[name] = tuple(_from_dict(kind, one) for one in value)
            elif name == "virtual_packages":
                values[name] = tuple(sorted(value.items()))
            elif name == "channel_aliases":
                values[name] = tuple(sorted((alias, tuple(urls)) for alias, urls in value.items()))
            else:
                values[name] = tuple(value) if isinstance(value, list) else value
    except (AttributeError, TypeError) as error:
        raise UsageError(f"these are not canonical requirements: {error}") from None
    return Requirements(**values)


def _as_dict(requirement: CondaRequirement | PypiRequirement) -> dict[str, Any]:
    """Return the fields that say something: one added later changes no identity made before."""
    said = {name: value for name, value in requirement._asdict().items() if value}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def _from_dict(kind: type[_Requirement], document: Mapping[str, Any]) -> _Requirement:
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in document.items()}
    return kind(**values)
