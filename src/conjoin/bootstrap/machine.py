"""What this machine is, as far as it decides before anything is fetched."""

from __future__ import annotations

import os
import platform
import re
import sys
from typing import TYPE_CHECKING

from conjoin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["check_machine", "glibc", "host_platform", "python_tag"]

_MACHINES = {
    ("linux", "x86_64"): "linux-64",
    ("linux", "aarch64"): "linux-aarch64",
    ("linux", "arm64"): "linux-aarch64",
    ("linux", "ppc64le"): "linux-ppc64le",
    ("darwin", "x86_64"): "osx-64",
    ("darwin", "arm64"): "osx-arm64",
}
_MANYLINUX = re.compile(r"manylinux_2_([0-9]{1,9})_")
_LEGACY = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
_AT_LEAST = re.compile(r"__glibc\s*>=\s*2\.([0-9]{1,9})")


def host_platform() -> str:
    """Return conda's name of this machine.

    :raises UsageError: where it has none that a toolkit could be for.
    """
    found = _MACHINES.get((sys.platform, platform.machine()))
    if found is None or sys.maxsize < 2**32:
        raise UsageError(f"no environment can run on this machine ({sys.platform}, {platform.machine()})")
    return found


def glibc() -> int | None:
    """Return the minor version of this Linux's glibc 2, None where it has another (Alpine: musl)."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        return int(version.split(".")[1]) if name == "glibc" else None
    except (ValueError, OSError, IndexError, AttributeError):
        return None


def python_tag() -> str:
    """Return which wheels this Python loads: ``3.11`` for CPython 3.11 as most people have it."""
    if sys.implementation.name != "cpython":
        return sys.implementation.name
    import sysconfig

    free_threaded = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.version_info[0]}.{sys.version_info[1]}{free_threaded}"


def check_machine(wanted: str, packages: Iterable[Mapping[str, object]]) -> None:
    """Refuse at once what cannot run here; the engine looks at everything else, before it makes anything.

    :param wanted: the environment's platform.
    :param packages: of the lock.
    :raises UsageError: naming the package and what it needs.
    """
    host = host_platform()
    if wanted != host and (host, wanted) != ("osx-arm64", "osx-64"):
        raise UsageError(
            f"this machine is {host}, the environment is for {wanted}",
            advice=f"resolve and push it with --platform {host}",
        )
    if not wanted.startswith("linux-"):
        return
    here = glibc()
    if here is None:
        raise UsageError(
            "this container has no glibc (Alpine?), which every conda package and wheel for Linux needs",
            advice="use an image based on Debian, Ubuntu, Fedora or the like",
        )
    needs = [(_needed(package), package) for package in packages]
    most, package = max(needs, key=lambda each: each[0], default=(0, None))
    if package is not None and most > here:
        more = sum(1 for need, _ in needs if need > here) - 1
        others = f" (and {more} more need a newer one)" if more else ""
        raise UsageError(
            f"this machine has glibc 2.{here}, {package['file']} needs 2.{most}{others}",
            advice=f"use a newer image, or resolve again with --virtual-package __glibc=2.{here}",
        )


def _needed(package: Mapping[str, object]) -> int:
    """Return the minor version of glibc 2 that a package needs, 0 where it says none."""
    if package.get("kind") == "conda":
        depends = package.get("dependencies") or ()
        found = [_AT_LEAST.match(str(text)) for text in depends]  # type: ignore[attr-defined]
        return max([int(match.group(1)) for match in found if match] or [0])
    if package.get("kind") != "pypi":
        return 0
    tags = str(package.get("file", "")).rpartition("-")[2][: -len(".whl")].split(".")
    told = [_LEGACY.get("_".join(tag.split("_")[:1]), 0) for tag in tags if tag.startswith("manylinux")]
    told += [int(match.group(1)) for match in map(_MANYLINUX.match, tags) if match]
    # Any of the tags is enough; `any` needs nothing.
    return min([need for need in told if need] or [0])
