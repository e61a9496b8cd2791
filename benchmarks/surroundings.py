"""What the figures were measured on: the machine in outline (no names, no paths) and versions of tools."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

__all__ = ["find_solver_of_conda_lock", "machine", "missing_tools", "versions"]

_DISTRIBUTIONS = ("conjoin", "py-rattler", "uv", "packaging", "httpx")
_PROGRAMS = ("micromamba", "conda-lock", "pixi")


def machine() -> dict[str, str]:
    """Return cores, memory, system and Python, for people."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {"cores": str(cores), "processor": platform.machine()}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        facts["memory"] = f"{size / 2**30:.0f} GiB"
    facts["system"] = platform.system()
    facts["Python"] = platform.python_version()
    if hasattr(os, "getloadavg"):
        facts["load before it, from other work,"] = f"{os.getloadavg()[0]:.1f}"
    return facts


def versions() -> dict[str, str]:
    """Return the versions of what took part, ``-`` for what is not installed."""
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # noqa: PERF203 - five at most
            found[name] = "-"
    for program in _PROGRAMS:
        found[program] = _program_version(program)
    return found


def missing_tools() -> dict[str, str]:
    """Return the reason for each tool that could be compared with and isn't here."""
    missing = {}
    if shutil.which("micromamba") is None:
        missing["micromamba"] = "not installed (no PyPI or npm distribution)"
    if shutil.which("conda-lock") is None:
        missing["conda-lock"] = "not installed"
    elif find_solver_of_conda_lock() is None:
        missing["conda-lock"] = "installed, but it needs micromamba, mamba or conda to solve with"
    return missing


def find_solver_of_conda_lock() -> str | None:
    """Return the solver that conda-lock would call, None where none is installed."""
    return next((tool for tool in ("micromamba", "mamba", "conda") if shutil.which(tool)), None)


def _program_version(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        return "-"
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    words = done.stdout.split()
    return words[-1] if words else "?"
