"""What differs between two locks of one request: which package moved, from where to where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from packaging.utils import canonicalize_name

from conjoin.errors import UsageError
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform

__all__ = ["Change", "changes", "refuse_unknown"]


class Change(msgspec.Struct, frozen=True):
    """One package of one platform that came, went or moved.

    :ivar kind: of what is there now, or of what went.
    :ivar before: version and, of a conda package, build; empty where it came.
    :ivar now: the same; empty where it went.
    """

    platform: str
    kind: str
    name: str
    before: str
    now: str


def changes(before: Mapping[str, LockedPlatform], now: Mapping[str, LockedPlatform]) -> tuple[Change, ...]:
    """Return what moved, on the platforms that both have, sorted by platform and name.

    A package that changed sides (a conda package that comes as a wheel now) went and came.
    """
    found = []
    for platform in sorted(before.keys() & now.keys()):
        old = {(package.name, package.kind): package for package in before[platform].packages}
        new = {(package.name, package.kind): package for package in now[platform].packages}
        for name, kind in sorted(old.keys() | new.keys()):
            was, is_now = old.get((name, kind)), new.get((name, kind))
            if _identity(was) != _identity(is_now):
                found.append(Change(platform, kind, name, *_shown(was, is_now)))
    return tuple(found)


def refuse_unknown(names: Iterable[str], lock: Lock) -> None:
    """Refuse names that no package of the lock has; conda's names count, and those of PyPI projects.

    :raises UsageError: naming the first, with near names.
    """
    packages = [package for locked in lock.platforms.values() for package in locked.packages]
    known = {package.name for package in packages}
    known |= {project for package in packages for project in package.provides}
    for name in names:
        if name not in known and canonicalize_name(name) not in known:
            import difflib

            near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
            raise UsageError(
                f"{name!r} is not among the locked packages, so it cannot be updated",
                advice=f"did you mean {' or '.join(near)}?" if near else "`conjoin show` lists them",
            )


def _identity(package: LockedPackage | None) -> tuple[str, ...]:
    return (package.file, package.sha256) if package else ()


def _shown(was: LockedPackage | None, now: LockedPackage | None) -> tuple[str, str]:
    if was and now and was.version == now.version:
        return _long(was), _long(now)
    return was.version if was else "", now.version if now else ""


def _long(package: LockedPackage) -> str:
    # Where versions are equal, the file tells them apart.
    return f"{package.version} {package.build}" if package.build else f"{package.version} ({package.file})"
