"""Conda channels: what they have, who may see them, and what is said when they do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from conjoin.index.conda import (
    ChannelUnreachable,
    CondaChannels,
    channel_error,
    record_document,
)
from conjoin.net.urls import without_secrets
from conjoin.solve.options import SolveOptions
from conjoin.solve.request import solve_request
from conjoin.spec.build import build_requirements
from conjoin.spec.names import CondaName
from loopback import LoopbackServer
from solving import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.conda("tool", "1.0", ["python"], purls=["pkg:pypi/tool@1.0"])
    world.conda("tool", "1.0.0", ["python"], build="1")
    world.conda("tool", "weird_1", ["python"])
    world.conda("plain", "1.0")
    world.write()
    return world


@pytest.fixture
def private(world: World) -> Iterator[LoopbackServer]:
    with LoopbackServer(world.root / "channel", auth=("ada", "s3cret")) as server:
        yield server


def test_a_package_is_known_by_its_pep_440_versions_and_purls(world: World, tmp_path: Path) -> None:
    channels = CondaChannels([world.channel_url], "linux-64", cache_dir=tmp_path / "cache")
    names = [CondaName("tool"), CondaName("plain"), CondaName("absent")]
    found = asyncio.run(channels.packages(names))
    assert set(found) == {"tool", "plain"}
    assert found[names[0]].versions == {Version("1.0"): ("1.0", "1.0.0")}
    assert found[names[0]].purls == {"pkg:pypi/tool@1.0"}
    assert found[names[0]].needs_python
    assert not found[names[1]].needs_python


def test_a_login_in_the_channel_is_used_and_never_kept(private: LoopbackServer, world: World) -> None:
    url = private.url.replace("://", "://ada:s3cret@")
    requirements = build_requirements(conda=["plain"], channels=[url])
    solution = solve_request(requirements, ["linux-64"], SolveOptions(cache_dir=world.root / "cache"))[
        "linux-64"
    ]
    assert [package.name for package in solution.conda] == ["plain"]
    assert "s3cret" not in str(solution)
    assert "s3cret" not in str(requirements)
    kept = [path for path in (world.root / "cache").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"s3cret" in path.read_bytes()]


def test_without_a_login_a_private_channel_is_unreachable(private: LoopbackServer, world: World) -> None:
    requirements = build_requirements(conda=["plain"], channels=[private.url])
    with pytest.raises(ChannelUnreachable) as caught:
        solve_request(requirements, ["linux-64"], SolveOptions(cache_dir=world.root / "cache"))
    assert caught.value.exit_code == 4
    assert "401" in str(caught.value)


def test_records_and_errors_carry_no_credentials() -> None:
    assert without_secrets("https://user:pw@host.example/t/tok-1/chan") == "https://host.example/chan"
    assert without_secrets("conda-forge") == "conda-forge"
    assert without_secrets("file:///srv/t/mine/chan") == "file:///srv/t/mine/chan", "a folder is no token"
    error = channel_error(Exception("error sending request for url (https://u:pw@host.example/t/tok/x)"))
    assert "pw" not in str(error)
    assert "tok" not in str(error)


def test_a_record_is_the_channels_document(world: World, tmp_path: Path) -> None:
    channels = CondaChannels([world.channel_url], "linux-64", cache_dir=tmp_path / "cache")
    found = asyncio.run(channels.records([CondaName("plain")]))
    document = record_document(found[CondaName("plain")][0])
    assert (document["name"], document["version"], document["fn"]) == ("plain", "1.0", "plain-1.0-0.conda")
    assert document["url"] == f"{world.channel_url}/linux-64/plain-1.0-0.conda"


@pytest.fixture
def two(tmp_path: Path) -> World:
    """Two channels: ``tool`` 1.0 in the first one and 2.0 in the second, ``extra`` in the second alone."""
    world = World(tmp_path)
    world.conda("tool", "1.0", channel="first")
    world.conda("tool", "2.0", channel="second")
    world.conda("extra", "1.0", ["tool >=2"], channel="second")
    world.write()
    return world


@pytest.mark.parametrize("name", ["mine", "defaults", "conda-forge"])
def test_channels_under_one_name_count_as_one_channel(two: World, name: str) -> None:
    urls = [(two.root / channel).as_uri() for channel in ("first", "second")]
    apart = two.solve(["tool"], channels=urls).conda
    as_one = two.solve(["tool"], channels=[name], channel_aliases={name: urls}).conda
    assert (apart, as_one) == ({"tool": "1.0"}, {"tool": "2.0"})
    of_it = two.solve([f"{name}::extra"], channels=[urls[0]], channel_aliases={name: urls[1]})
    assert of_it.conda == {"extra": "1.0", "tool": "2.0"}


def test_a_name_for_one_url_is_that_channel_and_its_login_is_used(
    private: LoopbackServer, world: World
) -> None:
    url = private.url.replace("://", "://ada:s3cret@")
    requirements = build_requirements(conda=["plain"], channels=["ours"], channel_aliases={"ours": url})
    solution = solve_request(requirements, ["linux-64"], SolveOptions(cache_dir=world.root / "cache"))[
        "linux-64"
    ]
    assert [package.document["url"] for package in solution.conda] == [
        f"{private.url}/linux-64/plain-1.0-0.conda"
    ]
    assert "s3cret" not in str(solution)


@pytest.mark.parametrize(
    ("platform", "parts"), [("linux-64", ["main", "r"]), ("win-64", ["main", "r", "msys2"])]
)
def test_defaults_is_the_multichannel_that_conda_users_know(
    platform: str, parts: list[str], tmp_path: Path
) -> None:
    [source] = CondaChannels(["defaults"], platform, cache_dir=tmp_path).sources
    assert source.name == "defaults"
    assert [one.base_url.rstrip("/").rpartition("/")[2] for one in source.sources] == parts
