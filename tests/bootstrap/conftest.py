"""A store in a real S3 API with an environment and a toolkit, made once, and bare containers beside it."""

from __future__ import annotations

import dataclasses
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.lock.model import Lock
from conjoin.toolkit.making import Made, make_toolkit
from containers import Container, bare_python, copy_code
from hydrating import BASE, conda_packages, lock_of, locked_wheel
from networks import Network, no_networks
from object_stores import S3
from worlds import make_wheel


@dataclass
class CloudWorld:
    """The S3 server, the store in it, and what is there."""

    s3: S3
    place: str
    lock: Lock
    made: Made
    network: Network | None

    @property
    def ids(self) -> str:
        return f"{self.lock.req_id}:{self.lock.full_id}"

    def object(self, key: str) -> bytes:
        """Return an object of the store."""
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in self.s3.environment().items():
                patch.setenv(variable, value)
            found = Store(self.place).backend.get(key)
        assert found is not None
        return found.data

    @property
    def packages(self) -> int:
        return sum(len(each.packages) for each in self.lock.platforms.values())


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that all xdist workers share; nobody else writes while the fixtures that use it are made."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "containers"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def configured_wheels(installed_toolkit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take toolkits from those wheels alone."""
    (tmp_path / "empty index").mkdir()
    monkeypatch.setenv("CONJOIN_INDEX_URL", (tmp_path / "empty index").as_uri())
    monkeypatch.setenv("CONJOIN_FIND_LINKS", str(installed_toolkit))
    return installed_toolkit


@pytest.fixture(scope="session")
def cloud_world(
    tmp_path_factory: pytest.TempPathFactory, installed_toolkit: Path, forged_channel: Path
) -> Iterator[CloudWorld]:
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "empty").mkdir()
    s3 = S3()
    s3.start()
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in s3.environment().items():
            patch.setenv(variable, value)
        for name in ("STORE", "ENVS", "CACHE", "STATE"):
            patch.setenv(f"CONJOIN_{name}", str(folder / "home" / name.lower()))
        patch.setenv("CONJOIN_CONFIG", os.devnull)
        patch.setenv("CONJOIN_PROJECT", os.devnull)
        patch.setenv("CONJOIN_INDEX_URL", (folder / "empty").as_uri())
        patch.setenv("CONJOIN_FIND_LINKS", str(installed_toolkit))
        place = f"s3://{s3.new_bucket()}/team/envs"
        store = Store(place)
        wheel = make_wheel(folder, "shelf", "1.0", entry_points={"shelf": "shelf:main"})
        lock = lock_of([*conda_packages(forged_channel, names=BASE), locked_wheel(wheel)])
        store.push(lock, alias="team/x:v1")
        made = make_toolkit(store, "linux-64", lock)
    network = None if no_networks() else Network()
    if network:
        s3.enter(network)
    yield CloudWorld(s3, place, lock, made, network)
    s3.stop()
    if network:
        network.close()


@pytest.fixture
def cloud_world_healed(cloud_world: CloudWorld) -> Iterator[CloudWorld]:
    cloud_world.s3.heal()
    cloud_world.s3.forget()
    yield cloud_world
    cloud_world.s3.heal()


@pytest.fixture(scope="session")
def code(shared_folder: Path) -> Path:
    """What a code package brings of Conjoin."""
    with (shared_folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return copy_code(shared_folder / "code")


@pytest.fixture(scope="session")
def python(shared_folder: Path) -> Path:
    with (shared_folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return bare_python(shared_folder / "python")


@pytest.fixture
def container(tmp_path: Path, code: Path, python: Path, cloud_world: CloudWorld) -> Container:
    """A new node."""
    return Container(tmp_path / "node", python, code, cloud_world.s3.environment(), cloud_world.network)


@pytest.fixture(scope="session")
def used_node(
    tmp_path_factory: pytest.TempPathFactory, cloud_world: CloudWorld, code: Path, python: Path
) -> Container:
    """A node that has the toolkit already; tests on it give caches for packages of their own."""
    container = Container(
        tmp_path_factory.mktemp("used") / "node",
        python,
        code,
        cloud_world.s3.environment(),
        cloud_world.network,
    )
    done = container.run(cloud_world.place, cloud_world.ids)
    assert done.returncode == 0, done.stderr
    return container


@pytest.fixture
def node(used_node: Container, tmp_path: Path) -> Container:
    """A node that has the toolkit, and no package."""
    fresh = dataclasses.replace(used_node, folder=tmp_path / "node")
    fresh.cache.mkdir(parents=True)
    (fresh.cache / "toolkit").symlink_to(used_node.cache / "toolkit")
    return fresh
