"""A wheel becomes conda packages, as conda-forge would have made them.

A pure wheel becomes ``noarch: python`` packages: one for all Pythons, or several where its dependencies
differ between them (each then bound to its Pythons). Any other wheel becomes a package for one platform and
one Python.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence

from conjoin.errors import UsageError
from conjoin.forge.package import PLACEHOLDER, Package, PackageFile
from conjoin.forge.python_package import python_requirements
from conjoin.forge.subdirs import system_requirement, wheel_subdirs
from conjoin.forge.translate import conda_dependencies, conda_name_of, conda_specifier, conda_version
from conjoin.forge.wheel_file import WheelFile
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.platform import marker_environment

__all__ = ["TargetPython", "wheel_packages"]

# What noarch packages are made for; a later Python shares the last group's package.
_MINORS = tuple(f"3.{minor}" for minor in range(8, 16))
# noarch packages serve all platforms that channels are forged for.
_NOARCH_PLATFORMS = ("linux-64", "linux-aarch64", "osx-arm64")
_SCRIPT = """\
#!{python}
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({function}())
"""
_SHEBANG = re.compile(rb"\A#!pythonw?(?=[ \r\n])")


class TargetPython:
    """A Python that packages are made for: ``3.11``, or ``3.13t`` for one without the GIL."""

    def __init__(self, wanted: str) -> None:
        self.minor = wanted.removesuffix("t")
        self.free_threaded = wanted.endswith("t")
        self.abi = f"cp{self.minor.replace('.', '')}{'t' if self.free_threaded else ''}"
        self.site_packages = f"lib/python{wanted}/site-packages"
        self.program = f"{PLACEHOLDER}/bin/python{self.minor}"

    def accepts(self, interpreter: str, abi: str) -> bool:
        """Whether it can load what is tagged ``interpreter-abi`` (PEP 425)."""
        number = int(self.minor.partition(".")[2])
        oldest = re.fullmatch(r"(py|cp)3(\d*)", interpreter)
        if oldest is None:
            return False
        if abi == "none" and oldest[1] == "cp":
            return int(oldest[2] or number) == number
        if abi in ("none", "abi3"):
            return int(oldest[2] or 0) <= number and not (abi == "abi3" and self.free_threaded)
        return abi == self.abi


def wheel_packages(
    wheel: WheelFile,
    pythons: Sequence[str],
    *,
    subdir: str,
    names: Mapping[PypiName, CondaName] | None = None,
    known: Mapping[PypiName, Iterable[str]] | None = None,
) -> list[Package]:
    """Return the packages of ``wheel`` that can be used with ``pythons``.

    :param pythons: minor versions, ``3.13t`` for free-threaded ones; empty for those that the wheel names.
    :param subdir: the platform to make packages for.
    :param names: the user's conda names of PyPI projects.
    :param known: Requires-Dist of other wheels, for their extras (:func:`conda_dependencies`).
    :raises UsageError: where the wheel fits none of them, or cannot be translated.
    """
    if wheel.pure:
        return _noarch_packages(wheel, pythons, names, known)
    tags = [tag for tag in wheel.tags if subdir in wheel_subdirs(tag.platform) or tag.platform == "any"]
    if not tags:
        raise UsageError(f"the wheel does not run on {subdir}", where=wheel.path.name)
    own = sorted({f"3.{tag.abi[3:]}" for tag in tags if re.fullmatch(r"cp3\d+t?", tag.abi)})
    targets = [TargetPython(wanted) for wanted in (pythons or own)]
    targets = [t for t in targets if any(t.accepts(tag.interpreter, tag.abi) for tag in tags)]
    if not targets:
        asked = f"Python {', '.join(pythons)}" if pythons else "any one Python: name one"
        raise UsageError(f"the wheel is not for {asked}", where=wheel.path.name)
    system = system_requirement([tag.platform for tag in tags])
    return [
        _arch_package(wheel, target, subdir=subdir, system=system, names=names, known=known)
        for target in targets
    ]


def _noarch_packages(
    wheel: WheelFile,
    pythons: Sequence[str],
    names: Mapping[PypiName, CondaName] | None,
    known: Mapping[PypiName, Iterable[str]] | None,
) -> list[Package]:
    supported = [minor for minor in _MINORS if _python_allowed(wheel, minor)]
    runs: list[tuple[list[str], list[str]]] = []
    for minor in supported:
        depends: dict[str, None] = {}
        for platform in _NOARCH_PLATFORMS:
            environment = marker_environment(platform, f"{minor}.99")
            found = conda_dependencies(wheel.requires_dist, environment, names=names, known=known)
            depends.update(dict.fromkeys(found))
        if runs and runs[-1][1] == sorted(depends):
            runs[-1][0].append(minor)
        else:
            runs.append(([minor], sorted(depends)))
    wanted = {python.removesuffix("t") for python in pythons} or set(supported)
    packages = []
    for minors, depends_on in runs:
        if wanted & set(minors):
            bounds = [f">={minors[0]}"] if minors[0] != supported[0] else []
            if minors[-1] != supported[-1]:
                major, number = minors[-1].split(".")
                bounds.append(f"<{major}.{int(number) + 1}.0a0")
            packages.append(_noarch_package(wheel, bounds, depends_on, names))
    if not packages:
        asked = f"Python {', '.join(sorted(wanted))}" if wanted else "any Python 3"
        raise UsageError(
            f"the wheel is not for {asked} (Requires-Python: {wheel.requires_python})", where=wheel.path.name
        )
    return packages


def _python_allowed(wheel: WheelFile, minor: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if all(tag.interpreter == "py2" for tag in wheel.tags):
        return False
    try:
        specifiers = SpecifierSet(wheel.requires_python)
    except InvalidSpecifier as error:
        raise UsageError(f"Requires-Python is invalid: {error}", where=wheel.path.name) from error
    return specifiers.contains(f"{minor}.99")


def _noarch_package(
    wheel: WheelFile, bounds: list[str], depends: list[str], names: Mapping[PypiName, CondaName] | None
) -> Package:
    from packaging.specifiers import SpecifierSet

    asked = conda_specifier(SpecifierSet(wheel.requires_python))
    # A wheel that says nothing is still for no Python 2, unless a tag says so (PEP 425).
    python = f"python {','.join(part for part in (asked, *bounds) if part) or '>=3'}"
    package = _package(wheel, "noarch", [python, *depends], names)
    package.noarch = "python"
    package.build = f"pyh{_short_hash(wheel, package.depends)}_0"
    package.entry_points = [f"{name} = {target}" for name, target in sorted(wheel.entry_points.items())]
    _add_members(package, wheel, "site-packages", "python-scripts", PLACEHOLDER + "/bin/python")
    _add_record(package, wheel, "site-packages", [f"bin/{name}" for name in sorted(wheel.entry_points)])
    package.detect_placeholders()
    return package


def _arch_package(
    wheel: WheelFile,
    target: TargetPython,
    *,
    subdir: str,
    system: str | None,
    names: Mapping[PypiName, CondaName] | None,
    known: Mapping[PypiName, Iterable[str]] | None,
) -> Package:
    environment = marker_environment(subdir, f"{target.minor}.99")
    depends = [
        *python_requirements(target.minor, target.abi),
        *([system] if system else []),
        *conda_dependencies(wheel.requires_dist, environment, names=names, known=known),
    ]
    package = _package(wheel, subdir, depends, names)
    package.build = f"py{target.abi[2:]}h{_short_hash(wheel, package.depends)}_0"
    _add_members(package, wheel, target.site_packages, "bin", target.program)
    for name, entry in sorted(wheel.entry_points.items()):
        module, _, function = entry.partition(":")
        script = _SCRIPT.format(
            python=target.program, module=module, first=function.partition(".")[0], function=function
        )
        package.files[_script_path(package, name)] = PackageFile(script.encode(), executable=True)
    _add_record(package, wheel, target.site_packages, [])
    package.detect_placeholders()
    return package


def _script_path(package: Package, name: str) -> str:
    """Return the path of a generated script; an equally named file of the wheel yields to it, as in pip."""
    path = f"bin/{name}"
    package.files.pop(path, None)
    return path


def _package(
    wheel: WheelFile, subdir: str, depends: list[str], names: Mapping[PypiName, CondaName] | None
) -> Package:
    said = wheel.metadata.get("License-Expression") or wheel.metadata.get("License") or ""
    lines = str(said).strip().splitlines()
    summary = wheel.metadata.get("Summary")
    return Package(
        name=conda_name_of(wheel.name, names),
        version=conda_version(wheel.version),
        build="0",
        subdir=subdir,
        depends=depends,
        # Some wheels carry the whole text of their licence here.
        license=lines[0] if len(lines) == 1 and len(lines[0]) <= 80 else "",
        purls=[f"pkg:pypi/{wheel.name}@{wheel.version}"],
        about={"summary": str(summary)} if summary else {},
    )


def _short_hash(wheel: WheelFile, depends: list[str]) -> str:
    """Tell builds of one version apart: other bytes or other dependencies are another build."""
    whole = {"sha256": hashlib.sha256(wheel.path.read_bytes()).hexdigest(), "depends": depends}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:7]


def _add_members(package: Package, wheel: WheelFile, site: str, scripts: str, program: str) -> None:
    data = f"{wheel.dist_info.removesuffix('.dist-info')}.data/"
    skipped = {f"{wheel.dist_info}/INSTALLER", f"{wheel.dist_info}/REQUESTED"}
    for member in wheel.members:
        if member.name in skipped:
            continue
        file = PackageFile(member.read, executable=member.executable)
        if not member.name.startswith(data):
            package.add(f"{site}/{member.name}", file)
            continue
        scheme, _, rest = member.name.removeprefix(data).partition("/")
        if scheme in ("purelib", "platlib"):
            package.add(f"{site}/{rest}", file)
        elif scheme == "scripts":
            # PEP 427: "#!python" stands for the interpreter of the environment.
            content = _SHEBANG.sub(lambda _: f"#!{program}".encode(), member.read())
            package.add(f"{scripts}/{rest}", PackageFile(content, executable=True))
        elif scheme == "headers":
            package.add(f"include/{wheel.name}/{rest}", file)
        elif scheme == "data" and rest:
            package.add(rest, file)
        else:
            raise UsageError(f"{member.name!r} has an unknown place", where=wheel.path.name)
    package.add(f"{site}/{wheel.dist_info}/INSTALLER", PackageFile(b"conda\n"))


def _add_record(package: Package, wheel: WheelFile, site: str, generated: list[str]) -> None:
    """Write RECORD (PEP 627) for where the files will be; those that the prefix changes have no hash."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for path, file in sorted(package.files.items()):
        # site-packages is three folders below the prefix in all layouts: lib/pythonX.Y/site-packages.
        installed = path.replace("python-scripts/", "bin/", 1) if path.startswith("python-scripts/") else path
        name = path.removeprefix(f"{site}/") if path.startswith(f"{site}/") else f"../../../{installed}"
        content = file.read()
        if PLACEHOLDER.encode() in content:
            rows.writerow([name, "", ""])
        else:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.writerow([name, f"sha256={digest}", len(content)])
    for path in generated:
        rows.writerow([f"../../../{path}", "", ""])
    record = f"{wheel.dist_info}/RECORD"
    rows.writerow([record, "", ""])
    package.add(f"{site}/{record}", PackageFile(out.getvalue().encode()))
