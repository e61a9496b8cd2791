"""PyPI requirements (PEP 508), read by ``packaging``, in one canonical spelling."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from conjoin.errors import UsageError
from conjoin.spec.credentials import without_credentials
from conjoin.spec.names import extra_name, pypi_name
from conjoin.spec.requirements import PypiRequirement
from conjoin.spec.syntax.local_path import exists, local_path
from conjoin.untrusted import PARSER_FAILURES, reason_of, shortened, split_url

if TYPE_CHECKING:
    from packaging.specifiers import Specifier

__all__ = [
    "canonical_marker",
    "canonical_specifier",
    "hash_digest",
    "is_location",
    "pypi_requirement",
    "requirement_of_url",
]

_EXPECTED = (
    "expected name[extra] specifier ; marker (PEP 508), as in requests[socks]>=2.31 ; os_name == 'posix'"
)
_HASH = re.compile(r"(?:sha256)[:=](?P<digest>[0-9a-fA-F]{64})")
_ALGORITHMS = ("sha256", "sha384", "sha512", "sha1", "md5")
# One letter is a drive, not a scheme.
_SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]+://|file:)", re.IGNORECASE)
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
_VCS = ("git+", "hg+", "svn+", "bzr+")
_CONDA_SINGLE_EQUALS = re.compile(r"[\w.\]-]\s*=\s*\d")


def pypi_requirement(
    text: str, *, hashes: tuple[str, ...] = (), folder: Path | None = None
) -> PypiRequirement:
    """Return the PyPI requirement that ``text`` spells, in canonical form, without credentials.

    >>> str(pypi_requirement("Requests [socks,Security] >= 2.0 , <3"))
    'requests[security,socks]<3,>=2'

    :param hashes: as pip's ``--hash`` takes them: ``sha256:<64 hex digits>``.
    :param folder: what a path behind ``@`` starts from, the current directory if None.
    :raises UsageError: where it is none.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    text = without_credentials(text).strip()
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(
            f"{shortened(text)!r} is not a PyPI requirement{_hint(text, error)}", advice=_EXPECTED
        ) from None
    except RecursionError:
        raise UsageError("a PyPI requirement nests its marker too deep", advice=_EXPECTED) from None
    except PARSER_FAILURES as error:
        raise UsageError(
            f"{shortened(text)!r} is not a PyPI requirement: {reason_of(error)}", advice=_EXPECTED
        ) from None
    url, pinned = _url(parsed.url or "", folder)
    if url:
        split_url(url, shown=url)
    return PypiRequirement(
        name=pypi_name(parsed.name),
        extras=tuple(sorted({extra_name(extra) for extra in parsed.extras})),
        specifier=",".join(sorted({_specifier(one) for one in parsed.specifier})),
        marker=str(parsed.marker) if parsed.marker else "",
        url=url,
        hashes=tuple(sorted({hash_digest(one) for one in (*hashes, *pinned)})),
    )


def requirement_of_url(
    text: str, *, folder: Path | None = None, hashes: tuple[str, ...] = ()
) -> PypiRequirement:
    """Return the requirement that a bare URL, VCS URL or path stands for, as pip's files allow one.

    The project's name is taken from ``#egg=``, the name of a wheel or sdist, or a folder's pyproject.toml.

    :param folder: what a relative path starts from, the current directory if None.
    :raises UsageError: where no name can be found.
    """
    text = without_credentials(text).strip()
    location, _, marker = text.partition(" ;")
    location, bracket, rest = location.strip().partition("[")
    extras = f"[{rest.partition(']')[0]}]" if bracket else ""
    if not _SCHEME.match(location):
        path = local_path(location, folder)
        if not exists(path):
            raise UsageError(
                f"{shortened(location)!r} does not exist", advice="expected a wheel, an sdist or a folder"
            )
        location = path.as_uri()
    elif bracket:
        location, extras = f"{location}{bracket}{rest}", ""  # brackets of a URL are its own
    name = _name_of_url(location)
    if not name:
        raise UsageError(
            f"{shortened(text)!r} does not say which project it is", advice=f"write 'NAME @ {location}'"
        )
    egg = re.sub(r"(?<=[#&])egg=[^&]*&?", "", location).rstrip("#&")
    return pypi_requirement(
        f"{name}{extras} @ {egg}{f' ;{marker}' if marker else ''}", hashes=hashes, folder=folder
    )


