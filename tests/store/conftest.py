"""The stores that one suite runs over: a folder, this process's memory, and a real S3 API."""

from __future__ import annotations

import datetime
import hashlib
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.lock.identity import make_lock, requirements_id
from holdfast.lock.model import Lock, LockedPackage, LockedPlatform
from holdfast.store import address as address_module
from object_stores import S3, MakeLock


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    server = S3().start()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for variable, value in s3_server.environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(address_module, "RETRIES", 3)
    monkeypatch.setattr(address_module, "LONGEST_PAUSE", datetime.timedelta(milliseconds=150))
    s3_server.heal()
    s3_server.forget()
    yield s3_server
    s3_server.heal()


@pytest.fixture
def s3_place(s3: S3) -> str:
    """The address of an empty store in a bucket of its own."""
    place = f"s3://{s3.new_bucket()}/some/prefix"
    s3.forget()
    return place


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store of each kind."""
    if request.param == "folder":
        return str(tmp_path / "team store")
    if request.param == "memory":
        return f"memory://{uuid.uuid4()}"
    return str(request.getfixturevalue("s3_place"))


@pytest.fixture
def make_environment(tmp_path: Path) -> MakeLock:
    """Make a lock of packages with random bytes, which lie in the folder ``origin``."""

    def make(
        count: int = 3, size: int = 1000, seed: int = 0, platforms: tuple[str, ...] = ("linux-64",)
    ) -> Lock:
        origin = tmp_path / "origin"
        origin.mkdir(exist_ok=True)
        made = {}
        for platform in platforms:
            packages = []
            for number in range(count):
                content = random.Random(f"{seed}/{platform}/{number}").randbytes(size + number)
                file = origin / f"p{seed}_{number}-1.0-py3-none-{platform.replace('-', '_')}.whl"
                file.write_bytes(content)
                packages.append(
                    LockedPackage(
                        kind="pypi",
                        name=f"p{seed}-{number}",
                        version="1.0",
                        file=file.name,
                        url=file.as_uri(),
                        sha256=hashlib.sha256(content).hexdigest(),
                        size=len(content),
                    )
                )
            made[platform] = LockedPlatform(virtual_packages={}, packages=tuple(packages))
        asked = {"scheme": 1, "seed": seed}
        return make_lock(asked, requirements_id(asked), made)

    return make
