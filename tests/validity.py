"""An independent check that a solution is one: it shares no code with the solver that found it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from conjoin.solve.solution import ChosenWheel, PlatformSolution

_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)] + [
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
    "linux_x86_64",
]


def problems(
    solution: PlatformSolution,
    asked: Iterable[str],
    requires_dist: Callable[[ChosenWheel], Iterable[str]],
) -> list[str]:
    """Return what is wrong with a solution for linux-64, in words; nothing if all is well.

    :param asked: the PyPI requirements of the request.
    :param requires_dist: reads all Requires-Dist of a wheel.
    """
    found = _conda_problems(solution)
    python = next(p.document["version"] for p in solution.conda if p.name == "python")
    provided = _provided(solution, found)
    environment = _environment(python)
    for text in asked:
        found += _unmet(Requirement(text), provided, environment, "the request")
    for wheel in solution.wheels:
        if wheel.requires_python and python not in SpecifierSet(wheel.requires_python):
            found.append(f"{wheel.wheel.filename} needs Python {wheel.requires_python}")
        if not _fits(wheel.wheel.filename, python):
            found.append(f"{wheel.wheel.filename} does not run on Python {python}")
        for text in requires_dist(wheel):
            requirement = Requirement(text)
            for extra in ("", *wheel.extras):
                found += _unmet(requirement, provided, {**environment, "extra": extra}, wheel.wheel.filename)
    return found


def _conda_problems(solution: PlatformSolution) -> list[str]:
    from rattler import MatchSpec, PackageRecord
    from rattler.package import BuildString

    virtual = {name: text.partition("=") for name, text in solution.virtual_packages.items()}
    records = {}
    for package in solution.conda:
        document = package.document
        records[str(package.name)] = PackageRecord(
            package.name,
            document["version"],
            BuildString.new_unchecked(document["build"]),
            document["build_number"],
            document["subdir"],
        )
    for name, (version, _, build) in virtual.items():
        records[name] = PackageRecord(name, version or "0", BuildString(build or "0"), 0, "noarch")
    found = []
    for package in solution.conda:
        for text in package.document.get("depends", []):
            spec = MatchSpec(text)
            name = str(spec.name.normalized) if hasattr(spec.name, "normalized") else text.split()[0]
            if name not in records or not spec.matches(records[name]):
                found.append(f"conda {package.name} needs {text}")
        for text in package.document.get("constrains", []):
            name = text.split()[0]
            if name in records and not MatchSpec(text).matches(records[name]):
                found.append(f"conda {package.name} excludes {name}: {text}")
    return found


def _provided(solution: PlatformSolution, found: list[str]) -> dict[str, Version]:
    provided: dict[str, Version] = {}
    for wheel in solution.wheels:
        provided[wheel.name] = wheel.wheel.version
    for package in solution.conda:
        for project in package.provides:
            if project in provided and any(wheel.name == project for wheel in solution.wheels):
                found.append(f"{project} comes as a wheel and from conda's {package.name}")
            try:
                provided[project] = Version(package.document["version"])
            except InvalidVersion:
                continue
    return provided


def _unmet(
    requirement: Requirement, provided: dict[str, Version], environment: dict[str, str], who: str
) -> list[str]:
    if requirement.marker is not None and not requirement.marker.evaluate(environment):
        return []
    version = provided.get(canonicalize_name(requirement.name))
    if version is None:
        return [f"{who} needs {requirement}, which is not there"]
    if not requirement.specifier.contains(version, prereleases=True):
        return [f"{who} needs {requirement}, and {version} is there"]
    return []


def _environment(python: str) -> dict[str, str]:
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def _fits(filename: str, python: str) -> bool:
    major, minor = (int(part) for part in python.split(".")[:2])
    supported = {
        *cpython_tags((major, minor), [f"cp{major}{minor}"], _PLATFORMS),
        *compatible_tags((major, minor), f"cp{major}{minor}", _PLATFORMS),
    }
    return bool(parse_wheel_filename(filename)[3] & supported)
