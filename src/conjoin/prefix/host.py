"""Whether this host can run an environment: asked before anything is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from conjoin.errors import NotFound, UsageError
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.net.urls import local_path
from conjoin.prefix.options import FindPython
from conjoin.spec.platform import host_platform, wheel_platform_tags

__all__ = ["check_folders", "check_host", "choose_platform", "host_interpreter"]

# Platforms whose programs another one runs as well (Rosetta 2; Windows on Arm).
_EMULATED = {"osx-arm64": ("osx-64",), "win-arm64": ("win-64",)}


def choose_platform(lock: Lock, platform: str | None) -> str:
    """Return the platform to hydrate: the given one, else this host's, else one this host emulates.

    :raises NotFound: where the lock has no environment for it.
    :raises UsageError: where this host cannot run it.
    """
    host = host_platform()
    runnable = (host, *_EMULATED.get(host, ()))
    if platform is not None and platform not in runnable:
        raise UsageError(
            f"an environment for {platform} cannot be made on {host}", advice="hydrate it on such a machine"
        )
    candidates: tuple[str, ...] = runnable if platform is None else (platform,)
    for candidate in candidates:
        if candidate in lock.platforms:
            return candidate
    raise NotFound(
        f"the lock has no environment for {platform or host}, only for {', '.join(sorted(lock.platforms))}",
        advice=f"resolve again with --platform {platform or host}",
    )


def check_folders(locked: LockedPlatform) -> None:
    """Refuse editable packages of another machine (PEP 660): they are nothing but a path.

    :raises NotFound: where this host does not have a folder that a package points to.
    """
    for package in locked.packages:
        if not package.editable:
            continue
        folder = local_path(package.source_url)
        if folder is None or not folder.is_dir():
            raise NotFound(
                f"{package.name} is editable: it points to a folder of the machine it was resolved on, which"
                " this one does not have",
                where=package.source_url,
                advice="resolve it here, or ask for it without -e, so that it is built into a wheel",
            )


def check_host(platform: str, locked: LockedPlatform, host: Mapping[str, str] | None = None) -> None:
    """Check that this host has what the packages need of it: not what was assumed, but what they ask for.

    :param host: virtual packages, default: those detected (``CONDA_OVERRIDE_*`` respected).
    :raises UsageError: naming the packages and what is missing.
    """
    from conjoin.prefix.link import rattler_bridge

    present = rattler_bridge.host_virtual_packages() if host is None else host
    missing = [
        f"{package.name} needs {text}"
        for package in locked.packages
        if package.kind == "conda"
        for text in rattler_bridge.unmet(package.dependencies, present)
    ]
    tags = frozenset((*wheel_platform_tags(platform, present), "any"))
    missing += [
        f"the wheel {package.file} needs {_platform_tags(package.file)}"
        for package in locked.packages
        if package.kind == "pypi" and tags.isdisjoint(_platform_tags(package.file).split("."))
    ]
    if missing:
        has = ", ".join(f"{name} {value.partition('=')[0]}" for name, value in sorted(present.items()))
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UsageError(
            f"this host cannot run the environment: {missing[0]}{more}; it has {has}",
            advice="hydrate elsewhere, or resolve for it with --virtual-package",
        )


def host_interpreter(package: LockedPackage, find_python: FindPython | None) -> Path:
    """Return the interpreter that ``package`` (of kind ``python``) names.

    :raises NotFound: where this host has none of exactly that implementation, version and ABI.
    """
    found = find_python(package) if find_python is not None else None
    if found is None:
        raise NotFound(
            f"this host has no {package.implementation or 'python'} {package.version} "
            f"({package.abi or 'any ABI'}), which the lock names",
            advice="install it, or resolve again with --python-source channel",
        )
    return found


def _platform_tags(wheel: str) -> str:
    return wheel.removesuffix(".whl").rpartition("-")[2]
