"""A folder becomes a package: as it stands, or what its build commands install.

``forge.toml`` in the folder says what the package is::

    [package]
    name = "mytool"                 # required, as is version
    version = "1.0"
    build_number = 0
    license = "MIT"
    summary = "one line"
    noarch = "generic"              # or "python"; without it, the package is for this machine's platform
    depends = ["zlib >=1.2"]        # MatchSpecs
    constrains = []
    entry_points = ["tool = mytool.cli:main"]   # noarch = "python" only
    run_exports = ["mytool >=1.0,<2"]           # what is built against it depends on this
    purls = ["pkg:pypi/mytool@1.0"]
    prefix = "/opt/mytool"          # occurs in the files and is to be replaced by the environment's

    [build]                         # without it, the folder's own files are the package's
    commands = ["make install"]     # PREFIX, DESTDIR, CC and SRC_DIR are set; run in a copy of the folder

Commands install below ``$DESTDIR$PREFIX`` as ``make install`` does: ``PREFIX`` is the placeholder, to be
compiled in, so programs and libraries can be relocated.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from conjoin.config import toml
from conjoin.errors import NotFound, UsageError
from conjoin.forge.package import PLACEHOLDER, Package, PackageFile
from conjoin.forge.subdirs import host_subdir
from conjoin.spec.names import conda_name

__all__ = ["MANIFEST", "SAMPLE", "folder_fingerprint", "folder_package"]

MANIFEST = "forge.toml"

SAMPLE = Path(__file__).with_name("sample")
"""A folder with a C library and a program, which print the prefix they were linked into."""

_KEYS: dict[str, type] = {
    "name": str,
    "version": str,
    "build_number": int,
    "license": str,
    "summary": str,
    "noarch": str,
    "depends": list,
    "constrains": list,
    "entry_points": list,
    "run_exports": list,
    "purls": list,
    "prefix": str,
}
_BUILD_KEYS: dict[str, type] = {"commands": list}
# Bytecode and version control are never part of a package.
_LEFT_OUT = {"__pycache__", ".git", ".hg", ".svn"}


def folder_package(folder: Path) -> Package:
    """Return the package that ``folder`` and its ``forge.toml`` describe.

    :raises UsageError: where the manifest is missing or wrong, or a command fails (with its last lines).
    :raises NotFound: where commands need a C compiler and there is none.
    """
    manifest = _read_manifest(folder)
    said, commands = manifest["package"], manifest["build"].get("commands", [])
    noarch = said.get("noarch")
    package = Package(
        name=conda_name(said["name"]),
        version=said["version"],
        build="0",
        build_number=said.get("build_number", 0),
        subdir="noarch" if noarch else host_subdir(),
        noarch=noarch,
        depends=said.get("depends", []),
        constrains=said.get("constrains", []),
        entry_points=said.get("entry_points", []),
        purls=said.get("purls", []),
        license=said.get("license", ""),
        run_exports={"weak": said["run_exports"]} if "run_exports" in said else {},
        about={"summary": said["summary"]} if "summary" in said else {},
    )
    if commands:
        _add_built(package, folder, commands)
    else:
        _add_tree(package, folder)
    package.detect_placeholders()
    if "prefix" in said:
        package.detect_placeholders(said["prefix"])
    package.build = f"h{_content_hash(package)}_{package.build_number}"
    return package


def folder_fingerprint(folder: Path) -> str:
    """Return a hash of all that the folder's package is made of."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder)}\0{os.access(path, os.X_OK)}\0".encode())
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def _read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / MANIFEST
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read it: {error}",
            where=str(path),
            advice="a folder needs a forge.toml with [package] name and version",
        ) from error
    read = toml.loads(text, where=str(path))
    for table in read:
        if table not in ("package", "build"):
            raise UsageError(f"[{table}] is unknown; expected [package] and [build]", where=str(path))
    manifest = {"package": read.get("package", {}), "build": read.get("build", {})}
    _check(manifest["package"], _KEYS, path, "package")
    _check(manifest["build"], _BUILD_KEYS, path, "build")
    for key in ("name", "version"):
        if key not in manifest["package"]:
            raise UsageError(f"[package] {key} is missing", where=str(path))
    if manifest["package"].get("noarch") not in (None, "python", "generic"):
        raise UsageError('[package] noarch is neither "python" nor "generic"', where=str(path))
    return manifest


