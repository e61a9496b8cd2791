"""Find Python interpreters of this machine and ask them what they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conjoin.errors import NotFound, UsageError
from conjoin.forge.subdirs import subdir_of

__all__ = ["Interpreter", "find_interpreters", "inspect_interpreter"]

# Runs in any CPython from 3.8 on; -I -S: no site-packages, no environment variables.
_QUESTION = r"""
import json, os, platform, sys, sysconfig
v = sys.version_info
level = {"alpha": "a", "beta": "b", "candidate": "rc", "final": ""}[v[3]]
get = sysconfig.get_config_var
scheme = {"scheme": "posix_prefix"}
print(json.dumps({
    "version": "%d.%d.%d" % v[:3] + (level + str(v[4]) if level else ""),
    "implementation": sys.implementation.name,
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib", **scheme),
    "platstdlib": sysconfig.get_path("platstdlib", **scheme),
    "site_packages": sysconfig.get_path("purelib", **scheme),
    "include": sysconfig.get_path("include", **scheme),
    "library_dir": get("LIBDIR") or "",
    "recorded_prefix": __import__(sysconfig._get_sysconfigdata_name(), fromlist=["x"])
        .build_time_vars.get("prefix", "") if hasattr(sysconfig, "_get_sysconfigdata_name") else "",
    "free_threaded": bool(get("Py_GIL_DISABLED")),
    "debug": bool(get("Py_DEBUG")),
    "system": platform.system(),
    "machine": platform.machine(),
    "pointer_size": 64 if sys.maxsize > 2**32 else 32,
}))
"""
_VERSION_DIR = re.compile(r"(\d+)\.(\d+)\.(\d+)(t?)")
_WANTED = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(t?)")
_OLDEST = (3, 8)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython on this machine; for one in a virtual environment, the interpreter that made it.

    :ivar executable: the real file, no link.
    :ivar version: full, such as ``3.13.0`` or ``3.14.0rc1``.
    :ivar prefix: where it is installed (``sys.base_prefix``).
    :ivar recorded_prefix: where its build says it is installed; the same but for moved interpreters.
    :ivar stdlib: folder of the standard library's modules.
    :ivar platstdlib: folder of the standard library's platform part, most often the same.
    :ivar site_packages: relative to the prefix, where packages would be installed.
    :ivar include: folder of ``Python.h``; may be absent.
    :ivar library_dir: where its build says that libpython is.
    :ivar free_threaded: whether it was built without the GIL (PEP 703).
    :ivar subdir: conda's platform, such as ``linux-64``.
    """

    executable: Path
    version: str
    prefix: Path
    recorded_prefix: str
    stdlib: Path
    platstdlib: Path
    site_packages: str
    include: Path
    library_dir: Path
    free_threaded: bool
    subdir: str

    @property
    def minor(self) -> str:
        """``3.13``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def abi(self) -> str:
        """``cp313``, or ``cp313t`` without the GIL."""
        return f"cp{self.minor.replace('.', '')}{'t' if self.free_threaded else ''}"

    @property
    def wanted_as(self) -> str:
        """``3.13``, or ``3.13t`` without the GIL: as users ask for it."""
        return f"{self.minor}{'t' if self.free_threaded else ''}"


def inspect_interpreter(executable: Path | str) -> Interpreter:
    """Ask an interpreter what it is.

    :raises NotFound: where there is none, or it does not answer.
    :raises UsageError: where it is no CPython from 3.8 on, or of an unknown platform.
    """
    where = str(executable)
    try:
        done = subprocess.run(
            [where, "-I", "-S", "-c", _QUESTION], capture_output=True, text=True, timeout=60, check=True
        )
        said = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, json.JSONDecodeError) as error:
        raise NotFound("no Python interpreter answers here", where=where) from error
    if said["implementation"] != "cpython" or said["debug"]:
        raise UsageError("only release builds of CPython can be packed", where=where)
    version = tuple(int(part) for part in said["version"].split(".")[:2])
    if version < _OLDEST:
        raise UsageError(
            f"Python {said['version']} is too old", where=where, advice="3.8 and later can be packed"
        )
    prefix = Path(said["prefix"])
    return Interpreter(
        executable=Path(said["executable"]).resolve(),
        version=said["version"],
        prefix=prefix,
        recorded_prefix=said["recorded_prefix"],
        stdlib=Path(said["stdlib"]),
        platstdlib=Path(said["platstdlib"]),
        site_packages=os.path.relpath(said["site_packages"], prefix),
        include=Path(said["include"]),
        library_dir=Path(said["library_dir"]),
        free_threaded=said["free_threaded"],
        subdir=subdir_of(said["system"], said["machine"], said["pointer_size"]),
    )


def find_interpreters(wanted: Sequence[str] | None = None) -> list[Interpreter]:
    """Return the interpreters asked for, in the order asked, each once.

    :param wanted: versions (``3.12``, ``3.12.1``, ``3.13t`` for a free-threaded one) or paths of executables;
        None for the running interpreter alone. Versions are looked for in the running interpreter, then among
        pyenv's (``PYENV_ROOT``, else ``~/.pyenv``), the newest first.
    :raises NotFound: where one of them is not there, naming those that are.
    """
    if wanted is None:
        return [_running()]
    found: dict[Path, Interpreter] = {}
    for text in wanted:
        interpreter = _find(text)
        found.setdefault(interpreter.executable, interpreter)
    return list(found.values())


def _running() -> Interpreter:
    # sys._base_executable is the interpreter that made the virtual environment we may run in.
    return inspect_interpreter(getattr(sys, "_base_executable", None) or sys.executable)


def _find(text: str) -> Interpreter:
    if os.sep in text:
        return inspect_interpreter(Path(text).absolute())
    match = _WANTED.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text!r} is neither a Python version nor the path of an interpreter")
    numbers = tuple(int(part) for part in match.groups()[:3] if part is not None)
    free_threaded = bool(match[4])
    own = _running()
    if own.version.startswith(f"{match[1]}.{match[2]}"):
        own_numbers = tuple(int(part) for part in re.findall(r"\d+", own.version)[:3])
        if own_numbers[: len(numbers)] == numbers and own.free_threaded == free_threaded:
            return own
    there = list(_pyenv())
    for version, threads, executable in there:
        if version[: len(numbers)] == numbers and threads == free_threaded:
            return inspect_interpreter(executable)
    known = [own.version, *(".".join(map(str, v)) + ("t" if t else "") for v, t, _ in there)]
    raise NotFound(
        f"no Python {text} on this machine",
        advice=f"there are {', '.join(dict.fromkeys(known))}; or give the path of an interpreter",
    )


def _pyenv() -> Iterator[tuple[tuple[int, int, int], bool, Path]]:
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    if not root.is_dir():
        return
    found = []
    for folder in root.iterdir():
        match = _VERSION_DIR.fullmatch(folder.name)
        if match and not folder.is_symlink():
            version = (int(match[1]), int(match[2]), int(match[3]))
            executable = folder / "bin" / f"python{version[0]}.{version[1]}{match[4]}"
            if version[:2] >= _OLDEST and executable.exists():
                found.append((version, bool(match[4]), executable))
    yield from sorted(found, reverse=True)
