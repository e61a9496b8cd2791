"""What a built wheel is kept under, so that nobody builds it twice (design, section 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from holdfast.errors import UsageError
from holdfast.index.core_metadata import MetadataUnusable

if TYPE_CHECKING:
    from holdfast.index.sources import Source

__all__ = ["build_key", "declared_requirements"]

_SCHEME = 1
_LEGACY = ("setuptools>=40.8.0",)
"""What a project without a ``[build-system]`` table is built with (PEP 517)."""


def build_key(
    identity: str, requires: Iterable[str], exclude_newer: str, abi: str = "none", platform: str = "any"
) -> str:
    """Return the build key of a wheel: 64 hex digits of SHA-256.

    What was asked to build with is part of it, not what an index happened to offer that day: else each
    release of a build backend would have everybody build everything again.

    :param identity: of the source.
    :param exclude_newer: what the index of the build requirements is cut off at, empty for nothing.
    :param abi: of the Python that built it (``cp311``); ``none`` for a wheel that any serves.
    :param platform: it was built on (``linux-64``); ``any`` for a wheel that serves any.
    """
    document = [_SCHEME, identity, sorted(set(requires)), exclude_newer, abi, platform]
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def declared_requirements(source: Source) -> Sequence[str]:
    """Return what a source declares to be built with (PEP 518), in one spelling.

    :raises MetadataUnusable: where its pyproject.toml cannot be read.
    """
    from holdfast.config.toml import loads

    content = source.read("pyproject.toml")
    if content is None:
        if source.path.is_dir() and source.read("setup.py") is None and source.read("setup.cfg") is None:
            raise MetadataUnusable("holds no project: neither pyproject.toml nor setup.py is there")
        return _LEGACY
    try:
        table = loads(content.decode("utf-8"), where="pyproject.toml").get("build-system")
    except (UnicodeDecodeError, UsageError) as error:
        raise MetadataUnusable(f"has a pyproject.toml that cannot be read ({error})") from None
    requires = table.get("requires") if isinstance(table, dict) else None
    if requires is None:
        return _LEGACY
    try:
        return [str(Requirement(text)) for text in requires]
    except (InvalidRequirement, TypeError):
        raise MetadataUnusable("has a pyproject.toml whose build requirements cannot be read") from None
