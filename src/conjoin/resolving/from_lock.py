"""From a lock back to what a solve decided: for solving on top of it, or near it."""

from __future__ import annotations

from typing import Any

from packaging.version import Version

from conjoin.index.pypi.file_names import FileNameReader
from conjoin.index.pypi.project import Wheel
from conjoin.lock.model import LockedPackage, LockedPlatform
from conjoin.solve.solution import BuiltFrom, ChosenConda, ChosenPython, ChosenWheel, PlatformSolution
from conjoin.spec.names import CondaName, PypiName

__all__ = ["solution_of"]

_TAGS = {"cpython": "cp", "pypy": "pp"}


def solution_of(platform: str, locked: LockedPlatform) -> PlatformSolution:
    """Return the solution that :func:`conjoin.resolving.to_lock.locked_platform` made ``locked`` of."""
    python = next((package for package in locked.packages if package.kind == "python"), None)
    return PlatformSolution(
        platform,
        dict(locked.virtual_packages),
        conda=tuple(_conda(package) for package in locked.packages if package.kind == "conda"),
        wheels=tuple(_wheel(package) for package in locked.packages if package.kind == "pypi"),
        python=_python(python) if python else None,
    )


def _conda(package: LockedPackage) -> ChosenConda:
    document: dict[str, Any] = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.build_number,
        "fn": package.file,
        "url": package.url,
        "channel": package.channel,
        "subdir": package.subdir,
        "sha256": package.sha256,
        "md5": package.md5,
        "size": package.size,
        "depends": list(package.dependencies),
        "constrains": list(package.constrains),
        "noarch": package.noarch,
        "license": package.license,
        "timestamp": package.timestamp,
        "track_features": list(package.track_features),
        "python_site_packages_path": package.python_site_packages_path,
    }
    return ChosenConda(CondaName(package.name), document, tuple(map(PypiName, package.provides)))


def _wheel(package: LockedPackage) -> ChosenWheel:
    name = PypiName(package.name)
    read = FileNameReader(name).read(package.file)
    version = Version(package.version)
    wheel = Wheel(
        filename=package.file,
        url=package.url,
        version=version,
        sha256=package.sha256,
        size=package.size,
        requires_python=package.requires_python,
        build=read.build if read else (),
        tags=read.tags if read else "",
    )
    source = None
    if package.source_url:
        source = BuiltFrom(
            package.source_url,
            package.source_sha256,
            None,
            package.build_key,
            package.editable,
            package.build_request,
            package.built_with,
        )
    return ChosenWheel(
        name,
        wheel,
        package.sha256,
        package.size,
        package.extras,
        package.dependencies,
        package.requires_python,
        source,
        package.direct,
    )


def _python(package: LockedPackage) -> ChosenPython:
    return ChosenPython(
        _TAGS.get(package.implementation, package.implementation), package.version, package.abi
    )
