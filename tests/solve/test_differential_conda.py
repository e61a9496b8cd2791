"""Sixty conda-only requests over the sample of conda-forge: the answer is py-rattler's own.

Conjoin adds nothing of its own where only conda packages are asked for: neither packages nor preferences.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rattler import Channel, ChannelPriority, Gateway, GenericVirtualPackage, MatchSpec, PackageName, Version
from rattler import solve as rattler_solve
from rattler.exceptions import SolverError
from rattler.package import BuildString

import conjoin
from conjoin.errors import NoSolution
from loopback import LoopbackServer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "conda-forge-sample"
_LISTED = tomllib.loads((Path(__file__).parent / "differential" / "conda.toml").read_text("utf-8"))
REQUESTS: list[list[str]] = _LISTED["requests"]
WITH_CUDA: list[list[str]] = _LISTED["with_cuda"]
# What docs/solving.md assumes of a Linux machine.
VIRTUAL = (
    ("__archspec", "1", "x86_64"),
    ("__glibc", "2.28", "0"),
    ("__linux", "5.10", "0"),
    ("__unix", "0", "0"),
)

Answer = frozenset[tuple[str, str, str]] | None


def test_there_are_sixty() -> None:
    assert len({tuple(request) for request in REQUESTS}) >= 60


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sample")
    for subdir in ("linux-64", "noarch"):
        (folder / subdir).mkdir()
        shutil.copy(SAMPLE / subdir / "repodata.json.zst", folder / subdir)
    with LoopbackServer(folder) as server:
        yield server.url


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("caches")


def _ours(specs: list[str], channel: str, **options: Any) -> Answer:
    requirements = conjoin.Requirements.build(conda=specs, channels=[channel], **options)
    try:
        lock = conjoin.resolve(requirements, platforms=["linux-64"])
    except NoSolution:
        return None
    return frozenset((p.name, p.version, p.build) for p in lock.platforms["linux-64"].packages)


def _theirs(
    specs: list[str],
    channel: str,
    cache: Path,
    virtual: Sequence[tuple[str, str, str]] = VIRTUAL,
    priority: ChannelPriority = ChannelPriority.Strict,
) -> Answer:
    async def ask() -> list[Any]:
        return await rattler_solve(
            [Channel(channel)],
            [MatchSpec(spec) for spec in specs],
            gateway=Gateway(cache_dir=cache),
            platforms=["linux-64", "noarch"],
            virtual_packages=[
                GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
                for name, version, build in virtual
            ],
            channel_priority=priority,
        )

    try:
        records = asyncio.run(ask())
    except SolverError:
        return None
    return frozenset((str(r.name.normalized), str(r.version), str(r.build)) for r in records)


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.exists(), reason="no sample of conda-forge beside the project")
@pytest.mark.parametrize("specs", REQUESTS, ids=", ".join)
def test_the_answer_is_py_rattlers_own(
    specs: list[str], channel: str, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_CACHE", str(caches / "ours"))
    assert _ours(specs, channel) == _theirs(specs, channel, caches / "theirs")


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.exists(), reason="no sample of conda-forge beside the project")
@pytest.mark.parametrize("specs", WITH_CUDA, ids=", ".join)
def test_the_answer_for_a_gpu_is_py_rattlers_own(
    specs: list[str], channel: str, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_CACHE", str(caches / "ours"))
    theirs = _theirs(specs, channel, caches / "theirs", (*VIRTUAL, ("__cuda", "12.4", "0")))
    assert _ours(specs, channel, virtual_packages=["__cuda=12.4"]) == theirs


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.exists(), reason="no sample of conda-forge beside the project")
@pytest.mark.parametrize("priority", [ChannelPriority.Flexible, ChannelPriority.Disabled])
def test_the_answer_under_another_priority_is_py_rattlers_own(
    priority: ChannelPriority, channel: str, caches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_CACHE", str(caches / "ours"))
    specs = ["pandas", "python 3.12.*"]
    theirs = _theirs(specs, channel, caches / "theirs", priority=priority)
    assert _ours(specs, channel, channel_priority=priority.name.lower()) == theirs
