"""A conda package in memory: which files it has and what its ``info/`` folder says of them.

The model follows conda's package format (CEP 34 and the older ``info/`` documents): :class:`Package` knows
nothing of archives (see :mod:`conjoin.forge.archive`) or of where its files came from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from conjoin.errors import UsageError
from conjoin.spec.names import CondaName

__all__ = ["PLACEHOLDER", "TIMESTAMP", "FileMode", "Package", "PackageFile", "check_path"]

FileMode = Literal["text", "binary"]

PLACEHOLDER = ("/opt/conjoin_forge_" + "placehold_" * 30)[:255]
"""Stands for the prefix in a package's files; 255 characters, as long as a prefix can be (conda's rule)."""

TIMESTAMP = 1_700_000_000
"""When forged packages say they were made, in seconds since 1970: always the same, so that bytes are too."""

# conda's file names separate name, version and build with "-", and these characters are safe everywhere.
_VERSION_OR_BUILD = re.compile(r"[A-Za-z0-9_.!+]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_path(path: str) -> str:
    """Return ``path`` if it is a plain relative path inside a prefix.

    :raises UsageError: for absolute paths, ``..``, backslashes, drive letters and control characters.
    """
    parts = path.split("/")
    reason = None
    if not path or "" in parts or "." in parts:
        reason = "is not a plain relative path"
    elif ".." in parts:
        reason = "leaves its folder"
    elif "\\" in path or ":" in parts[0] or _CONTROL.search(path):
        reason = "has characters that mean something else elsewhere"
    if reason:
        raise UsageError(f"file name {path!r} {reason}", advice="it is refused, because it would be unsafe")
    return path


@dataclass(slots=True)
class PackageFile:
    """One file of a package.

    :ivar content: its bytes, or a function that reads them (big files are read when they are written).
    :ivar link: target of a symbolic link; then there is no content.
    :ivar executable: whether it has the executable bits.
    :ivar placeholder: text that stands for the prefix, empty where the file has none.
    :ivar file_mode: how the placeholder is replaced; ``binary`` keeps the file's length.
    """

    content: bytes | Callable[[], bytes] = b""
    link: str = ""
    executable: bool = False
    placeholder: str = ""
    file_mode: FileMode | None = None

    def read(self) -> bytes:
        """Return the content, or a link's target."""
        if self.link:
            return self.link.encode()
        return self.content() if callable(self.content) else self.content


@dataclass(slots=True, kw_only=True)
class Package:
    """A conda package.

    :ivar subdir: the platform's folder in a channel, ``noarch`` where :attr:`noarch` is set.
    :ivar depends: MatchSpecs.
    :ivar files: path inside the prefix -> file; in a ``noarch: python`` package below ``site-packages/`` and
        ``python-scripts/``.
    :ivar entry_points: ``name = module:function``, for ``noarch: python``.
    :ivar purls: package URLs of what is inside, such as ``pkg:pypi/numpy@1.26.4``.
    :ivar run_exports: what packages built against this one depend on (``{"weak": [...]}``).
    :ivar about: further entries of ``info/about.json``.
    :ivar site_packages: for Python itself: where its ``noarch: python`` packages are linked (CEP 17).
    """

    name: CondaName
    version: str
    build: str
    subdir: str
    build_number: int = 0
    depends: list[str] = field(default_factory=list)
    constrains: list[str] = field(default_factory=list)
    noarch: Literal["python", "generic"] | None = None
    license: str = ""
    track_features: str = ""
    files: dict[str, PackageFile] = field(default_factory=dict)
    entry_points: list[str] = field(default_factory=list)
    purls: list[str] = field(default_factory=list)
    run_exports: Mapping[str, list[str]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    site_packages: str = ""
    timestamp: int = TIMESTAMP

    def __post_init__(self) -> None:
        for what, text in (("version", self.version), ("build string", self.build)):
            if not _VERSION_OR_BUILD.fullmatch(text):
                raise UsageError(f"{text!r} is not a {what} of a conda package", where=str(self.name))

    @property
    def stem(self) -> str:
        """``name-version-build``, the file name without its ending."""
        return f"{self.name}-{self.version}-{self.build}"

    def add(self, path: str, file: PackageFile) -> None:
        """Put ``file`` at ``path``.

        :raises UsageError: where the path is unsafe (:func:`check_path`), taken already, or belongs to the
            installer (``info/``, ``conda-meta/``).
        """
        check_path(path)
        if path.startswith(("info/", "conda-meta/")):
            raise UsageError(f"{path!r} belongs to the installer, not to packages", where=self.stem)
        if path in self.files:
            raise UsageError(f"two files of the package are called {path!r}", where=self.stem)
        self.files[path] = file

    def detect_placeholders(self, placeholder: str = PLACEHOLDER) -> None:
        """Mark each file that contains ``placeholder``: ``binary`` where it has a NUL byte, else ``text``."""
        needle = placeholder.encode()
        for file in self.files.values():
            if file.link or file.placeholder:
                continue
            content = file.read()
            if needle in content:
                file.placeholder = placeholder
                file.file_mode = "binary" if b"\0" in content else "text"

    def info(self) -> dict[str, bytes]:
        """Return the members of ``info/``: path -> content, sorted, the same for the same package."""
        paths, prefixes = self._paths()
        members = {
            "info/index.json": _json(self.index()),
            "info/paths.json": _json({"paths": paths, "paths_version": 1}),
            "info/files": "".join(f"{path}\n" for path in sorted(self.files)).encode(),
            "info/about.json": _json({"license": self.license or None, **self.about}),
        }
        if prefixes:
            members["info/has_prefix"] = "".join(f"{line}\n" for line in prefixes).encode()
        if self.noarch == "python":
            link: dict[str, Any] = {"type": "python"}
            if self.entry_points:
                link["entry_points"] = self.entry_points
            members["info/link.json"] = _json({"noarch": link, "package_metadata_version": 1})
        if self.run_exports:
            members["info/run_exports.json"] = _json(dict(self.run_exports))
        return dict(sorted(members.items()))

    def index(self) -> dict[str, Any]:
        """Return ``info/index.json``: what the channel's repodata will say of this package."""
        system, _, machine = self.subdir.partition("-")
        index = {
            "arch": None if self.noarch else _MACHINES.get(machine, machine),
            "build": self.build,
            "build_number": self.build_number,
            "constrains": self.constrains or None,
            "depends": self.depends,
            "license": self.license or None,
            "name": self.name,
            "noarch": self.noarch,
            "platform": None if self.noarch else system,
            "purls": self.purls or None,
            "python_site_packages_path": self.site_packages or None,
            "subdir": self.subdir,
            "timestamp": self.timestamp * 1000,
            "track_features": self.track_features or None,
            "version": self.version,
        }
        return {key: value for key, value in index.items() if value is not None}

    def _paths(self) -> tuple[list[dict[str, Any]], list[str]]:
        entries: list[dict[str, Any]] = []
        prefixes = []
        for path, file in sorted(self.files.items()):
            content = file.read()
            entry: dict[str, Any] = {
                "_path": path,
                "path_type": "softlink" if file.link else "hardlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": 0 if file.link else len(content),
            }
            if file.placeholder:
                entry |= {"file_mode": file.file_mode, "prefix_placeholder": file.placeholder}
                prefixes.append(f'"{file.placeholder}" {file.file_mode} "{path}"')
            entries.append(entry)
        return entries, prefixes


_MACHINES = {"64": "x86_64", "32": "x86"}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
