"""Which wheels run on which Python and platform (PEP 425, 384, 600, 703, 803), for targets of any kind.

The same rules and the same order as ``packaging.tags``, but answered for one file's tags at a time instead
of by listing the thousand tags a target supports: a solve asks for dozens of Pythons at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

__all__ = ["PythonAbi", "supported", "why_not"]

_PYTHON_TAG = re.compile(r"(cp|pp|py)([0-9])([0-9]*)")
_OLDEST_ABI3_MINOR = 2  # PEP 384: the stable ABI came with Python 3.2
_GLIBC_OF_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}  # PEP 600
_MANYLINUX = re.compile(r"manylinux_([0-9]+)_([0-9]+)_(.+)")
_MUSLLINUX = re.compile(r"musllinux_[0-9]+_[0-9]+_(.+)")
_MACOS = re.compile(r"macosx_([0-9]+)_([0-9]+)_(.+)")
_SYSTEMS = (("win", "Windows"), ("android", "Android"), ("ios", "iOS"), ("pyodide", "Pyodide"))


class PythonAbi(NamedTuple):
    """What of a Python decides on the wheels it can load.

    :ivar implementation: ``cp`` for CPython, ``pp`` for PyPy.
    :ivar free_threaded: built without the GIL (PEP 703).
    """

    implementation: Literal["cp", "pp"] | str
    major: int
    minor: int
    free_threaded: bool = False

    def __str__(self) -> str:
        kind = "PyPy" if self.implementation == "pp" else "CPython"
        return f"{'free-threaded ' if self.free_threaded else ''}{kind} {self.major}.{self.minor}"


def supported(tags: str, python: PythonAbi, platform_tags: Sequence[str]) -> int | None:
    """Return how well a wheel fits, less is better, or None where it does not run.

    The order is that of ``packaging.tags.cpython_tags`` followed by ``compatible_tags`` (PyPy:
    ``generic_tags``).

    :param tags: the last three parts of the file name, sets not expanded.
    :param platform_tags: what the target supports, best first, without ``any``.
    """
    pythons, abis, platforms = _split(tags)
    positions = _positions(tuple(platform_tags))
    width = len(positions) + 1
    best: int | None = None
    for platform in platforms:
        position = 0 if platform == "any" else positions.get(platform)
        if position is None:
            continue
        for interpreter in pythons:
            for abi in abis:
                block = _block(interpreter, abi, platform == "any", python)
                if block is not None:
                    rank = block * width + position
                    best = rank if best is None else min(best, rank)
    return best


def why_not(tags: str, pythons: Sequence[PythonAbi], platform_tags: Sequence[str]) -> str:
    """Return in words why a wheel runs on none of the Pythons: the platform if that is it, else Python."""
    interpreters, abis, platforms = _split(tags)
    fitting = [platform for platform in platforms if platform == "any" or platform in platform_tags]
    if not fitting:
        return _about_platforms(platforms, platform_tags)
    wanted = " or ".join(dict.fromkeys(_about_python(tag, abi) for tag in interpreters for abi in abis))
    offered = ", ".join(str(python) for python in pythons)
    return f"is for {wanted}, not {offered}" if offered else f"is for {wanted}"


@lru_cache(maxsize=4096)
def _split(tags: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    parts = tags.lower().split("-")
    if len(parts) != 3:
        return (), (), ()
    pythons, abis, platforms = (tuple(part.split(".")) for part in parts)
    return pythons, abis, platforms


@lru_cache(maxsize=64)
def _positions(platform_tags: tuple[str, ...]) -> dict[str, int]:
    return {tag: position for position, tag in reversed(list(enumerate(platform_tags)))}


def _block(interpreter: str, abi: str, is_any: bool, python: PythonAbi) -> int | None:
    """Return the place of (interpreter, abi) in packaging's order; each place holds all platforms."""
    match = _PYTHON_TAG.fullmatch(interpreter)
    if match is None or int(match[2]) != python.major:
        return None
    kind, digits = match[1], match[3]
    if digits.startswith("0") and digits != "0":
        return None
    minor = int(digits) if digits else None
    behind = None if minor is None else python.minor - minor
    if kind == "py":
        if abi != "none" or (behind is not None and behind < 0):
            return None
        # py3X, py3, then older minors; the pure ones behind all platforms.
        step = 1 if behind is None else behind + (1 if behind else 0)
        return (2000 if is_any else 1000) + step
    if kind != python.implementation:
        return None
    if is_any:
        own = behind == 0 if kind == "cp" else minor is None
        return 1999 if abi == "none" and own else None
    if behind is None or behind < 0:
        return None
    if kind == "pp":
        if behind:
            return None
        if abi.startswith(f"pypy{python.major}{python.minor}_pp"):
            return 0
        return 2 if abi == "none" else None
    return _cpython_block(abi, minor or 0, behind, python)


