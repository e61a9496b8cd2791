"""Decided once, then reused: resolving against the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import conjoin
from conjoin.lock.format import encode
from conjoin.lock.model import LockedPlatform
from conjoin.resolving import ResolveOptions, resolve_request
from conjoin.spec.build import build_requirements
from conjoin.spec.requirements import Requirements
from loopback import LoopbackServer
from solving import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    for platform in ("linux-64", "osx-arm64"):
        world.python("3.11.1", "3.12.1", subdir=platform)
    world.conda("numpy", "1.26.4", ["python"], subdir="noarch", noarch="python")
    world.conda("numpy", "2.1.0", ["python"], subdir="noarch", noarch="python")
    world.wheel("model", "1.0", ["numpy<2", "helper"])
    world.wheel("helper", "1.0")
    world.write()
    return world


def _asked(world: World, *, turned: bool = False) -> Requirements:
    conda, pypi = ["numpy", "python >=3.10"], ["model", "helper>=0.5"]
    if turned:
        conda, pypi = conda[::-1], pypi[::-1]
    return build_requirements(conda=conda, pypi=pypi, channels=[world.channel_url], index_url=world.index_url)


def test_the_second_time_nothing_is_solved_and_nothing_is_fetched(world: World) -> None:
    with LoopbackServer(world.root) as server:
        requirements = build_requirements(
            conda=["numpy"],
            pypi=["model"],
            channels=[f"{server.url}/channel"],
            index_url=f"{server.url}/index",
        )
        first = resolve_request(requirements, ["linux-64"])
        asked = len(server.requests)
        second = resolve_request(requirements, ["linux-64"])
        assert len(server.requests) == asked > 0
    assert first.newly_resolved
    assert not second.newly_resolved
    assert second.lock == first.lock


def test_two_users_with_empty_caches_get_the_same_bytes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for user, turned in (("ada", False), ("grace", True), ("ada", True)):
        for variable in ("STORE", "ENVS", "CACHE"):
            monkeypatch.setenv(f"CONJOIN_{variable}", str(tmp_path / user / variable.lower()))
        made.append(
            encode(
                resolve_request(_asked(world, turned=turned), ["linux-64"], ResolveOptions(force=True)).lock
            )
        )
    assert made[0] == made[1] == made[2]


def test_a_platform_more_keeps_what_was_decided_for_the_others(world: World) -> None:
    first = resolve_request(_asked(world), ["linux-64"]).lock
    world.wheel("helper", "2.0")
    world.write()
    both = resolve_request(_asked(world), ["linux-64", "osx-arm64"])
    assert both.newly_resolved
    assert both.lock.platforms["linux-64"] == first.platforms["linux-64"]
    assert both.lock.req_id == first.req_id
    assert both.lock.full_id != first.full_id
    assert not resolve_request(_asked(world), ["osx-arm64"]).newly_resolved


def test_a_platform_more_has_to_agree_where_versions_are_held_equal(world: World) -> None:
    asked = replace(_asked(world), same_versions=True)
    world.wheel("helper", "2.0", tags="cp312-cp312-manylinux_2_17_x86_64")
    world.write()
    first = resolve_request(asked, ["linux-64"]).lock
    both = resolve_request(asked, ["osx-arm64"]).lock
    assert [_version_of("helper", first.platforms["linux-64"])] == ["2.0"]
    assert {_version_of("helper", locked) for locked in both.platforms.values()} == {"1.0"}
    assert sorted(both.platforms) == ["linux-64", "osx-arm64"]
    assert not resolve_request(asked, ["linux-64"]).newly_resolved
    updated = resolve_request(asked, ["linux-64"], ResolveOptions(update=["helper"])).lock
    assert {_version_of("helper", locked) for locked in updated.platforms.values()} == {"1.0"}


def _version_of(name: str, locked: LockedPlatform) -> str:
    return next(package.version for package in locked.packages if package.name == name)


def test_force_solves_again_and_becomes_the_default(world: World) -> None:
    requirements = _asked(world)
    first = resolve_request(requirements, ["linux-64"]).lock
    world.wheel("helper", "2.0")
    world.write()
    assert resolve_request(requirements, ["linux-64"]).lock == first
    forced = resolve_request(requirements, ["linux-64"], ResolveOptions(force=True)).lock
    assert forced.full_id != first.full_id
    assert resolve_request(requirements, ["linux-64"]).lock == forced


def test_a_dry_run_keeps_nothing(world: World) -> None:
    requirements = _asked(world)
    assert resolve_request(requirements, ["linux-64"], ResolveOptions(dry_run=True)).newly_resolved
    assert resolve_request(requirements, ["linux-64"]).newly_resolved


def test_the_public_functions_do_the_same(world: World) -> None:
    lock = conjoin.resolve(_asked(world), platforms=["linux-64"])
    packages = {package.name: package for package in lock.platforms["linux-64"].packages}
    assert packages["numpy"].kind == "conda"
    assert packages["numpy"].version == "1.26.4"
    assert packages["numpy"].provides == ("numpy",)
    assert packages["model"].kind == "pypi"
    assert packages["model"].dependencies == ("helper", "numpy<2")
    assert callable(conjoin.hydrate)
