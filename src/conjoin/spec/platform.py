"""Target platforms: what conda, PEP 508 markers and wheel tags (PEP 425) call one and the same machine.

All of it is a static fact of the *target*, never of the host: an environment for ``osx-arm64`` resolved on
Linux sees the same markers, tags and virtual packages as one resolved on a Mac.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from conjoin.errors import UsageError

__all__ = [
    "PLATFORMS",
    "default_virtual_packages",
    "host_platform",
    "marker_environment",
    "platform_name",
    "virtual_package",
    "virtual_packages",
    "wheel_platform_tags",
]

_GLIBC = "2.28"
"""manylinux_2_28: what current wheels and conda-forge's own sysroot ask for."""


class _Target(NamedTuple):
    system: str  # linux, osx or win, as conda says
    machine: str  # as platform.machine() says there
    archspec: str  # the least CPU of the platform, by archspec's name
    wheel_arch: str  # as wheel tags say
    oldest_glibc: int = 17  # minor of 2.x; PEP 599 brought the other architectures in with 2.17


_TARGETS: dict[str, _Target] = {
    "linux-64": _Target("linux", "x86_64", "x86_64", "x86_64", oldest_glibc=5),
    "linux-aarch64": _Target("linux", "aarch64", "aarch64", "aarch64"),
    "osx-64": _Target("osx", "x86_64", "x86_64", "x86_64"),
    "osx-arm64": _Target("osx", "arm64", "m1", "arm64"),
    "win-64": _Target("win", "AMD64", "x86_64", "win_amd64"),
    "linux-32": _Target("linux", "i686", "x86", "i686", oldest_glibc=5),
    "linux-armv7l": _Target("linux", "armv7l", "aarch64", "armv7l"),
    "linux-ppc64le": _Target("linux", "ppc64le", "ppc64le", "ppc64le"),
    "linux-riscv64": _Target("linux", "riscv64", "riscv64", "riscv64"),
    "linux-s390x": _Target("linux", "s390x", "s390x", "s390x"),
    "win-32": _Target("win", "x86", "x86", "win32"),
    "win-arm64": _Target("win", "ARM64", "aarch64", "win_arm64"),
}

PLATFORMS: tuple[str, ...] = tuple(_TARGETS)
"""The platforms (conda's subdirs) an environment can be resolved for, the common ones first."""

# sys.platform and platform.machine() of a host, to conda's name.
_HOSTS = {
    **{
        ({"osx": "darwin", "win": "win32"}.get(t.system, t.system), t.machine): n for n, t in _TARGETS.items()
    },
    ("linux", "i386"): "linux-32",
    ("linux", "arm64"): "linux-aarch64",
    ("win32", "x86_64"): "win-64",
}

_MARKERS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "osx": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "win": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}

