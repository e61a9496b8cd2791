"""conda's names for platforms, from what Python and wheels call them."""

from __future__ import annotations

import platform
import re
import sys

from conjoin.errors import UsageError

__all__ = ["host_subdir", "subdir_of", "system_requirement", "wheel_subdirs"]

_SUBDIRS = {
    ("Linux", "x86_64"): "linux-64",
    ("Linux", "aarch64"): "linux-aarch64",
    ("Linux", "arm64"): "linux-aarch64",
    ("Linux", "ppc64le"): "linux-ppc64le",
    ("Darwin", "x86_64"): "osx-64",
    ("Darwin", "arm64"): "osx-arm64",
}
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(.+)")
_OLD_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_MACOSX = re.compile(r"macosx_(\d+)_(\d+)_(.+)")
_MAC_MACHINES = {
    "x86_64": ("osx-64",),
    "intel": ("osx-64",),
    "arm64": ("osx-arm64",),
    "universal2": ("osx-64", "osx-arm64"),
}


def subdir_of(system: str, machine: str, bits: int = 64) -> str:
    """Return conda's platform for what :mod:`platform` says.

    :raises UsageError: for platforms that packages cannot be made for.
    """
    found = _SUBDIRS.get((system, machine)) if bits == 64 else None
    if found is None:
        raise UsageError(
            f"packages for {system} on {machine} ({bits} bits) cannot be made",
            advice=f"known are {', '.join(sorted(set(_SUBDIRS.values())))}",
        )
    return found


def host_subdir() -> str:
    """Return this machine's platform."""
    return subdir_of(platform.system(), platform.machine(), 64 if sys.maxsize > 2**32 else 32)


def wheel_subdirs(tag: str) -> tuple[str, ...]:
    """Return the platforms on which a wheel's platform tag (PEP 425, PEP 600) runs; none for ``any``."""
    if mac := _MACOSX.fullmatch(tag):
        return _MAC_MACHINES.get(mac[3], ())
    if many := _MANYLINUX.fullmatch(tag):
        machine = many[3]
    else:
        family, _, machine = tag.partition("_")
        if family != "linux" and family not in _OLD_MANYLINUX:
            return ()
    found = _SUBDIRS.get(("Linux", machine))
    return (found,) if found else ()


def system_requirement(tags: list[str]) -> str | None:
    """Return the virtual package that the least demanding of a wheel's platform tags asks for."""
    glibc: list[tuple[int, int]] = []
    mac: list[tuple[int, int]] = []
    for tag in tags:
        if match := _MANYLINUX.fullmatch(tag):
            glibc.append((int(match[1]), int(match[2])))
        elif match := _MACOSX.fullmatch(tag):
            mac.append((int(match[1]), int(match[2])))
        elif (family := tag.partition("_")[0]) in _OLD_MANYLINUX:
            glibc.append(_OLD_MANYLINUX[family])
    if glibc:
        return "__glibc >={}.{},<3.0.a0".format(*min(glibc))
    if mac:
        return "__osx >={}.{}".format(*min(mac))
    return None
