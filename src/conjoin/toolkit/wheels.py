"""Which wheels a toolkit is made of: the versions that run here, for every Python that may meet them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from packaging.version import Version

from conjoin.config.places import cache_dir
from conjoin.errors import NotFound
from conjoin.index.pypi.indexes import PypiIndexes
from conjoin.index.pypi.project import Project, Wheel
from conjoin.index.pypi.wheel_tags import PythonAbi, supported
from conjoin.lock.model import LockedPackage
from conjoin.net.urls import without_secrets
from conjoin.spec.names import PypiName
from conjoin.spec.platform import virtual_packages, wheel_platform_tags
from conjoin.spec.requirements import Requirements

__all__ = ["PROJECTS", "PYTHONS", "ToolkitWheel", "choose_wheels"]

PROJECTS = (PypiName("msgspec"), PypiName("py-rattler"), PypiName("uv"))
"""What hydrating imports and runs, measured; none of them needs anything else."""

PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13), (3, 14))
"""CPythons that a container may have; another one is brought a Python as well."""

_OLD_GLIBC = "2.17"
"""Of manylinux2014: the oldest that py-rattler's wheels run on."""


class ToolkitWheel(NamedTuple):
    """A wheel of a toolkit.

    :ivar pythons: ``3.11``: which Pythons it is for.
    """

    package: LockedPackage
    pythons: tuple[str, ...]


def choose_wheels(platform: str, configured: Requirements, *, offline: bool = False) -> list[ToolkitWheel]:
    """Return the wheels of a toolkit: of each project the version that is installed here.

    Other machines run what this one was tested with; indexes, find-links and credentials are the user's.

    :param configured: of which only indexes, find-links and credentials count.
    :raises NotFound: where there is no wheel for any Python on that platform.
    :raises Unreachable: where an index cannot be asked.
    """
    return asyncio.run(_choose(platform, configured, offline))


async def _choose(platform: str, configured: Requirements, offline: bool) -> list[ToolkitWheel]:
    indexes = PypiIndexes(
        configured.indexes,
        configured.find_links,
        cache_dir=cache_dir(),
        offline=offline,
        credentials=configured.credentials,
    )
    try:
        projects = await asyncio.gather(*(indexes.project(name) for name in PROJECTS))
        chosen: dict[Wheel, list[str]] = {}
        for minor in PYTHONS:
            python = PythonAbi("cp", *minor)
            wheels = [_best(project, python, platform) for project in projects]
            for wheel in wheels:
                if wheel is not None and None not in wheels:  # all of them, or this Python is not served
                    chosen.setdefault(wheel, []).append(f"{python.major}.{python.minor}")
        if not chosen:
            names = ", ".join(f"{name} {_version(name)}" for name in PROJECTS)
            raise NotFound(
                f"no index has wheels of {names} for {platform}",
                where=" ".join(map(without_secrets, (*configured.indexes, *configured.find_links))) or None,
                advice="a mirror needs these versions; --index-url and --find-links say where they are",
            )
        hashes = await asyncio.gather(*(indexes.hash_of(wheel) for wheel in chosen))
    finally:
        await indexes.aclose()
    return [
        ToolkitWheel(_locked(wheel, sha256, size), tuple(pythons))
        for (wheel, pythons), (sha256, size) in zip(chosen.items(), hashes, strict=True)
    ]


def _best(project: Project, python: PythonAbi, platform: str) -> Wheel | None:
    """Return the wheel that runs on the most machines: a container's glibc may be old."""
    wanted = _version(project.name)
    wheels = [each for each in project.files if isinstance(each, Wheel) and each.version == wanted]
    if platform.startswith("linux-"):
        found = _fitting(wheels, python, platform, (("__glibc", _OLD_GLIBC),))
        if found is not None:
            return found
    return _fitting(wheels, python, platform, ())


def _fitting(
    wheels: Sequence[Wheel], python: PythonAbi, platform: str, assumed: tuple[tuple[str, str], ...]
) -> Wheel | None:
    tags = wheel_platform_tags(platform, virtual_packages(platform, assumed))
    ranked = [(rank, wheel) for wheel in wheels if (rank := supported(wheel.tags, python, tags)) is not None]
    return min(ranked, key=lambda each: (each[0], each[1].filename))[1] if ranked else None


def _version(name: PypiName) -> Version:
    try:
        return Version(version(name))
    except PackageNotFoundError:
        raise NotFound(f"{name} is not installed here", advice="install conjoin again") from None


def _locked(wheel: Wheel, sha256: str, size: int) -> LockedPackage:
    return LockedPackage(
        kind="pypi",
        name=PypiName(wheel.filename.partition("-")[0].lower().replace("_", "-")),
        version=str(wheel.version),
        file=wheel.filename,
        url=without_secrets(wheel.url),
        sha256=sha256,
        size=size,
    )