_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Aliases by glibc minor (PEP 600, "Legacy manylinux tags")."""


def platform_name(text: str) -> str:
    """Return ``text`` as a platform of :data:`PLATFORMS`.

    :raises UsageError: where it is none.
    """
    name = text.strip().lower()
    if name not in _TARGETS:
        common = ", ".join(PLATFORMS)
        raise UsageError(f"{text!r} is not a platform", advice=f"expected one of {common}")
    return name


def host_platform() -> str:
    """Return the platform of this machine.

    :raises UsageError: where conda has no name for it.
    """
    import platform
    import sys

    machine = platform.machine()
    found = _HOSTS.get((sys.platform, machine))
    if found is None:
        raise UsageError(
            f"this machine ({sys.platform}, {machine}) is no platform of conda's",
            advice="name the target with --platform",
        )
    if found == "linux-64" and sys.maxsize < 2**32:
        return "linux-32"  # a 32-bit interpreter on a 64-bit kernel
    return found


def default_virtual_packages(platform: str) -> dict[str, str]:
    """Return the virtual packages assumed of ``platform`` (CEP 30), name to ``version`` or ``version=build``.

    A GPU is never assumed: ``__cuda`` is there only where the user said so.

    :raises UsageError: where ``platform`` is unknown.
    """
    target = _target(platform)
    archspec = {"__archspec": f"1={target.archspec}"}
    if target.system == "linux":
        return {**archspec, "__glibc": _GLIBC, "__linux": "5.10", "__unix": "0"}
    if target.system == "osx":
        return {**archspec, "__osx": "13.0", "__unix": "0"}
    return {**archspec, "__win": "0"}


def virtual_packages(platform: str, user: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
    """Return the virtual packages of ``platform`` with those the ``user`` set, sorted by name.

    :param user: ``(name, "version" or "version=build")``, which add to or replace the defaults; an empty
        version (or ``none``, ``false``) takes the virtual package away.
    """
    packages = default_virtual_packages(platform)
    for name, value in user:
        if value.lower() in ("", "none", "false"):
            packages.pop(name, None)
        else:
            packages[name] = value
    return dict(sorted(packages.items()))


def marker_environment(
    platform: str, python_full_version: str, implementation: str = "cpython"
) -> dict[str, str]:
    """Return the environment that PEP 508 markers are evaluated in, for ``packaging``'s ``Marker.evaluate``.

    :param python_full_version: e.g. ``3.11.7`` or ``3.13.0rc1``.
    :param implementation: ``cpython`` or ``pypy``.
    """
    target = _target(platform)
    return {
        **_MARKERS[target.system],
        "platform_machine": target.machine,
        # Facts of one kernel, which a target platform does not have; uv and pixi leave them empty too.
        "platform_release": "",
        "platform_version": "",
        "implementation_name": implementation,
        "implementation_version": python_full_version,
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(
            implementation, implementation
        ),
        "python_version": ".".join(python_full_version.split(".")[:2]),
        "python_full_version": python_full_version,
    }


def wheel_platform_tags(platform: str, virtual_packages: Mapping[str, str]) -> tuple[str, ...]:
    """Return the platform tags (PEP 425, PEP 600) of wheels that run on ``platform``, best first.

    ``any`` is left out: it is no platform's own.

    :param virtual_packages: of the target; ``__glibc`` decides on manylinux tags, ``__osx`` on macosx tags.
        Without them, no wheel that needs that system's libraries is accepted.
    """
    target = _target(platform)
    if target.system == "win":
        return (target.wheel_arch,)
    if target.system == "osx":
        from packaging.tags import mac_platforms

        macos = _release(virtual_packages, "__osx")
        return tuple(mac_platforms(macos, target.wheel_arch)) if macos else ()
    return (*_manylinux(target, _release(virtual_packages, "__glibc")), f"linux_{target.wheel_arch}")


def _manylinux(target: _Target, glibc: tuple[int, int] | None) -> Iterator[str]:
    # PEP 600 knows glibc 2.x only; nobody has announced a glibc 3.
    if glibc is None or glibc[0] != 2:
        return
    for minor in range(glibc[1], target.oldest_glibc - 1, -1):
        yield f"manylinux_2_{minor}_{target.wheel_arch}"
        if minor in _LEGACY_MANYLINUX:
            yield f"{_LEGACY_MANYLINUX[minor]}_{target.wheel_arch}"


def _release(virtual_packages: Mapping[str, str], name: str) -> tuple[int, int] | None:
    """Return major and minor of a virtual package, None where the target has none."""
    version = virtual_packages.get(name, "").partition("=")[0]
    if not version:
        return None
    parts = version.split(".")
    try:
        return int(parts[0]), int(parts[1]) if len(parts) > 1 else 0
    except ValueError:
        raise UsageError(
            f"{name}={version} is not a version", advice="expected major.minor, as in 2.28"
        ) from None


def _target(platform: str) -> _Target:
    return _TARGETS[platform_name(platform)]


_VIRTUAL = re.compile(
    r"(?P<name>__[a-z0-9_]+)(?:\s*={1,2}\s*|\s+)(?P<version>[A-Za-z0-9_.+!-]*)(?:=(?P<build>[A-Za-z0-9_.+-]*))?",
    re.IGNORECASE,
)


def virtual_package(text: str) -> tuple[str, str]:
    """Return name and ``version`` or ``version=build`` of a virtual package (CEP 30).

    An empty version, ``none`` or ``false`` means: the target does not have it.

    >>> virtual_package("__archspec=1=x86_64_v3"), virtual_package("__cuda=none")
    (('__archspec', '1=x86_64_v3'), ('__cuda', ''))

    :raises UsageError: where it is none.
    """
    match = _VIRTUAL.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is not a virtual package", advice="expected __name=version, as in __cuda=12.0"
        )
    version, build = match["version"], match["build"] or ""
    if version.lower() in ("", "none", "false"):
        return match["name"].lower(), ""
    # `0` is the build of every virtual package that has none to tell.
    return match["name"].lower(), f"{version}={build}" if build not in ("", "0") else version
