"""What each field of a lock may look like (docs/lock-format.md): whoever hands one over chose every field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from msgspec import NODEFAULT
from msgspec.structs import fields

from conjoin.lock.model import SCHEMA, Lock, LockedPackage, LockedPlatform
from conjoin.spec.grammars import is_id, is_plain_file_name, is_sha256
from conjoin.spec.platform import PLATFORMS

__all__ = ["lock_problems"]

_LONGEST = 4096
"""Characters of a dependency or a URL: a hundred times what any has."""

_LARGEST = 2**53
"""Sizes and times beyond this are no whole numbers for every reader of JSON."""

_LATEST = 253_402_300_799_000
"""Milliseconds: the end of the year 9999, the last that dates can be made of."""

_CONDA_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_PYPI_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_VIRTUAL_PACKAGE = re.compile(r"__[a-z0-9_]+")
_MD5 = re.compile(r"(?:[0-9a-f]{32})?")
_SHA256_OR_NONE = re.compile(r"(?:[0-9a-f]{64})?")
_BUILT_WITH = re.compile(r"([^#]+)#sha256=([0-9a-f]{64})")
_WORD = re.compile(r"[A-Za-z0-9_.+-]+")
_NAMED = re.compile(r"(?:[a-z][a-z0-9]*)?")
_ABI = re.compile(r"(?:[A-Za-z0-9_]+)?")
# Everything that a text for people may hold: no line, and nothing that moves a terminal's cursor.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")

# What each kind has beside that which all have; of another kind it would mean nothing, and be believed.
_ALL = frozenset({"kind", "name", "version", "file", "dependencies"})
_FIELDS: Mapping[str, frozenset[str]] = {
    "conda": _ALL
    | {"url", "sha256", "size", "build", "build_number", "subdir", "channel", "noarch", "constrains", "md5"}
    | {"license", "timestamp", "track_features", "python_site_packages_path", "provides"},
    "pypi": _ALL
    | {"url", "sha256", "size", "extras", "requires_python", "source_url", "source_sha256", "build_key"}
    | {"build_request", "built_with", "direct", "editable"},
    "python": _ALL | {"implementation", "abi"},
}
_DEFAULTS = {each.name: each.default for each in fields(LockedPackage) if each.default is not NODEFAULT}
_FOREIGN = {kind: [name for name in _DEFAULTS if name not in known] for kind, known in _FIELDS.items()}


def lock_problems(lock: Lock) -> Iterator[str]:
    """Yield what is wrong with the fields of a lock, one sentence each, with where it stands."""
    if lock.schema != SCHEMA:
        yield f"schema {lock.schema} never existed"
    for name, value in (("req_id", lock.req_id), ("full_id", lock.full_id)):
        if not is_id(value):
            yield f"{name} is not 40 hex digits"
    if not lock.platforms:
        yield "it is for no platform"
    for platform, locked in lock.platforms.items():
        if platform not in PLATFORMS:
            yield f"{platform!r} is not a platform"
        for problem in _platform_problems(platform, locked):
            yield f"platforms.{platform}.{problem}"


def _platform_problems(platform: str, locked: LockedPlatform) -> Iterator[str]:
    for name, value in locked.virtual_packages.items():
        if not _VIRTUAL_PACKAGE.fullmatch(name) or not _is_short_text(value) or " " in value:
            yield f"virtual_packages: {name!r}: {value!r} is no virtual package"
    seen: set[tuple[str, str]] = set()
    for position, package in enumerate(locked.packages):
        at = f"packages[{position}]"
        for problem in _package_problems(platform, package):
            yield f"{at}: {problem}"
        if (package.kind, package.name) in seen:
            yield f"{at}: a second {package.kind} package {package.name!r}"
        seen.add((package.kind, package.name))


def _package_problems(platform: str, package: LockedPackage) -> Iterator[str]:
    for name in ("version", "file"):
        if not is_plain_file_name(getattr(package, name)):
            yield f"{name} {getattr(package, name)!r} is not a plain name"
    for name in _FOREIGN[package.kind]:
        if getattr(package, name) != _DEFAULTS[name]:
            yield f"{name} says nothing of a {package.kind} package"
    if not 0 <= package.size < _LARGEST:
        yield f"size {package.size} is no number of bytes"
    for text in (*package.dependencies, *package.constrains):
        if not _is_text(text) or not text.strip():
            yield f"the dependency {text[:80]!r} is none"
    yield from _KINDS[package.kind](platform, package)


def _conda_problems(platform: str, package: LockedPackage) -> Iterator[str]:
    yield from _file_problems(package)
    if not _CONDA_NAME.fullmatch(package.name):
        yield f"name {package.name!r} is not a conda name (CEP 26)"
    if not package.file.endswith((".conda", ".tar.bz2")):
        yield f"file {package.file!r} is not a conda package"
    if not is_plain_file_name(package.build):
        yield f"build {package.build!r} is not a plain name"
    if not 0 <= package.build_number < _LARGEST:
        yield f"build_number {package.build_number} is no build number"
    if package.subdir not in (platform, "noarch"):
        yield f"subdir {package.subdir!r} is neither {platform} nor noarch"
    if package.noarch not in ("", "generic", "python"):
        yield f"noarch {package.noarch!r} is neither generic nor python"
    if not _MD5.fullmatch(package.md5):
        yield "md5 is not 32 hex digits"
    if not 0 <= package.timestamp <= _LATEST:
        yield f"timestamp {package.timestamp} is no time in milliseconds"
    if not _is_text(package.license):
        yield f"license {package.license[:80]!r} is not one line of text"
    yield from (f"track_features: {each!r} is none" for each in package.track_features if not _is_word(each))
    yield from (f"provides: {each!r} is no PyPI name" for each in package.provides if not _is_pypi_name(each))
    yield from _place_problems(package)


def _place_problems(package: LockedPackage) -> Iterator[str]:
    """Yield what is wrong with where a conda package came from, and where its Python keeps packages."""
    place = package.python_site_packages_path
    if place and package.name != "python":
        yield "python_site_packages_path says nothing of a package but python"
    elif place and not _is_folder_below(place):
        yield f"python_site_packages_path {place[:80]!r} is no folder of a prefix"
    if problem := _url_problem(package.channel):
        yield f"channel {problem}"


def _pypi_problems(_platform: str, package: LockedPackage) -> Iterator[str]:
    yield from _file_problems(package)
    if not _is_pypi_name(package.name):
        yield f"name {package.name!r} is not a normalised PyPI name (PEP 503)"
    if not package.file.endswith(".whl"):
        yield f"file {package.file!r} is not a wheel"
    if not _is_text(package.requires_python):
        yield f"requires_python {package.requires_python[:80]!r} is not one line of text"
    yield from (f"extras: {each!r} is no extra" for each in package.extras if not _is_pypi_name(each))
    if problem := _url_problem(package.source_url):
        yield f"source_url {problem}"
    if package.url and package.source_url:
        yield "it has a url, and a source_url that it was built from"
    if package.editable and not package.source_url.startswith("file:///"):
        yield "it is editable, and its source is no folder"
    for name in ("source_sha256", "build_key", "build_request"):
        if not _SHA256_OR_NONE.fullmatch(getattr(package, name)):
            yield f"{name} is not 64 hex digits"
    for each in package.built_with:
        found = _BUILT_WITH.fullmatch(each)
        if found is None or not is_plain_file_name(found[1]):
            yield f"built_with: {each[:80]!r} is no file with its sha256"


def _python_problems(_platform: str, package: LockedPackage) -> Iterator[str]:
    if package.name != "python":
        yield f"an interpreter is called python, not {package.name!r}"
    if not _NAMED.fullmatch(package.implementation):
        yield f"implementation {package.implementation!r} is no name"
    if not _ABI.fullmatch(package.abi):
        yield f"abi {package.abi!r} is no ABI tag"
    if package.file != f"{package.implementation}-{package.version}-{package.abi}":
        yield f"file {package.file!r} is not made of implementation, version and abi"


_KINDS: Mapping[str, Callable[[str, LockedPackage], Iterator[str]]] = {
    "conda": _conda_problems,
    "pypi": _pypi_problems,
    "python": _python_problems,
}


def _file_problems(package: LockedPackage) -> Iterator[str]:
    if not is_sha256(package.sha256):
        yield "sha256 is not 64 hex digits"
    if problem := _url_problem(package.url):
        yield f"url {problem}"


def _url_problem(url: str) -> str:
    """Return what is wrong with the address of a file, a channel or a source; empty where there is none."""
    if not url:
        return ""
    if not _is_text(url) or " " in url or "\\" in url:
        return f"{url[:80]!r} is no URL"
    scheme, colon, _ = url.partition(":")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"{url[:80]!r} is no URL ({error})"
    if not colon or not _SCHEME.fullmatch(scheme):
        return f"{url[:80]!r} is no URL: it has no scheme"
    # A user without a password is how git's ssh is addressed.
    if "@" in parts.netloc and (":" in parts.netloc.rpartition("@")[0] or "ssh" not in scheme):
        return "carries credentials"
    return ""


def _is_folder_below(path: str) -> bool:
    """Return whether a path is relative, plain and in its canonical form: it stays where it begins."""
    return str(PurePosixPath(path)) == path and all(map(is_plain_file_name, path.split("/")))


def _is_text(text: str) -> bool:
    return len(text) <= _LONGEST and not _UNPRINTABLE.search(text)


def _is_short_text(text: str) -> bool:
    return len(text) <= 200 and not _UNPRINTABLE.search(text)


def _is_word(text: Any) -> bool:
    return _WORD.fullmatch(text) is not None


def _is_pypi_name(text: str) -> bool:
    return _PYPI_NAME.fullmatch(text) is not None
