"""What is dear to make and the same for every test: made once on this machine, for as long as it is the same.

It is kept in the virtual environment, which is as local and as easily thrown away. Its name has a digest of
what it is made of; what nobody uses any more goes when something newer is made.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

__all__ = ["made_once"]

_TESTS = Path(__file__).parent
_MAKERS = (
    *(_TESTS.parent / "src" / "conjoin" / each for each in ("forge", "spec", "config")),
    *(_TESTS / each for each in ("worlds.py", "installed.py", "containers.py")),
    Path(__file__),
)
"""Whatever of ours makes such things, wherever it is told to."""

_COMPILERS = ("cc", "gcc", "clang", "strip")
_in_use: list[IO[bytes]] = []
"""Locks that are held until this process ends: what somebody uses stays."""


def made_once(name: str, make: Callable[[Path], object], *of: Path | str) -> Path:
    """Return a folder that ``make`` filled, in this session or in an earlier one; nobody may write into it.

    :param name: what it is.
    :param make: is called with an empty folder, by one process at a time.
    :param of: what it is made of beyond the common: files, and texts that describe the rest.
    """
    folder = _root() / f"{name}-{_digest((*_MAKERS, *of))}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    while True:
        lock = folder.with_name(folder.name + ".lock").open("ab")
        if not folder.exists():
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _make(folder, make)
                _forget_others(name, folder)
        # Whoever tidies up may come between: what was there is looked for again.
        fcntl.flock(lock, fcntl.LOCK_SH)
        if folder.exists():
            _in_use.append(lock)
            return folder
        lock.close()


def _root() -> Path:
    """Return where things are kept; outside of a virtual environment that is nobody's but this process's."""
    if sys.prefix == sys.base_prefix or not os.access(sys.prefix, os.W_OK):
        root = Path(tempfile.gettempdir(), f"made-for-tests-{os.getuid()}-{os.getppid()}")
        root.mkdir(mode=0o700, exist_ok=True)
        return root
    return Path(sys.prefix, "made-for-tests")


def _make(folder: Path, make: Callable[[Path], object]) -> None:
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    make(part)
    part.rename(folder)


def _forget_others(name: str, folder: Path) -> None:
    """Remove what the same was before, where nobody uses it."""
    digits = len(folder.name) - len(name) - 1
    for other in folder.parent.glob(f"{name}-{'?' * digits}"):
        if other == folder:
            continue
        with other.with_name(other.name + ".lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            shutil.rmtree(other, ignore_errors=True)


def _digest(of: Iterable[Path | str]) -> str:
    """Return a digest of this Python, of what is installed beside it, of the compilers, and of all that."""
    found: list[object] = [sys.version, platform.machine(), sys.base_prefix, _state(Path(sys.executable))]
    # By their names alone: with versions, and without opening hundreds of files.
    site = [Path(entry) for entry in sys.path if entry.endswith("-packages")]
    found.append(sorted(info.name for folder in site for info in folder.glob("*-info")))
    found += [_state(Path(path)) for path in map(shutil.which, _COMPILERS) if path]
    digest = hashlib.sha256()
    for each in of:
        if isinstance(each, str):
            found.append(each)
            continue
        assert each.exists(), f"{each} is what things are made of, and is not there"
        for file in sorted(each.rglob("*")) if each.is_dir() else [each]:
            if file.is_file() and "__pycache__" not in file.parts:
                found.append(os.path.relpath(file, _TESTS))
                found.append(hashlib.sha256(file.read_bytes()).hexdigest())
    digest.update(json.dumps(found).encode())
    return digest.hexdigest()[:16]


def _state(file: Path) -> list[object]:
    state = file.stat()
    return [str(file.resolve()), state.st_size, state.st_mtime_ns]
