"""A project's folder as a source: which of its files count, their hash, and a copy to build from.

What tools leave behind does not count, or each build would change what it was made of.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from conjoin.errors import UsageError
from conjoin.writing import disk_errors, replace, write_all

__all__ = ["copy_tree", "editable_sha256", "tree_sha256"]

_MOST_FILES = 100_000
_MOST_BYTES = 8 * 1024**3
_CHUNK = 1 << 20
_LEFT_ASIDE = frozenset(
    {
        ".bzr",
        ".eggs",
        ".git",
        ".hg",
        ".hypothesis",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".svn",
        ".tox",
        "__pycache__",
        "node_modules",
    }
)
_BUILD_OUTPUT = frozenset({"build", "dist"})
"""What setuptools and others write at the top: left aside unless it is a package of the project itself."""


def tree_sha256(folder: Path) -> str:
    """Return the hash of a source tree: 64 hex digits of SHA-256 over its files' paths, modes and contents.

    Times, owners and what :data:`_LEFT_ASIDE` names are no part of it; of the mode, whether the owner may
    execute the file is.

    :raises UsageError: where it cannot be read, or is no project's folder by its size.
    """
    return _take(folder, None)


def copy_tree(folder: Path, target: Path) -> str:
    """Copy a source tree to a new folder and return the hash of exactly what was copied.

    Of a git work tree, the copy refers to the repository, so that versions can be made of tags.

    :raises UsageError: as :func:`tree_sha256`.
    """
    digest = _take(folder, target)
    if (folder / ".git").is_dir():
        replace(target / ".git", os.fsencode(f"gitdir: {(folder / '.git').resolve()}\n"), durable=False)
    return digest


def _take(folder: Path, target: Path | None) -> str:
    rows, size = [], 0
    try:
        if target is not None:
            target.mkdir(parents=True)
        for path in _files(folder):
            relative = path.relative_to(folder)
            copy = target / relative if target is not None else None
            with disk_errors(copy or path):
                if copy is not None:
                    copy.parent.mkdir(parents=True, exist_ok=True)
                kind, content, length = _one(path, folder, copy)
            rows.append([relative.as_posix(), kind, content])
            size += length
            if len(rows) > _MOST_FILES or size > _MOST_BYTES:
                raise UsageError(
                    f"this is too much for a project's source: more than {_MOST_FILES} files or 8 GiB",
                    where=str(folder),
                    advice="name the folder of the project itself, or keep data elsewhere",
                )
    except OSError as error:
        raise UsageError(
            f"the source cannot be read ({error.strerror or error})", where=str(error.filename or folder)
        ) from None
    text = json.dumps(sorted(rows), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files and links that count."""
    for root, folders, files in os.walk(folder, onerror=_refuse):
        here = Path(root)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(
            name for name in folders if name not in links and _counts(here / name, top=here == folder)
        )
        yield from (
            here / name for name in sorted([*files, *links]) if not name.endswith(".pyc") and name != ".git"
        )


def _refuse(error: OSError) -> None:
    raise error


def _counts(path: Path, *, top: bool) -> bool:
    if path.name in _LEFT_ASIDE or path.name.endswith(".egg-info"):
        return False
    if top and path.name in _BUILD_OUTPUT and not (path / "__init__.py").exists():
        return False
    return not (path / "pyvenv.cfg").exists()


def _one(path: Path, folder: Path, copy: Path | None) -> tuple[str, str, int]:
    """Read (and copy) one file; return kind, hash or link's target, and bytes."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        to = path.readlink()
        if not to.is_absolute() and path.resolve().is_relative_to(folder.resolve()):
            if copy is not None:
                copy.symlink_to(to)
            return "link", to.as_posix(), 0
        facts = path.stat()  # what lies outside counts as if it lay here
    if not stat.S_ISREG(facts.st_mode):
        raise UsageError(
            "the source holds a link to a folder outside of it, or what is neither file nor folder",
            where=str(path),
            advice="put the folder itself there, or leave it out",
        )
    digest, size = hashlib.sha256(), 0
    target = copy if copy is not None else Path(os.devnull)
    with path.open("rb") as file, target.open("wb", buffering=0) as out:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if copy is not None:
                write_all(out, chunk, copy)
    if copy is not None:
        shutil.copymode(path, copy)
    return ("program" if facts.st_mode & stat.S_IXUSR else "file"), digest.hexdigest(), size


_DECIDE = ("pyproject.toml", "setup.cfg", "setup.py")
"""The files whose change makes an editable install another one: dependencies, scripts, layout."""


def editable_sha256(folder: Path) -> str:
    """Return the hash of what decides how a folder is installed: its path, and the files that configure it.

    :raises UsageError: where they cannot be read.
    """
    digest = hashlib.sha256(f"{folder}\n".encode())
    for name in _DECIDE:
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UsageError(f"cannot be read ({error.strerror})", where=str(folder / name)) from None
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