def is_location(text: str) -> bool:
    """Say whether a requirement is a bare URL or path, not ``name`` or ``name @ url``."""
    if _SCHEME.match(text) or text.startswith((".", "/", "~", "\\")):
        return True
    place = text.partition(" ;")[0].partition("[")[0].strip()
    return "@" not in place and (place.lower().endswith(_ARCHIVES) or "/" in place)


def canonical_specifier(text: str) -> str:
    """Return a PEP 440 specifier set in canonical form: sorted, trailing zeros dropped where none counts.

    :raises UsageError: where it is none.
    """
    from packaging.specifiers import SpecifierSet

    try:
        return ",".join(sorted({_specifier(one) for one in SpecifierSet(text)}))
    except PARSER_FAILURES:  # InvalidSpecifier is a ValueError
        raise UsageError(
            f"{shortened(text)!r} is not a version specifier",
            advice="expected PEP 440, as in >=1.2,<2 or ==1.2.*",
        ) from None


def canonical_marker(text: str) -> str:
    """Return a marker as ``packaging`` spells it.

    :raises UsageError: where it is none.
    """
    from packaging.markers import Marker

    try:
        return str(Marker(text))
    except PARSER_FAILURES:  # InvalidMarker is a ValueError
        raise UsageError(
            f"{shortened(text)!r} is not a marker", advice="expected PEP 508, as in python_version < '3.12'"
        ) from None


def hash_digest(text: str) -> str:
    """Return pip's ``sha256:<hex>`` in canonical form.

    :raises UsageError: for other algorithms: what is locked is locked by SHA-256.
    """
    match = _HASH.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a hash Conjoin verifies", advice="expected sha256:<64 hex digits>")
    return f"sha256:{match['digest'].lower()}"


def _specifier(one: Specifier) -> str:
    from packaging.utils import canonicalize_version
    from packaging.version import Version

    operator, version = one.operator, one.version
    if operator == "===":  # compared as text (PEP 440, "arbitrary equality")
        return f"==={version}"
    if version.endswith(".*"):  # ==1.0.* is narrower than ==1.*
        return f"{operator}{Version(version[:-2])}.*"
    if operator == "~=":  # ~=1.0 allows 1.5, ~=1.0.0 does not
        return f"~={Version(version)}"
    return operator + canonicalize_version(version)


def _url(url: str, folder: Path | None) -> tuple[str, tuple[str, ...]]:
    """Take the hash out of a URL's fragment; of the rest only ``subdirectory`` says what is meant.

    A path, which PEP 508 does not allow but people write, becomes a ``file:`` URL.
    """
    address, _, fragment = url.partition("#")
    kept, hashes = [], []
    for part in filter(None, fragment.split("&")):
        key = part.partition("=")[0]
        if key in _ALGORITHMS:
            hashes.append(part)
        elif key != "egg":
            kept.append(part)
    if address and (not _SCHEME.match(address) or re.match(r"file:(?!//)", address, re.IGNORECASE)):
        address = local_path(address.partition("file:")[2] or address, folder).as_uri()
    return f"{address}#{'&'.join(kept)}" if kept else address, tuple(hashes)


def _name_of_url(url: str) -> str:
    parts = split_url(url, shown=url)
    for piece in parts.fragment.split("&"):
        key, _, value = piece.partition("=")
        if key == "egg" and value:
            return unquote(value)
    if url.startswith(_VCS):
        return ""
    path = unquote(parts.path)
    name = _name_of_folder(Path(path)) if parts.scheme.lower() == "file" else ""
    return name or _name_of_file(path.rpartition("/")[2])


def _name_of_file(filename: str) -> str:
    if filename.endswith(".whl"):
        return filename.partition("-")[0]
    for suffix in (".tar.gz", ".zip", ".tar.bz2"):
        if filename.endswith(suffix) and "-" in filename:
            return filename.removesuffix(suffix).rpartition("-")[0]
    return ""


def _name_of_folder(folder: Path) -> str:
    from conjoin.config.toml import loads

    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):  # none, not UTF-8, or a path that can be none
        return ""
    project = loads(text, where=str(folder / "pyproject.toml")).get("project")
    name = project.get("name") if isinstance(project, dict) else None
    return name if isinstance(name, str) else ""


def _hint(text: str, error: Exception) -> str:
    if _CONDA_SINGLE_EQUALS.search(text.partition(";")[0]):
        return ": one '=' is conda's spelling, PyPI's is '=='"
    first = str(error).splitlines()[0] if str(error) else ""
    return f": {first[0].lower()}{first[1:]}" if first else ""
