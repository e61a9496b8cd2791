"""Resolver scenarios in packse's format: each becomes a channel of Pythons, an index on loopback, a request.

The format is that of https://github.com/astral-sh/packse. Files of our own add to it: a version's
``upload_time``, ``yanked`` of ``"wheel"`` or ``"sdist"`` alone, ``conda`` packages, ``expected.platforms``
and ``expected.python``, and the resolver options ``platforms``, ``constraints``, ``overrides``,
``only_binary``, ``exclude_newer`` and ``strategy``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import conjoin
from loopback import LoopbackServer
from sdists import make_building_sdist
from solving import World

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Scenario", "scenarios_below"]

PYTHONS = ("3.8.20", "3.9.21", "3.10.16", "3.11.11", "3.12.8", "3.13.1")
"""What the channel has beside the versions that a scenario names in full."""
DEFAULT_PYTHON = "3.12"
EVERYWHERE = ("linux-64", "osx-arm64", "win-64")
"""What "universal" means here: one lock for these."""
_ENVIRONMENTS = {"linux": "linux-64", "darwin": "osx-arm64", "win32": "win-64"}
_MARKERS = {
    "linux-64": ("linux", "Linux", "posix", "x86_64"),
    "linux-aarch64": ("linux", "Linux", "posix", "aarch64"),
    "osx-arm64": ("darwin", "Darwin", "posix", "arm64"),
    "win-64": ("win32", "Windows", "nt", "AMD64"),
}


@dataclass(frozen=True)
class Scenario:
    """One file.

    :ivar identity: ``<family>/<name>``.
    """

    identity: str
    document: Mapping[str, Any]

    @property
    def expected(self) -> Mapping[str, Any]:
        return self.document["expected"]

    @property
    def options(self) -> Mapping[str, Any]:
        return self.document.get("resolver_options", {})

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        if not self.options.get("universal"):
            return ("linux-64",)
        if "platforms" in self.options:
            return tuple(self.options["platforms"])
        wanted = self.options.get("required_environments", ())
        named = [_ENVIRONMENTS[text.rpartition("==")[2].strip(" \"'")] for text in wanted]
        return tuple(named) or EVERYWHERE

    @property
    def python(self) -> list[str]:
        """What is asked of Python: it is a package like any other, so "the interpreter" is a request."""
        root = self.document["root"].get("requires_python")
        if self.options.get("universal") and root:
            return [root]
        named = self.options.get("python", self.document.get("environment", {}).get("python", DEFAULT_PYTHON))
        return [named, root] if root else [named]

    @property
    def versions(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for name, package in self.document.get("packages", {}).items():
            for version, described in package["versions"].items():
                yield name, version, described

    def resolve(self, root: Path) -> conjoin.Lock:
        """Build the scenario's world below a folder and resolve its request there.

        :raises conjoin.errors.NoSolution: where there is none.
        """
        world = self._world(root)
        world.write()
        with LoopbackServer(world.root / "index") as index:
            asked = conjoin.Requirements.build(
                pypi=self.document["root"]["requires"],
                conda=self.document["root"].get("conda", ()),
                python=self.python,
                channels=[world.channel_url],
                index_url=index.url,
                prereleases=bool(self.options.get("prereleases")),
                no_binary=self.options.get("no_binary", ()),
                only_binary=[*self.options.get("no_build", ()), *self.options.get("only_binary", ())],
                constraints=self.options.get("constraints", ()),
                overrides=self.options.get("overrides", ()),
                exclude_newer=self.options.get("exclude_newer"),
                strategy=self.options.get("strategy"),
                virtual_packages=self._virtual_packages,
            )
            return conjoin.resolve(asked, platforms=self.platforms)

    @property
    def _virtual_packages(self) -> list[str]:
        wanted = self.options.get("python_platform", "")
        return ["__glibc=2.17"] if wanted.endswith("manylinux2014") else []

    def _world(self, root: Path) -> World:
        world = World(root)
        environment = self.document.get("environment", {})
        named = [environment.get("python", ""), *environment.get("additional_python", [])]
        named.append(self.options.get("python", ""))
        pythons = {*PYTHONS, *(version for version in named if version.count(".") == 2)}
        for platform in self.platforms:
            world.python(*sorted(pythons), subdir=platform)
        for name, versions in self.document.get("conda", {}).items():
            for version, described in versions.items():
                world.conda(name, version, described.get("depends", ()), **described.get("record", {}))
        yanked: dict[str, str] = {}
        times: dict[str, str] = {}
        for name, version, described in self.versions:
            for path in _files(world.root / "dist", name, version, described):
                world.add(path)
                kind = "wheel" if path.suffix == ".whl" else "sdist"
                if described.get("yanked") in (True, kind):
                    yanked[path.name] = "yanked"
                if "upload_time" in described:
                    times[path.name] = described["upload_time"]
        world.page_options = {"format": "both", "yanked": yanked, "upload_times": times}
        return world

    def mistakes(self, lock: conjoin.Lock) -> list[str]:
        """Return what is wrong with a lock, told without the solver."""
        wrong = []
        asked = self.document["root"]["requires"]
        described = {(canonicalize_name(n), Version(v)): d for n, v, d in self.versions}
        overridden = {canonicalize_name(Requirement(text).name) for text in self.options.get("overrides", ())}
        for platform, locked in lock.platforms.items():
            python = next(p.version for p in locked.packages if p.name == "python")
            wheels = {p.name: p for p in locked.packages if p.kind == "pypi"}
            there = {name: Version(package.version) for name, package in wheels.items()}
            there |= {
                project: Version(package.version)
                for package in locked.packages
                for project in package.provides
                if package.kind == "conda"
            }
            environment = _environment(platform, python)
            wanted = [(text, "") for text in asked]
            for name, package in wheels.items():
                found = described.get((name, there[name]))
                if found is None:
                    wrong.append(f"{platform}: nobody published {name} {package.version}")
                    continue
                wanted += [(text, "") for text in found.get("requires", ())]
                wanted += [
                    (text, extra)
                    for extra, texts in found.get("extras", {}).items()
                    if canonicalize_name(extra) in {canonicalize_name(each) for each in package.extras}
                    for text in texts
                ]
            for text, extra in wanted:
                requirement = Requirement(text)
                name = canonicalize_name(requirement.name)
                marker = requirement.marker
                if marker is not None and not marker.evaluate({**environment, "extra": extra}):
                    continue
                if name not in there:
                    wrong.append(f"{platform}: {text} is not there")
                elif name not in overridden and not requirement.specifier.contains(
                    there[name], prereleases=True
                ):
                    wrong.append(f"{platform}: {text} is unmet by {there[name]}")
        return wrong


def scenarios_below(folder: Path) -> list[Scenario]:
    """Read every scenario below a folder, sorted by family and name."""
    return [
        Scenario(f"{path.parent.name}/{path.stem}", tomllib.loads(path.read_text("utf-8")))
        for path in sorted(folder.rglob("*.toml"))
    ]


def _files(folder: Path, name: str, version: str, described: Mapping[str, Any]) -> Iterator[Path]:
    from worlds import make_wheel

    requires = described.get("requires", ())
    extras = described.get("extras", {})
    requires_python = described.get("requires_python", ">=3.8")
    if described.get("wheel", True):
        for tags in described.get("wheel_tags") or ["py3-none-any"]:
            yield make_wheel(
                folder, name, version, requires, tags, extras=extras, requires_python=requires_python
            )
    if described.get("sdist", True):
        optional = [_within(text, extra) for extra, texts in extras.items() for text in texts]
        headers = [f"Provides-Extra: {extra}" for extra in extras]
        yield make_building_sdist(
            folder,
            name,
            version,
            [*requires, *optional],
            static=not described.get("dynamic", False),
            headers=[f"Requires-Python: {requires_python}", *headers],
        )


def _within(text: str, extra: str) -> str:
    requirement, _, marker = text.partition(";")
    both = f"({marker.strip()}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
    return f"{requirement.strip()} ; {both}"


def _environment(platform: str, python: str) -> dict[str, str]:
    system, platform_system, os_name, machine = _MARKERS[platform]
    return {
        "sys_platform": system,
        "platform_system": platform_system,
        "os_name": os_name,
        "platform_machine": machine,
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "implementation_version": python,
        "platform_release": "",
        "platform_version": "",
    }