def _check(table: object, keys: dict[str, type], path: Path, name: str) -> None:
    if not isinstance(table, dict):
        raise UsageError(f"[{name}] is no table", where=str(path))
    for key, value in table.items():
        expected = keys.get(key)
        if expected is None:
            known = ", ".join(keys)
            raise UsageError(f"[{name}] {key} is unknown", where=str(path), advice=f"expected are {known}")
        wrong = type(value) is not expected
        if expected is list and not wrong:
            wrong = not all(isinstance(item, str) for item in value)
        if wrong:
            kind = {str: "a string", int: "a whole number", list: "a list of strings"}[expected]
            raise UsageError(f"[{name}] {key} is not {kind}", where=str(path))


def _files(folder: Path) -> list[Path]:
    found = []
    for here, folders, names in os.walk(folder):
        inside = Path(here)
        links = [name for name in folders if (inside / name).is_symlink()]
        folders[:] = sorted(set(folders) - _LEFT_OUT - set(links))
        found += [inside / name for name in sorted([*names, *links])]
    return found


def _add_tree(package: Package, folder: Path) -> None:
    for path in _files(folder):
        relative = path.relative_to(folder).as_posix()
        if relative != MANIFEST:
            package.add(relative, _read(path, folder))


def _read(path: Path, root: Path) -> PackageFile:
    if path.is_symlink():
        target = str(path.readlink())
        inside = Path(os.path.normpath(path.parent / target)).is_relative_to(root)
        if Path(target).is_absolute() or not inside:
            raise UsageError(f"the link leads out of the package, to {target}", where=str(path))
        return PackageFile(link=target)
    return PackageFile(path.read_bytes(), executable=os.access(path, os.X_OK))


def _add_built(package: Package, folder: Path, commands: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="conjoin-forge-") as scratch:
        source, staged = Path(scratch, "source"), Path(scratch, "staged")
        shutil.copytree(folder, source, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        staged.mkdir()
        environment = {
            **os.environ,
            "PREFIX": PLACEHOLDER,
            "DESTDIR": str(staged),
            "SRC_DIR": str(source),
            "CC": _compiler(folder),
            # What is built must not depend on where and when it was.
            "SOURCE_DATE_EPOCH": str(package.timestamp),
            "LC_ALL": "C",
        }
        for command in commands:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=source,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode:
                last = " / ".join(done.stdout.strip().splitlines()[-3:]) or "no output"
                raise UsageError(
                    f"{command!r} ended with code {done.returncode}: {last}", where=str(folder / MANIFEST)
                )
        installed = staged / PLACEHOLDER.lstrip("/")
        if not installed.is_dir():
            raise UsageError(
                "the build commands installed nothing",
                where=str(folder / MANIFEST),
                advice="install below $DESTDIR$PREFIX",
            )
        for path in _files(installed):
            package.add(path.relative_to(installed).as_posix(), _read(path, installed))


def _compiler(folder: Path) -> str:
    wanted = os.environ.get("CC")
    for name in (wanted,) if wanted else ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return found
    raise NotFound(
        "there is no C compiler" if not wanted else f"the C compiler {wanted!r} (CC) is not there",
        where=str(folder / MANIFEST),
        advice="install gcc or clang, or name one in CC",
    )


def _content_hash(package: Package) -> str:
    digest = hashlib.sha256("\n".join([*package.depends, *package.constrains]).encode())
    for path, file in sorted(package.files.items()):
        digest.update(f"\0{path}\0{file.executable}\0".encode() + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()[:7]
