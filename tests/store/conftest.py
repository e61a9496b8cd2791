"""The stores that one suite runs over: a folder, this process's memory, the APIs of S3, GCS and Azure."""

from __future__ import annotations

import datetime
import hashlib
import os
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from azurite_server import Azurite, azurite_missing
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.store.backend import address as address_module
from gcs_server import FakeGCS, gcs_missing
from object_stores import S3, MakeLock, ObjectServer

KINDS = {"s3": S3, "gs": FakeGCS, "az": Azurite}
MISSING = {"gs": gcs_missing, "az": azurite_missing}


@pytest.fixture(scope="session")
def object_server() -> Iterator[Callable[[str], ObjectServer]]:
    """Start the server of a kind of store, once, and stop all of them in the end."""
    running: dict[str, ObjectServer] = {}
    with ExitStack() as stack:

        def start(kind: str) -> ObjectServer:
            if kind not in running:
                if reason := MISSING.get(kind, lambda: None)():
                    pytest.skip(reason)
                running[kind] = KINDS[kind]().start()
                stack.callback(running[kind].stop)
            return running[kind]

        yield start


@pytest.fixture
def connect(
    object_server: Callable[[str], ObjectServer], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], ObjectServer]]:
    """Return the server of a kind of store, healthy, and point the environment to it."""
    used: list[ObjectServer] = []

    def connect(kind: str) -> ObjectServer:
        server = object_server(kind)
        for name in list(os.environ):
            if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "STORAGE_")):
                monkeypatch.delenv(name)
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(address_module, "RETRIES", 3)
        monkeypatch.setattr(address_module, "LONGEST_PAUSE", datetime.timedelta(milliseconds=150))
        server.heal()
        server.forget()
        used.append(server)
        return server

    yield connect
    for server in used:
        server.heal()


@pytest.fixture
def new_place(connect: Callable[[str], ObjectServer], tmp_path: Path) -> Callable[[str], str]:
    """Return the address of an empty store of a kind."""

    def make(kind: str) -> str:
        if kind == "folder":
            return str(tmp_path / "team store")
        return f"memory://{uuid.uuid4()}" if kind == "memory" else _in_new_bucket(connect(kind))

    return make


@pytest.fixture(params=["folder", "memory", *KINDS])
def place(request: pytest.FixtureRequest, new_place: Callable[[str], str]) -> str:
    """The address of an empty store of each kind."""
    return new_place(request.param)


@pytest.fixture(params=list(KINDS))
def cloud(request: pytest.FixtureRequest, connect: Callable[[str], ObjectServer]) -> ObjectServer:
    """The server of each kind of object store."""
    return connect(request.param)


@pytest.fixture
def cloud_place(cloud: ObjectServer) -> str:
    """The address of an empty store there, in a bucket of its own."""
    return _in_new_bucket(cloud)


@pytest.fixture
def s3(connect: Callable[[str], ObjectServer]) -> ObjectServer:
    """The S3 server, for what only S3 knows."""
    return connect("s3")


@pytest.fixture
def s3_place(s3: ObjectServer) -> str:
    """The address of an empty store there."""
    return _in_new_bucket(s3)


def _in_new_bucket(server: ObjectServer) -> str:
    place = f"{server.scheme}://{server.new_bucket()}/some/prefix"
    server.forget()
    return place


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
