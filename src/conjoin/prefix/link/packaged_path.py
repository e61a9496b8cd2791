"""Where a package's files go in a prefix: what its own list says, translated for one Python."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.model import LockedPlatform

__all__ = [
    "ENTRY_POINT",
    "PackagedPath",
    "PythonLayout",
    "canonical",
    "folders_of",
    "is_script_name",
    "python_layout",
    "refuse_escape",
]

ENTRY_POINT = re.compile(r"\s*[\w.]+\s*:\s*[\w.]+\s*(?:\[[^\]]*\]\s*)?")
"""What a console script calls, ``module:attribute`` (entry points specification); else no Python could."""

_DRIVE = re.compile(r"[A-Za-z]:")


class PackagedPath(msgspec.Struct, frozen=True, array_like=True):
    """A file a package brings.

    :ivar path: relative to the prefix, :func:`canonical`; ``site-packages/``, ``python-scripts/`` and
        ``python-headers/`` stand for folders that depend on the Python (the first two as in noarch Python
        packages, CEP 34).
    :ivar sha256: of its bytes, which were read, never what a list claims; empty where they are made or
        changed on linking.
    :ivar size: in bytes, where ``sha256`` is known; -1 where not looked up.
    """

    path: str
    sha256: str
    size: int = -1


def refuse_escape(path: str, where: str) -> None:
    """Refuse a path that leaves its folder.

    :raises IntegrityError: naming the archive ``where`` it stands.
    """
    parts = path.replace("\\", "/").split("/")
    if not path or parts[0] == "" or ".." in parts or "\0" in path or _DRIVE.match(path):
        raise IntegrityError(
            f"the package holds a file that would land outside of the prefix: {path!r}",
            where=where,
            advice="nothing was installed; do not trust this package",
        )


def is_script_name(name: str) -> bool:
    """Return whether a command may be called so: one file, in the folder for scripts itself."""
    return name.isprintable() and name not in ("", ".", "..") and not re.search(r"[/\\:]", name)


def canonical(path: str) -> str:
    """Return a path as file systems read it: without ``.`` and empty components.

    Lists and archives may spell one file in many ways (``lib/./x``, ``lib//x``); who brings what is decided
    by this one. What climbs is refused elsewhere (:func:`refuse_escape`).
    """
    if "//" not in path and "/." not in path and path[:1] != "." and path[-1:] != "/":
        return path  # nearly all
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def folders_of(paths: Iterable[str]) -> set[str]:
    """Return every folder that has one of ``paths`` below it; costs O(folders) beyond a look at each path."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


@dataclass(frozen=True, slots=True)
class PythonLayout:
    """Where a prefix's Python keeps things, relative to the prefix."""

    site_packages: str
    scripts: str
    headers: str

    def place(self, path: str) -> str:
        """Return a :class:`PackagedPath`'s path with Python's folders filled in."""
        # Asked for every file of every package, most of which are the first case.
        if path.startswith("site-packages/"):
            return self.site_packages + path[13:]
        if path.startswith("python-scripts/"):
            return self.scripts + path[14:]
        if path.startswith("python-headers/"):
            return self.headers + path[14:]
        return path


def python_layout(platform: str, locked: LockedPlatform) -> PythonLayout | None:
    """Return where the locked Python keeps things, None where the environment has no Python.

    :raises UsageError: where there are wheels but no Python.
    """
    for package in locked.packages:
        if package.kind != "pypi" and package.name == "python":
            break
    else:
        if any(package.kind == "pypi" for package in locked.packages):
            raise UsageError(
                "the lock holds wheels but no Python", advice="resolve again with a Python requirement"
            )
        return None
    if platform.startswith("win-"):
        return PythonLayout("Lib/site-packages", "Scripts", "include")
    major_minor = ".".join(package.version.split(".")[:2])
    # Free-threaded builds: conda says so by python_site_packages_path, an interpreter by its ABI (cp313t).
    threads = "t" if package.abi.endswith("t") else ""
    given = package.python_site_packages_path.strip("/")
    return PythonLayout(
        site_packages=given or f"lib/python{major_minor}{threads}/site-packages",
        scripts="bin",
        headers=f"include/python{major_minor}{threads}",
    )
