"""Core metadata (``METADATA`` files, PEP 566 and later), as far as resolving needs it."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conjoin.errors import UsageError
from conjoin.index.pypi.dependency import Dependency, MeaninglessMarker, parse_dependency, repaired
from conjoin.index.pypi.project import CoreMetadata
from conjoin.spec.names import PypiName, extra_name, pypi_name

__all__ = ["MetadataUnusable", "parse_core_metadata"]

# The description follows the first empty line and may be a hundred times larger than what counts.
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n|\r\r")
_MAX_HEADERS = 4 * 1024 * 1024  # bytes; hundreds of extras of hundreds of requirements have a tenth
_MOST_REQUIREMENTS = 10_000  # each could name another project, and cost a request
_LONGEST_TEXT = 4000  # characters of a requirement; Python refuses to read numbers of more than 4300 digits
_DEEPEST_MARKER = 50  # parentheses within parentheses; reading them takes Python's stack


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
    :raises MetadataUnusable: where it disagrees with the file name, or a requirement is not PEP 508, or has
        a marker that cannot be evaluated.
        A candidate with a requirement nobody can read is never taken for one without it.
    """
    from packaging.metadata import parse_email

    end = _END_OF_HEADERS.search(content)
    headers = content[: end.start()] + b"\n" if end else content
    if len(headers) > _MAX_HEADERS:
        raise MetadataUnusable(f"its metadata has {len(headers)} bytes without its description")
    raw, unparsed = parse_email(headers)
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
    except ValueError:  # a number of thousands of digits
        raise MetadataUnusable("its metadata names a version that cannot be read") from None
    requires_python = repaired(raw.get("requires_python", "").strip())
    try:
        SpecifierSet(requires_python[:_LONGEST_TEXT])
    except InvalidSpecifier:
        raise MetadataUnusable(f"its Requires-Python is invalid: {requires_python[:200]!r}") from None
    if len(requires_python) > _LONGEST_TEXT:
        raise MetadataUnusable(f"its Requires-Python has {len(requires_python)} characters")
    wanted = raw.get("requires_dist", [])
    if len(wanted) > _MOST_REQUIREMENTS:
        raise MetadataUnusable(f"it has {len(wanted)} requirements")
    extras = {_extra(extra) for extra in raw.get("provides_extra", [])} - {""}
    return CoreMetadata(
        name=name,
        version=version,
        dependencies=tuple(_dependency(text) for text in wanted),
        requires_python=requires_python,
        provides_extras=frozenset(extras),
    )


def _extra(text: str) -> str:
    try:
        return str(extra_name(text))
    except UsageError:
        return ""  # nobody can ask for it


def _dependency(text: str) -> Dependency:
    # A long requirement may have been folded over several lines.
    unfolded = " ".join(text.split())
    if len(unfolded) > _LONGEST_TEXT:
        raise MetadataUnusable(f"it has a requirement of {len(unfolded)} characters")
    if _depth(unfolded) > _DEEPEST_MARKER:
        raise MetadataUnusable(f"it requires {unfolded[:200]!r}, which is nested too deeply")
    try:
        return parse_dependency(unfolded)
    except MeaninglessMarker as error:
        raise MetadataUnusable(f"has an invalid dependency: {error}") from None
    except InvalidRequirement as error:
        candidate = repaired(unfolded)
        if candidate == unfolded:
            first_line = str(error).splitlines()[0]
            raise MetadataUnusable(f"it requires {unfolded!r}, which is not PEP 508: {first_line}") from None
        return _dependency(candidate)


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif character == ")":
            depth -= 1
    return deepest
