"""Core metadata (``METADATA`` files, PEP 566 and later), as far as resolving needs it."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from holdfast.errors import UsageError
from holdfast.index.project import CoreMetadata
from holdfast.index.specifiers import repaired
from holdfast.spec.names import PypiName, extra_name, pypi_name

__all__ = ["MetadataUnusable", "parse_core_metadata"]

# The description follows the first empty line and may be a hundred times larger than what counts.
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n|\r\r")


class MetadataUnusable(Exception):
    """The metadata of a candidate is missing or invalid, so the candidate cannot be chosen.

    :ivar reason: why, one sentence without a full stop.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse_core_metadata(content: bytes, name: PypiName, version: Version) -> CoreMetadata:
    """Return what a ``METADATA`` file says.

    :param name: the project, as the file name says; must agree.
    :param version: likewise.
    :raises MetadataUnusable: where it disagrees with the file name, or a requirement is not PEP 508.
        A candidate with a requirement nobody can read is never taken for one without it.
    """
    from packaging.metadata import parse_email

    end = _END_OF_HEADERS.search(content)
    raw, unparsed = parse_email(content[: end.start()] + b"\n" if end else content)
    for field in ("name", "version", "requires-dist", "requires-python"):
        if field in unparsed:
            raise MetadataUnusable(f"its metadata has an unreadable {field.title()} field")
    try:
        if "name" not in raw or pypi_name(raw["name"]) != name:
            raise MetadataUnusable(f"its metadata names the project {raw.get('name', '')!r}")
        if "version" not in raw or Version(raw["version"]) != version:
            raise MetadataUnusable(f"its metadata names the version {raw.get('version', '')!r}")
    except (UsageError, InvalidVersion) as error:
        raise MetadataUnusable(f"its metadata is invalid: {error}") from None
    requires_python = repaired(raw.get("requires_python", "").strip())
    try:
        SpecifierSet(requires_python)
    except InvalidSpecifier:
        raise MetadataUnusable(f"its Requires-Python is invalid: {requires_python!r}") from None
    extras = {_extra(extra) for extra in raw.get("provides_extra", [])} - {""}
    return CoreMetadata(
        name=name,
        version=version,
        requires_dist=tuple(_requirement(text) for text in raw.get("requires_dist", [])),
        requires_python=requires_python,
        provides_extras=frozenset(extras),
    )


def _extra(text: str) -> str:
    try:
        return str(extra_name(text))
    except UsageError:
        return ""  # nobody can ask for it


def _requirement(text: str) -> str:
    # A long requirement may have been folded over several lines.
    unfolded = " ".join(text.split())
    try:
        Requirement(unfolded)
    except InvalidRequirement as error:
        candidate = repaired(unfolded)
        if candidate == unfolded:
            first_line = str(error).splitlines()[0]
            raise MetadataUnusable(f"it requires {unfolded!r}, which is not PEP 508: {first_line}") from None
        return _requirement(candidate)
    return unfolded