def _cpython_block(abi: str, minor: int, behind: int, python: PythonAbi) -> int | None:
    own = f"cp{python.major}{python.minor}{'t' if python.free_threaded else ''}"
    stable = "abi3t" if python.free_threaded else "abi3"
    if abi == stable and minor >= _OLDEST_ABI3_MINOR and python.major == 3:
        return 1 if not behind else 2 + behind
    if behind:
        return None
    return {own: 0, "none": 2}.get(abi)


def _about_python(interpreter: str, abi: str) -> str:
    match = _PYTHON_TAG.fullmatch(interpreter)
    if match is None:
        return f"{interpreter} ({abi})"
    kind, major, minor = match.groups()
    version = f"{major}.{minor}" if minor else major
    if kind == "py":
        return f"Python {version}" + (" or later" if minor else "")
    name = "PyPy" if kind == "pp" else "CPython"
    if abi == "abi3":
        return f"{name} {version} or later with the GIL"
    if abi == "abi3t":
        return f"free-threaded {name} {version} or later"
    if kind == "cp" and re.fullmatch(r"cp[0-9]+t", abi):
        return f"free-threaded {name} {version}"
    return f"{name} {version}"


def _about_platforms(platforms: Sequence[str], target: Sequence[str]) -> str:
    glibc = _glibc(target)
    needed = [
        found
        for found in (_glibc_of(platform) for platform in platforms)
        if found and found[1] in _archs(target)
    ]
    if needed and glibc:
        least = min(version for version, _ in needed)
        return f"needs glibc {least[0]}.{least[1]}, the target has {glibc[0]}.{glibc[1]}"
    macos = [match for match in map(_MACOS.fullmatch, platforms) if match]
    target_macos = [match for match in map(_MACOS.fullmatch, target) if match]
    if target_macos:
        same = [match for match in macos if match[3] in {found[3] for found in target_macos}]
        if same:
            least = min((int(match[1]), int(match[2])) for match in same)
            newest = max((int(match[1]), int(match[2])) for match in target_macos)
            return f"needs macOS {least[0]}.{least[1]}, the target has {newest[0]}.{newest[1]}"
    return "is for " + " or ".join(dict.fromkeys(_about_platform(platform) for platform in platforms))


def _about_platform(platform: str) -> str:
    found = _glibc_of(platform)
    if found:
        return f"Linux {found[1]}"
    match = _MUSLLINUX.fullmatch(platform)
    if match:
        return f"Linux {match[1]} with musl"
    match = _MACOS.fullmatch(platform)
    if match:
        return f"macOS {match[3]}"
    for prefix, name in _SYSTEMS:
        if platform.startswith(prefix):
            return f"{name} ({platform})"
    return platform.replace("linux_", "Linux ") if platform.startswith("linux_") else platform


def _glibc_of(platform: str) -> tuple[tuple[int, int], str] | None:
    match = _MANYLINUX.fullmatch(platform)
    if match:
        return (int(match[1]), int(match[2])), match[3]
    legacy, _, arch = platform.partition("_")
    return (_GLIBC_OF_LEGACY[legacy], arch) if legacy in _GLIBC_OF_LEGACY else None


def _glibc(target: Sequence[str]) -> tuple[int, int] | None:
    return max((found[0] for found in map(_glibc_of, target) if found), default=None)


def _archs(target: Sequence[str]) -> set[str]:
    return {found[1] for found in map(_glibc_of, target) if found}
