"""Requests on which conda-first tools fail, over real conda-forge records and the real PyPI.

Versions are not asserted: PyPI moves. Ownership and validity are.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

import pytest

from conjoin.index.pypi.indexes import PypiIndexes
from conjoin.solve.options import SolveOptions
from conjoin.solve.request import solve_request
from conjoin.solve.solution import ChosenWheel, PlatformSolution
from conjoin.spec.build import build_requirements
from loopback import LoopbackServer
from validity import problems

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CASES = SHARED / "mixed-cases.json"

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(not CASES.exists(), reason="no sample of conda-forge beside the project"),
]


def _cases() -> list[dict[str, Any]]:
    return json.loads(CASES.read_text())["cases"] if CASES.exists() else []


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sample")
    for subdir in ("linux-64", "noarch"):
        (folder / subdir).mkdir()
        shutil.copy(SHARED / "conda-forge-sample" / subdir / "repodata.json.zst", folder / subdir)
    with LoopbackServer(folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _requires_of(wheel: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        headers = HeaderParser().parsestr(archive.read(member).decode())
    return tuple(headers.get_all("Requires-Dist") or ())


def _metadata(
    cache: Path, indexes: tuple[str, ...], solution: PlatformSolution
) -> dict[str, tuple[str, ...]]:
    async def read() -> dict[str, tuple[str, ...]]:
        source = PypiIndexes(indexes, cache_dir=cache)
        try:
            found = {}
            for chosen in solution.wheels:
                if chosen.source is None:
                    found[chosen.name] = (await source.metadata(chosen.wheel)).requires_dist
                else:
                    found[chosen.name] = _requires_of(chosen.source.path)
            return found
        finally:
            await source.aclose()

    return asyncio.run(read())


def _solved(case: dict[str, Any], sample: str, cache: Path) -> PlatformSolution:
    requirements = build_requirements(conda=case["conda"], pypi=case["pypi"], channels=[sample])
    solution = solve_request(requirements, ["linux-64"], SolveOptions(cache_dir=cache))["linux-64"]
    metadata = _metadata(cache, requirements.indexes, solution)

    def requires_dist(chosen: ChosenWheel) -> tuple[str, ...]:
        return metadata[chosen.name]

    assert problems(solution, case["pypi"], requires_dist) == []
    return solution


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_it_resolves_with_one_owner_for_each_distribution(
    case: dict[str, Any], sample: str, cache: Path
) -> None:
    solution = _solved(case, sample, cache)
    asked = {text.split()[0] for text in case["conda"]}
    assert asked <= {str(package.name) for package in solution.conda}
    # A project that releases daily must not unroll release by release (a naive loop takes 242 rounds).
    assert solution.statistics.rounds <= 15
