"""What of a lock has to be carried from one place to another."""

from __future__ import annotations

from collections.abc import Sequence

from conjoin.errors import NotFound, UsageError
from conjoin.lock.model import Lock, LockedPackage
from conjoin.spec.platform import platform_name

__all__ = ["packages_of", "places_of", "platforms_of", "refuse_editable"]


def platforms_of(lock: Lock, platforms: Sequence[str]) -> list[str]:
    """Return the platforms that were asked for, sorted; all of the lock's where none was.

    :raises NotFound: where the lock has no such platform.
    """
    wanted = sorted({platform_name(platform) for platform in platforms}) or list(lock.platforms)
    for platform in wanted:
        if platform not in lock.platforms:
            raise NotFound(
                f"the lock has no environment for {platform}, only for {', '.join(lock.platforms)}",
                advice=f"resolve again with --platform {platform}",
            )
    return wanted


def refuse_editable(lock: Lock, platforms: Sequence[str]) -> None:
    """Refuse to carry away what only points to a folder of this machine.

    :raises UsageError: where there is such a package.
    """
    for platform in platforms:
        for package in lock.platforms[platform].packages:
            if package.editable:
                raise UsageError(
                    f"{package.name} is editable: it points to a folder of this machine, and serves no other",
                    where=package.source_url,
                    advice="ask for it without -e, so that it is built into a wheel",
                )


def packages_of(lock: Lock, platforms: Sequence[str]) -> list[LockedPackage]:
    """Return the packages that have bytes, each once, the big ones first."""
    found: dict[tuple[str, str], LockedPackage] = {}
    for platform in platforms:
        for package in lock.platforms[platform].packages:
            if package.kind != "python":
                key = package.sha256, package.file
                # One platform's origin may tell a size that another's does not.
                if key not in found or not found[key].size:
                    found[key] = package
    return sorted(found.values(), key=lambda package: (-package.size, package.file))


def places_of(lock: Lock) -> tuple[str, ...]:
    """Return the indexes and channels that a lock's packages come from, as the lock names them."""
    asked = lock.requirements
    aliases = asked.get("channel_aliases", {}).values()
    return (*asked.get("indexes", ()), *(url for urls in aliases for url in urls), *asked.get("channels", ()))
