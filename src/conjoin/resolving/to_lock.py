"""From what a solve decided to the lock that keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from conjoin.lock.identity import make_lock
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.net.urls import without_secrets
from conjoin.spec.canonical import canonical, req_id
from conjoin.spec.credentials import without_credentials
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from conjoin.solve.solution import BuiltFrom, ChosenConda, ChosenPython, ChosenWheel, PlatformSolution

__all__ = ["locked_platform", "make_lock_of"]

_IMPLEMENTATIONS = {"cp": "cpython", "pp": "pypy"}


def make_lock_of(requirements: Requirements, platforms: Mapping[str, LockedPlatform]) -> Lock:
    """Return the lock of a request's decisions, one for each platform."""
    return make_lock(canonical(requirements), req_id(requirements), platforms)


def locked_platform(solution: PlatformSolution, base: LockedPlatform | None = None) -> LockedPlatform:
    """Return what a lock keeps of one platform's solution.

    :param base: what was extended, whose packages stay as they are; but of a wheel, more extras may be asked.
    """
    packages = [_conda(package) for package in solution.conda]
    packages += [_wheel(wheel) for wheel in solution.wheels]
    if solution.python is not None:
        packages.append(_python(solution.python))
    if base is not None:
        packages = [_kept(package, base) for package in packages]
    return LockedPlatform(virtual_packages=dict(solution.virtual_packages), packages=tuple(packages))


def _kept(package: LockedPackage, base: LockedPlatform) -> LockedPackage:
    for kept in base.packages:
        if (kept.kind, kept.file, kept.sha256) == (package.kind, package.file, package.sha256):
            if kept.kind != "pypi":
                return kept
            return replace(kept, extras=package.extras, dependencies=package.dependencies)
    return package


def _conda(package: ChosenConda) -> LockedPackage:
    document = package.document
    return LockedPackage(
        kind="conda",
        name=str(package.name),
        version=document["version"],
        build=document["build"],
        build_number=document["build_number"],
        file=document["fn"],
        url=without_secrets(document["url"]),
        channel=without_secrets(document.get("channel") or ""),
        subdir=document["subdir"],
        sha256=document["sha256"],
        md5=document.get("md5") or "",
        size=document.get("size") or 0,
        dependencies=tuple(document.get("depends") or ()),
        constrains=tuple(document.get("constrains") or ()),
        noarch=_noarch(document.get("noarch")),
        license=document.get("license") or "",
        timestamp=document.get("timestamp") or 0,
        track_features=tuple(_features(document.get("track_features"))),
        python_site_packages_path=document.get("python_site_packages_path") or "",
        provides=tuple(map(str, package.provides)),
    )


def _noarch(value: Any) -> str:
    # Before conda-build 3, `noarch: true` stood for what is `generic` now.
    return "generic" if value is True else str(value or "")


def _features(value: str | Iterable[str] | None) -> list[str]:
    if isinstance(value, str):
        return value.replace(",", " ").split()
    return list(value or ())


def _wheel(chosen: ChosenWheel) -> LockedPackage:
    return LockedPackage(
        kind="pypi",
        name=str(chosen.name),
        version=str(chosen.wheel.version),
        file=chosen.wheel.filename,
        url=without_secrets(chosen.wheel.url),
        sha256=chosen.sha256,
        size=chosen.size,
        dependencies=chosen.dependencies,
        extras=chosen.extras,
        requires_python=chosen.requires_python,
        direct=chosen.direct,
        **_provenance(chosen.source),
    )


def _provenance(source: BuiltFrom | None) -> dict[str, Any]:
    """Return what a lock keeps of how a wheel was built."""
    if source is None:
        return {}
    return {
        "source_url": without_credentials(source.url),
        "source_sha256": source.sha256,
        "build_key": source.build_key,
        # One that needs nothing to be built with is asked for by what it is kept under.
        "build_request": source.build_request if source.build_request != source.build_key else "",
        "built_with": source.built_with,
        "editable": source.editable,
    }


def _python(python: ChosenPython) -> LockedPackage:
    implementation = _IMPLEMENTATIONS.get(python.implementation, python.implementation)
    return LockedPackage(
        kind="python",
        name="python",
        version=python.version,
        file=f"{implementation}-{python.version}-{python.abi}",
        implementation=implementation,
        abi=python.abi,
    )
