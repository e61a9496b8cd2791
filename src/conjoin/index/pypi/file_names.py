"""Names of distribution files (PEP 427, PEP 625), read fast: a page has thousands, few are ever looked at."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from conjoin.spec.names import PypiName

__all__ = ["FileName", "FileNameReader", "is_safe"]

# What a distribution file may be called: one plain name, never a path, nothing a shell or terminal minds.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*", re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
# PEP 427: the build tag starts with a digit.
_BUILD = re.compile(r"([0-9]{1,9})(.*)", re.ASCII)
# PEP 625, and what was uploaded before it.
_SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")
_MAX_LENGTH = 255  # no file system takes more


class FileName(NamedTuple):
    """What a file name says.

    :ivar version: as a value, shared between the files of one version.
    :ivar tags: of a wheel, compressed; empty for an sdist.
    :ivar build: of a wheel, ``()`` for none.
    """

    version: Version
    tags: str = ""
    build: tuple[int, str] | tuple[()] = ()


def is_safe(filename: str) -> bool:
    """Whether it is one plain file name: no separator, no ``..``, no control character, not too long."""
    return len(filename) <= _MAX_LENGTH and ".." not in filename and _SAFE.fullmatch(filename) is not None


class FileNameReader:
    """Reads the file names of one project; other projects' files and unknown formats are refused.

    :param project: whose files are wanted.
    """

    def __init__(self, project: PypiName) -> None:
        self.project = project
        self._is_project: dict[str, bool] = {}
        self._versions: dict[str, Version | None] = {}

    def read(self, filename: str) -> FileName | None:
        """Return what the name says, or None where it is no wheel or sdist of the project."""
        if not is_safe(filename):
            return None
        if filename.endswith(".whl"):
            return self._wheel(filename[:-4].split("-"))
        for suffix in _SDIST_SUFFIXES:
            if filename.endswith(suffix):
                return self._sdist(filename[: -len(suffix)])
        return None

    def _wheel(self, parts: list[str]) -> FileName | None:
        if not 5 <= len(parts) <= 6 or not all(parts) or "__" in parts[0] or not self._named(parts[0]):
            return None
        version = self._version(parts[1])
        if version is None:
            return None
        build: tuple[int, str] | tuple[()] = ()
        if len(parts) == 6:
            match = _BUILD.fullmatch(parts[2])
            if match is None:
                return None
            build = (int(match[1]), match[2])
        return FileName(version, "-".join(parts[-3:]), build)

    def _sdist(self, stem: str) -> FileName | None:
        # Both name and version may contain dashes in old files: the project's name decides where to split.
        split = stem.rfind("-")
        while split > 0:
            if self._named(stem[:split]):
                version = self._version(stem[split + 1 :])
                if version is not None:
                    return FileName(version)
            split = stem.rfind("-", 0, split)
        return None

    def _named(self, name: str) -> bool:
        known = self._is_project.get(name)
        if known is None:
            known = self._is_project[name] = _SEPARATORS.sub("-", name).lower() == self.project
        return known

    def _version(self, text: str) -> Version | None:
        try:
            return self._versions[text]
        except KeyError:
            pass
        try:
            version: Version | None = Version(text)
        except InvalidVersion:
            version = None
        self._versions[text] = version
        return version
