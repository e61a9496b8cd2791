"""The Python interpreters of this host, for environments whose Python comes from here and not from a channel.

Each is asked once, in one short process, and the answer kept by the file's path, size and time.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from conjoin.net.http_cache import read_checked, write_checked

__all__ = ["HostPython", "find_interpreters"]

_OLDEST = (3, 8)  # what environments may hold
_NAME = re.compile(r"(python|pypy)(3(\.[0-9]+)?t?)?(\.exe)?")
_PROBE_SECONDS = 20
# Runs on every Python since 3.8; -I keeps the user's environment out of it.
_PROBE = """
import json, platform, sys, sysconfig
print(json.dumps([
    sys.implementation.name,
    platform.python_version(),
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    getattr(sys, "_base_executable", None) or sys.executable,
    list(getattr(sys, "pypy_version_info", ()))[:2],
]))
"""
_IMPLEMENTATIONS = {"cpython": "cp", "pypy": "pp"}


class HostPython(msgspec.Struct, frozen=True):
    """One interpreter.

    :ivar implementation: ``cp`` or ``pp`` (PEP 425).
    :ivar version: full version, e.g. ``3.11.7``.
    :ivar abi: ABI tag of the wheels made for it alone: ``cp311``, ``cp313t``, ``pypy310_pp73``.
    :ivar free_threaded: built without the GIL (PEP 703).
    :ivar path: the interpreter itself, not that of a virtual environment made of it.
    """

    implementation: str
    version: Version
    abi: str
    free_threaded: bool
    path: Path


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    implementation: str
    version: str
    free_threaded: bool
    executable: str
    pypy: list[int]


_Key = tuple[str, int, int]
_asked: dict[_Key, _Answer | None] = {}


def find_interpreters(cache_dir: Path | None = None) -> list[HostPython]:
    """Return the interpreters of this host, Python 3.8 and later, newest first, GIL builds before others.

    Looks at the running one, at ``PATH``, and at pyenv's versions. What does not start, or is no Python, is
    left out. Of several paths to one interpreter, the first found counts.

    :param cache_dir: Conjoin's cache; answers are kept there between runs.
    """
    kept_at = cache_dir / "interpreters" if cache_dir else None
    if kept_at is not None:
        _remember(kept_at)
    keys = list(dict.fromkeys(key for key in map(_key, _candidates()) if key is not None))
    unknown = [key for key in keys if key not in _asked]
    if unknown:
        with ThreadPoolExecutor(max_workers=4) as pool:
            _asked.update(zip(unknown, pool.map(lambda key: _probe(key[0]), unknown), strict=True))
        if kept_at is not None:
            write_checked(kept_at, msgspec.msgpack.encode([(*key, _asked[key]) for key in keys]))
    found: dict[Path, HostPython] = {}
    for key in keys:
        answer = _asked[key]
        python = _host_python(answer) if answer else None
        if python is not None:
            found.setdefault(python.path, python)
    return sorted(
        found.values(),
        key=lambda python: (python.version, python.implementation == "cp", not python.free_threaded),
        reverse=True,
    )


def _candidates() -> Iterator[Path]:
    yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        folder = Path(entry)
        # A shim is a script that starts whatever pyenv's configuration says: the versions come below.
        if entry and folder != pyenv / "shims":
            yield from _pythons_in(folder)
    if (pyenv / "versions").is_dir():
        for version in sorted((pyenv / "versions").iterdir()):
            yield from _pythons_in(version / "bin")


def _pythons_in(folder: Path) -> list[Path]:
    try:
        # Thousands of names: paths are made of those alone that count.
        return [folder / name for name in sorted(os.listdir(folder)) if _NAME.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return []


def _key(path: Path) -> _Key | None:
    # A virtual environment's python is a link, and is another interpreter than what it points to: asking
    # either gives the same base, so one question for the real file is enough.
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):
        return None
    if not os.access(real, os.X_OK) or not status.st_size:
        return None
    return str(real), status.st_mtime_ns, status.st_size


def _probe(path: str) -> _Answer | None:
    try:
        done = subprocess.run(
            [path, "-I", "-c", _PROBE],
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return msgspec.convert(json.loads(done.stdout), _Answer)
    except (OSError, subprocess.SubprocessError, ValueError, msgspec.ValidationError):
        return None


def _host_python(answer: _Answer) -> HostPython | None:
    implementation = _IMPLEMENTATIONS.get(answer.implementation)
    try:
        # A "+" marks a build from a working copy: no PEP 440 version with an empty local part.
        version = Version(answer.version.rstrip("+"))
        path = Path(answer.executable).resolve(strict=True)
    except (InvalidVersion, OSError, RuntimeError):
        return None
    if implementation is None or version.release[:2] < _OLDEST:
        return None
    digits = f"{version.major}{version.minor}"
    if implementation == "pp":
        abi = f"pypy{digits}_pp{''.join(map(str, answer.pypy))}"
    else:
        abi = f"cp{digits}{'t' if answer.free_threaded else ''}"
    return HostPython(implementation, version, abi, answer.free_threaded, path)


def _remember(kept_at: Path) -> None:
    payload = read_checked(kept_at)
    if payload is None:
        return
    try:
        for path, time, size, answer in msgspec.msgpack.decode(
            payload, type=list[tuple[str, int, int, _Answer | None]]
        ):
            _asked.setdefault((path, time, size), answer)
    except msgspec.DecodeError:
        return
