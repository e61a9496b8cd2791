"""Object stores on bad days, and what they cost on good ones: each kind's API behind a proxy with faults."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from conjoin.api import Store
from conjoin.errors import IntegrityError, Unreachable, UsageError
from conjoin.lock.format import write_lock
from conjoin.store.backend import address as address_module
from conjoin.store.backend import cloud_streams
from conjoin.store.backend.address import Address, parse_address
from conjoin.store.layout import package_key
from conjoin.store.transfer.fetch import Fetcher
from hydrating import BASE, conda_packages, lock_of, output
from object_stores import S3, Answer, MakeLock, ObjectServer


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket/a/b/", Address("s3", "bucket", "a/b")),
        ("gs://bucket", Address("gs", "bucket", "")),
        ("az://container/x", Address("az", "container", "x")),
        ("memory://", Address("memory", "", "")),
        ("file:///a%20b", Path("/a b")),
        ("/a/b", Path("/a/b")),
    ],
)
def test_an_address_is_a_folder_or_a_bucket_and_a_prefix(text: str, address: Address | Path) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "ftp://x/y",
        "s3://key:hidden@bucket/x",
        "s3://b/x?hidden=1",
        "s3://b/../x",
        "s3://b//x",
        "file://host/x",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_secrets(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Store(text)
    assert "hidden" not in str(caught.value)


def test_an_environment_that_is_there_costs_a_handful_of_requests(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock
) -> None:
    lock = make_environment(40)
    Store(cloud_place).push(lock, alias="x:v1")
    assert cloud.count("PUT", "*/packages/*") == 40
    cloud.forget()
    Store(cloud_place).push(lock, alias="x:v1")
    assert len(cloud.requests) == 3, cloud.requests
    cloud.forget()
    assert Store(cloud_place).get("x:v1") == lock
    assert len(cloud.requests) <= 2, cloud.requests


def test_an_interrupted_push_asks_once_for_each_package_and_sends_the_rest(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock
) -> None:
    lock = make_environment(20)
    gone = lock.platforms["linux-64"].packages[7].file
    cloud.fail(f"*{gone}", 403, None, ("PUT",))
    with pytest.raises(Unreachable, match="refuses these credentials"):
        Store(cloud_place).push(lock)
    sent = cloud.count("PUT", "*/packages/*") - cloud.count("PUT", f"*{gone}")
    cloud.heal()
    cloud.forget()
    Store(cloud_place).push(lock)
    assert cloud.count("PUT", "*/packages/*") == 20 - sent
    assert cloud.count("HEAD") == 20


@pytest.mark.parametrize("fault", [500, 503, 429, "cut"])
def test_a_store_that_recovers_is_tried_again(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, fault: int | str
) -> None:
    lock = make_environment(3)
    for methods in (("GET",), ("PUT",), ("HEAD",)):
        if isinstance(fault, int):
            cloud.fail("*", fault, 2, methods)
        else:
            cloud.cut("*", 2, methods)
    Store(cloud_place).push(lock, alias="x:v1")
    assert cloud._faults == []
    assert Store(cloud_place).get("x:v1") == lock


@pytest.mark.parametrize("tag", ["v1", "latest"])
def test_a_write_that_meets_another_on_its_way_is_tried_again(
    s3: S3, s3_place: str, make_environment: MakeLock, tag: str
) -> None:
    """S3 answers 409 (ConditionalRequestConflict); the other write may fail, so nothing is decided yet."""
    lock = make_environment(1)
    for key in ("lock.json", f"{tag}.json"):
        s3.fail(f"*/{key}", 409, 2, ("PUT",))
    Store(s3_place).push(lock, alias=f"x:{tag}")
    assert s3._faults == []
    assert Store(s3_place).get(f"x:{tag}") == lock


def test_a_write_whose_answer_was_lost_is_not_taken_for_another_s(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write happened, its answer did not arrive, and the next try meets what the first one wrote."""
    lock = make_environment(1)
    forward, lost = cloud.forward, []

    def losing(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        answer = forward(method, path, headers, body)
        if method == "PUT" and unquote(path).endswith(".json") and unquote(path) not in lost:
            lost.append(unquote(path))
            return Answer(503, {}, b"")
        return answer

    monkeypatch.setattr(cloud, "forward", losing)
    Store(cloud_place).push(lock, alias="x:v1")
    Store(cloud_place).push(lock, alias="x:latest")
    assert {path.rpartition("/")[2] for path in lost} >= {"lock.json", "v1.json", "latest.json"}
    assert Store(cloud_place).get("x:v1") == lock


@pytest.mark.parametrize("fault", [503, 429, "cut", 403, 301])
def test_a_store_that_does_not_recover_is_unreachable_and_no_secret_is_told(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, fault: int | str
) -> None:
    lock = make_environment(2)
    if isinstance(fault, int):
        cloud.fail("*", fault, None)
    else:
        cloud.cut("*", None)
    for work in (lambda: Store(cloud_place).push(lock, alias="x:v1"), lambda: Store(cloud_place).get("x:v1")):
        with pytest.raises(Unreachable) as caught:
            work()
        assert caught.value.exit_code == 4
        assert caught.value.where is not None
        assert caught.value.where.startswith(cloud_place)
        assert caught.value.advice
        assert not any(secret in str(caught.value) for secret in cloud.secrets)
    cloud.heal()
    assert list(Store(cloud_place).aliases.all()) == []
    Store(cloud_place).push(lock, alias="x:v1")


def test_a_store_that_falls_silent_is_tried_again_and_then_unreachable(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_module, "SILENCE", timedelta(seconds=0.3))
    lock = make_environment(2)
    cloud.delay("*", 0.6, 1, ("PUT",))
    cloud.delay("*", 0.6, 2, ("GET",))
    Store(cloud_place).push(lock, alias="x:v1")
    cloud.delay("*", 0.6, None, ("GET",))
    with pytest.raises(Unreachable, match="does not answer in time"):
        Store(cloud_place).get("x:v1")


def test_an_upload_may_take_longer_than_a_server_may_be_silent(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_module, "SILENCE", timedelta(seconds=0.3))
    cloud.delay("*/packages/*", 0.6, None, ("PUT",))
    Store(cloud_place).push(make_environment(1, 20_000_000))
    assert cloud.count("PUT", f"*/packages/*{cloud.part}*") == 3  # and none of them twice


def test_a_store_that_is_not_there_is_unreachable_soon(
    cloud: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in cloud.environment().items():
        monkeypatch.setenv(variable, value.replace(cloud.url, "http://127.0.0.1:1"))
    monkeypatch.setattr(address_module, "PATIENCE", timedelta(seconds=1))
    with pytest.raises(Unreachable, match="the connection"):
        Store(f"{cloud.scheme}://bucket/x").get("x:v1")


def test_a_bucket_that_does_not_exist_says_so(cloud: ObjectServer, make_environment: MakeLock) -> None:
    with pytest.raises(Unreachable, match="no such bucket"):
        Store(f"{cloud.scheme}://no-such-bucket/x").push(make_environment(1))


def test_an_azure_container_without_an_account_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(variable)
    with pytest.raises(Unreachable, match="AZURE_STORAGE_ACCOUNT_NAME is not set"):
        Store("az://container/x")
    (tmp_path / "az").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    with pytest.raises(Unreachable, match="az://container/x"):  # asks az, which has no login
        Store("az://container/x").get("x:v1")


# Not Azure: its clients sign these headers, so nothing in between can drop them.
@pytest.mark.parametrize("cloud", ["s3", "gs"], indirect=True)
def test_a_server_that_ignores_conditions_is_refused(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock
) -> None:
    cloud.ignores_conditions = True
    with pytest.raises(Unreachable, match="ignores conditional writes"):
        Store(cloud_place).push(make_environment(1), alias="x:v1")
    assert list(Store(cloud_place).aliases.all()) == []
    assert list(Store(cloud_place).locks.ids()) == []


def test_keys_come_from_a_profile_where_the_environment_has_none(
    s3: S3, s3_place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n"
        "[team]\naws_access_key_id = key-of-team\naws_secret_access_key = x\n"
    )
    (tmp_path / "config").write_text("[profile team]\nregion = eu-west-1\n")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "team")
    Store(s3_place).backend.keys("aliases")
    [sent] = s3.authorizations
    assert "Credential=key-of-team/" in sent
    assert "/eu-west-1/s3/" in sent


def test_a_machine_that_cannot_reach_the_origin_hydrates_from_the_store_alone(
    cloud: ObjectServer,
    cloud_place: str,
    forged_channel: Path,
    isolated_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from conjoin.prefix.hydrate import HydrateOptions, hydrate

    packages = conda_packages(forged_channel, names=BASE)
    for package in packages:
        Store().packages.put(
            package.sha256,
            package.file,
            [(forged_channel / package.subdir / package.file).read_bytes()],
        )
    unreachable = conda_packages(forged_channel, "http://127.0.0.1:1/channel", BASE)
    Store(cloud_place).push(lock_of(unreachable), alias="team/x:v1")
    for variable in ("STORE", "CACHE", "ENVS"):
        monkeypatch.setenv(f"CONJOIN_{variable}", str(isolated_home / "another machine" / variable))
    cloud.forget()
    cloud.truncate("*/packages/*", 5000, 2)  # resumed
    lock = Store(cloud_place).get("team/x:v1")
    prefix = hydrate(lock, options=HydrateOptions(prefix=isolated_home / "prefix"), store=Store(cloud_place))
    assert output(prefix / "bin/tinyapp")
    assert cloud._faults == []
    cloud.forget()
    hydrate(lock, options=HydrateOptions(prefix=isolated_home / "second prefix"), store=Store(cloud_place))
    assert cloud.requests == []


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch what has four megabytes as if it were big: moving more tells nothing more."""
    monkeypatch.setattr(cloud_streams, "_RANGE", 1 << 20)
    monkeypatch.setattr(cloud_streams, "_BIG", 4 << 20)


def test_a_big_package_comes_in_parts_several_at_a_time_and_bad_ones_come_again(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, tmp_path: Path, small_parts: None
) -> None:
    lock = make_environment(1, 5_000_000)
    [package] = lock.platforms["linux-64"].packages
    Store(cloud_place).push(lock)
    cloud.forget()
    cloud.truncate("*/packages/*", 5000, 2)
    cloud.cut("*/packages/*", 1, ("GET",))
    cloud.fail("*/packages/*", 503, 1, ("GET",))
    path = Fetcher(Store().packages, shared=Store(cloud_place).shared).fetch(package)
    assert path.read_bytes() == (tmp_path / "origin" / package.file).read_bytes()
    assert cloud._faults == []
    assert cloud.count("GET", "*/packages/*") == 5 + 4  # a megabyte each, and one more for each fault
    assert len(cloud.requests) == 5 + 4


def test_a_big_package_comes_whole_from_a_server_that_knows_no_parts(
    s3: ObjectServer,
    s3_place: str,
    make_environment: MakeLock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_parts: None,
) -> None:
    lock = make_environment(1, 5_000_000)
    [package] = lock.platforms["linux-64"].packages
    Store(s3_place).push(lock)
    forward = s3.forward

    def whole(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        return forward(method, path, {k: v for k, v in headers.items() if k.lower() != "range"}, body)

    monkeypatch.setattr(s3, "forward", whole)
    path = Fetcher(Store().packages, shared=Store(s3_place).shared).fetch(package)
    assert path.read_bytes() == (tmp_path / "origin" / package.file).read_bytes()


def test_a_big_package_that_does_not_come_is_unreachable_and_leaves_nothing(
    cloud: ObjectServer, cloud_place: str, make_environment: MakeLock, isolated_home: Path, small_parts: None
) -> None:
    lock = make_environment(1, 5_000_000)
    [package] = lock.platforms["linux-64"].packages
    Store(cloud_place).push(lock)
    fetcher = Fetcher(Store().packages, shared=Store(cloud_place).shared)
    cloud.corrupt("*/packages/*", 1)
    with pytest.raises(IntegrityError, match="not the file that was locked"):
        fetcher.fetch(package)
    cloud.fail("*/packages/*", 503, None, ("GET",))
    with pytest.raises(Unreachable, match="503"):
        fetcher.fetch(package)
    assert not [path for path in (isolated_home / "store").rglob("*") if path.is_file()]


def test_wrong_bytes_from_the_store_are_an_integrity_error_and_nothing_is_made(
    cloud: ObjectServer, cloud_place: str, forged_channel: Path, isolated_home: Path
) -> None:
    from conjoin.prefix.hydrate import HydrateOptions, hydrate

    lock = lock_of(conda_packages(forged_channel, names=BASE))
    Store(cloud_place).push(lock)
    cloud.corrupt("*tinylib*", None)
    with pytest.raises(IntegrityError, match="tinylib") as caught:
        hydrate(lock, options=HydrateOptions(prefix=isolated_home / "prefix"), store=Store(cloud_place))
    assert caught.value.exit_code == 5
    assert str(caught.value).startswith(cloud_place)
    assert not (isolated_home / "prefix").exists()
    assert list((isolated_home / "store").rglob("tinylib*")) == []


PUSH = """
import sys
from pathlib import Path
from conjoin.lock.format import read_lock
from conjoin.api import Store
Store(sys.argv[1]).push(read_lock(Path(sys.argv[2])), alias=sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "rounds"),
    [
        *(("folder", 4), ("s3", 4)),
        *(pytest.param(kind, 20, marks=pytest.mark.scale) for kind in ("folder", "s3", "gs", "az")),
    ],
)
def test_whatever_can_be_found_after_a_kill_is_complete_and_the_next_push_finishes(
    kind: str,
    rounds: int,
    make_environment: MakeLock,
    tmp_path: Path,
    new_place: Callable[[str], str],
) -> None:
    place = new_place(kind)
    lock = make_environment(30, 20_000)
    file = tmp_path / "x.lock"
    write_lock(file, lock)
    command = [sys.executable, "-c", PUSH, place, str(file)]
    started = time.monotonic()
    subprocess.run([*command, "whole:v1"], check=True)
    whole = time.monotonic() - started
    chance = random.Random(kind)
    stopped = 0
    for round_ in range(rounds):
        lock = make_environment(30, 20_000, seed=round_ + 1)
        write_lock(file, lock)
        process = subprocess.Popen([*command, f"killed:v{round_}"])
        started = time.monotonic()
        try:
            process.wait(chance.uniform(0.3, 1.0) * whole)
            whole = time.monotonic() - started  # the machine is not as busy as it was
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        stopped += process.wait() != 0
        store = Store(place)
        if store.locks.has(lock.req_id, lock.full_id):
            assert all(
                store.backend.size(package_key(each.sha256, each.file)) == each.size
                for each in lock.platforms["linux-64"].packages
            )
        for alias in store.aliases.all("killed"):
            assert store.locks.has(*store.aliases.get(alias).ids)
        store.push(lock, alias=f"killed:v{round_}")
        assert Store(place).get(f"killed:v{round_}") == lock
    assert stopped > rounds // 8
