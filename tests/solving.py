"""Small worlds for tests of solving: a channel of records, an index of tiny wheels, and one call to solve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import conjoin.solve.search.joint
from conjoin.solve.options import SolveOptions
from conjoin.solve.request import solve_request
from conjoin.solve.solution import PlatformSolution
from conjoin.spec.build import build_requirements
from worlds import make_index, make_wheel

PLATFORM = "linux-64"
FIVE = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
TAGS = {
    "linux-64": "manylinux_2_17_x86_64",
    "linux-aarch64": "manylinux_2_17_aarch64",
    "osx-64": "macosx_11_0_x86_64",
    "osx-arm64": "macosx_11_0_arm64",
    "win-64": "win_amd64",
}
"""What the wheels of each are named after."""


@dataclass(frozen=True)
class Solved:
    """A solution, in a shape that is pleasant to compare."""

    solution: PlatformSolution

    @property
    def conda(self) -> dict[str, str]:
        return {str(package.name): package.document["version"] for package in self.solution.conda}

    @property
    def wheels(self) -> dict[str, str]:
        return {str(wheel.name): str(wheel.wheel.version) for wheel in self.solution.wheels}

    @property
    def python(self) -> str:
        return self.conda["python"]

    @property
    def rounds(self) -> int:
        return self.solution.statistics.rounds


@dataclass
class World:
    """A channel and an index below one folder; solving reads both through ``file:`` URLs."""

    root: Path
    page_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._records: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
        self._wheels: list[Path] = []
        self.channel("channel")

    def channel(self, name: str) -> Path:
        """Add a channel (records are added to it by name) and return its folder."""
        self._records.setdefault(name, {PLATFORM: {}, "noarch": {}})
        return self.root / name

    def conda(
        self,
        name: str,
        version: str,
        depends: Sequence[str] = (),
        *,
        build: str = "0",
        build_number: int = 0,
        subdir: str = PLATFORM,
        channel: str = "channel",
        **more: Any,
    ) -> None:
        """Add a record."""
        file = f"{name}-{version}-{build}.conda"
        record = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": build_number,
            "depends": list(depends),
            "subdir": subdir,
            "sha256": hashlib.sha256(f"{channel}/{subdir}/{file}".encode()).hexdigest(),
            "size": 1000,
            "timestamp": 1700000000000,
            **more,
        }
        self._records.setdefault(channel, {PLATFORM: {}, "noarch": {}}).setdefault(subdir, {})[file] = record

    def python(self, *versions: str, subdir: str = PLATFORM) -> None:
        """Add Pythons: ``3.12.1``, or ``3.13.1t`` for one without the GIL."""
        for version in versions:
            bare = version.removesuffix("t")
            minor = "".join(bare.split(".")[:2])
            free = version.endswith("t")
            build = f"h_0_cp{minor}t" if free else f"h_100_cp{minor}"
            number = 0 if free else 100
            self.conda("python", bare, build=build, build_number=number, subdir=subdir)

    def wheel(self, name: str, version: str, requires: Iterable[str] = (), **options: Any) -> Path:
        """Add a wheel."""
        path = make_wheel(self.root / "wheels", name, version, requires, **options)
        self._wheels.append(path)
        return path

    def add(self, path: Path) -> None:
        """Add a distribution file made elsewhere."""
        self._wheels.append(path)

    def write(self) -> None:
        """Write channel and index."""
        for channel, subdirs in self._records.items():
            for subdir, records in subdirs.items():
                folder = self.root / channel / subdir
                folder.mkdir(parents=True, exist_ok=True)
                repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records}
                (folder / "repodata.json").write_text(json.dumps(repodata))
        (self.root / "index").mkdir(parents=True, exist_ok=True)
        make_index(self.root / "index", self._wheels, **{"pep658": True, **self.page_options})

    @property
    def index_url(self) -> str:
        return (self.root / "index").as_uri()

    @property
    def channel_url(self) -> str:
        return (self.root / "channel").as_uri()

    def solve(
        self,
        conda: Sequence[str] = (),
        pypi: Sequence[str] = (),
        *,
        platform: str = PLATFORM,
        **options: Any,
    ) -> Solved:
        """Solve a request in this world."""
        return Solved(self.solve_all(conda, pypi, platforms=[platform], **options)[platform])

    def solve_all(
        self,
        conda: Sequence[str] = (),
        pypi: Sequence[str] = (),
        *,
        platforms: Sequence[str],
        **options: Any,
    ) -> Mapping[str, PlatformSolution]:
        """Solve a request for several platforms."""
        self.write()
        requirements = build_requirements(
            conda=conda,
            pypi=pypi,
            **{"channels": [self.channel_url], "index_url": self.index_url, **options},
        )
        return solve_request(requirements, platforms, SolveOptions(cache_dir=self.root / "cache"))


def always_search(patch: pytest.MonkeyPatch) -> None:
    """Have the solver search also where nothing has to be searched."""

    async def no_answer(*_: Any) -> None:
        return None

    patch.setattr(conjoin.solve.search.joint, "greedy_answer", no_answer)
