"""What whoever may write a store puts there instead of a lock or a toolkit, and a container that was told
digests: nothing of it is fetched, and nothing runs."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from conjoin.api import Store
from conjoin.bootstrap import VERSION, bootstrapping, command
from conjoin.bootstrap.locked import find_locked
from conjoin.lock.format import encode
from conjoin.lock.identity import lock_digest
from conjoin.lock.model import Lock, LockedPackage
from conjoin.spec.platform import host_platform
from conjoin.store.layout import lock_key, toolkit_key
from hydrating import lock_of

HERE = host_platform()
THERE = 6
"""The exit code where digests are right: the files of the toolkit, fetched then, are not in this store."""


def described(project: str, sha256: str, *pythons: str, **more: Any) -> dict[str, Any]:
    file = f"{project}-1.0-py3-none-any.whl"
    return {"project": project, "file": file, "sha256": sha256, "size": 7, "pythons": pythons, **more}


class Bare(NamedTuple):
    """A store with a lock, the name ``team/x:v1`` and descriptions of a toolkit; files are not there."""

    store: Store
    lock: Lock
    cache: Path

    @property
    def ids(self) -> str:
        return f"{self.lock.req_id}:{self.lock.full_id}"

    def describe(self, name: str, **told: Any) -> str:
        """Write a description; return its sha256."""
        data = json.dumps({"schema": 1, "platform": HERE, **told}).encode()
        self.store.backend.put(toolkit_key(HERE, name), data)
        return hashlib.sha256(data).hexdigest()

    def toolkit(self, sha256: str = "1" * 64, pythons: tuple[str, ...] = ()) -> str:
        files = [described("msgspec", sha256, *(pythons or (bootstrapping.python_tag(), "3.12")))]
        return self.describe(f"{VERSION}.json", version=VERSION, files=files)

    def python(self, sha256: str = "2" * 64) -> str:
        return self.describe("python.json", **described("python", sha256, "3.12", executable="bin/python"))

    def swap(self) -> Lock:
        """Have the same ids mean another lock: no id tells the difference, its digest does."""
        locked = self.lock.platforms[HERE]
        packages = tuple(replace(each, dependencies=("other",)) for each in locked.packages)
        other = replace(self.lock, platforms={HERE: replace(locked, packages=packages)})
        self.store.backend.put(lock_key(other.req_id, other.full_id), encode(other))
        return other

    def run(self, env: str, *digests: str) -> int:
        words = [str(self.store.root), env, "--prefix", str(self.cache.parent / "env")]
        trusted = [word for digest in digests for word in ("--toolkit-sha256", digest)]
        return command.main([*words, "--cache", str(self.cache), *trusted])


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    package = LockedPackage(
        kind="conda",
        name="x",
        version="1",
        build="0",
        file="x-1-0.conda",
        sha256="a" * 64,
        size=7,
        subdir=HERE,
    )
    store = Store(tmp_path / "team")
    lock = lock_of([package])
    store.locks.put(lock)
    from conjoin.store.aliases import parse_alias

    store.aliases.set(parse_alias("team/x:v1"), lock)
    return Bare(store, lock, tmp_path / "node" / "cache")


def refused(bare: Bare, code: int, said: str, word: str) -> None:
    assert (code, word in said) == (5, True), said
    assert len(said.splitlines()) == 1
    # Nothing was fetched, and nothing is there that could have been run.
    assert [path for path in bare.cache.parent.rglob("*") if path.is_file()] == []


def test_a_planted_description_of_the_toolkit(bare: Bare, capsys: pytest.CaptureFixture[str]) -> None:
    true = bare.toolkit()
    assert bare.run(bare.ids, true) == THERE
    assert bare.run(bare.ids, "f" * 64, true) == THERE  # one of several
    bare.toolkit("6" * 64)
    capsys.readouterr()
    refused(bare, bare.run(bare.ids, true), capsys.readouterr().err, "the toolkit is not the one")
    assert bare.run(bare.ids) == THERE  # nobody told it


def test_a_planted_packed_python(
    bare: Bare, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    true = bare.toolkit(pythons=("3.12",))
    monkeypatch.setattr(bootstrapping, "python_tag", lambda: "3.8")  # which no wheel is for
    digests = (true, bare.python())
    assert bare.run(bare.ids, *digests) == THERE
    bare.python("6" * 64)
    capsys.readouterr()
    refused(bare, bare.run(bare.ids, *digests), capsys.readouterr().err, "python.json has sha256")
    # The digest of one that the store has, too: that of the wheels alone is not enough.
    bare.python()
    refused(bare, bare.run(bare.ids, true), capsys.readouterr().err, "python.json has sha256")


@pytest.mark.parametrize("env", ["IDS", "team/x:v1"])
def test_a_swapped_lock(env: str, bare: Bare, capsys: pytest.CaptureFixture[str]) -> None:
    bare.toolkit()
    name = bare.ids if env == "IDS" else env
    pinned = f"{name}@sha256:{lock_digest(bare.lock)}"
    assert bare.run(pinned) == THERE
    other = bare.swap()
    capsys.readouterr()
    refused(bare, bare.run(pinned), capsys.readouterr().err, "changed after it was named")
    if env != "IDS":
        # The name as well: whoever can write one object can write the other.
        refused(bare, bare.run(name), capsys.readouterr().err, "changed after it was named")
        key = "aliases/team/x/v1.json"
        found = bare.store.backend.get(key)
        assert found is not None
        told = json.loads(found.data)
        told |= {"lock_digest": lock_digest(other), "lock_sha256": hashlib.sha256(encode(other)).hexdigest()}
        bare.store.backend.put(key, json.dumps(told).encode())
        refused(bare, bare.run(pinned), capsys.readouterr().err, "this is the lock sha256:")
        assert bare.run(name) == THERE  # which is what signatures and memory are for
    assert bare.run(f"{name}@sha256:{lock_digest(other)}") == THERE
    assert bare.run(f"{name}@sha256:{'0' * 63}") == 2
    assert bare.run(f"{name}@sha256:{'0' * 64}") == 5


@pytest.mark.parametrize("what", ["lock", "toolkit"])
def test_what_metaflow_s_tasks_are_told_finds_what_was_planted(
    what: str,
    bare: Bare,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("metaflow")
    from metaflow_extensions.conjoin.plugins.environment.remote import bootstrap
    from metaflow_extensions.conjoin.plugins.environment.remote.bootstrap_command import RemoteTask

    toolkit = bare.toolkit()
    pinned = f"{bare.ids}@sha256:{lock_digest(bare.lock)}"
    line = RemoteTask(str(bare.store.root), HERE, pinned, toolkit=(toolkit,)).command
    words = line.split()[3:]
    (tmp_path / "node").mkdir()
    monkeypatch.chdir(tmp_path / "node")
    monkeypatch.setenv("CONJOIN_CACHE", str(bare.cache))
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run() -> tuple[int, str]:
        code = bootstrap.main(words)
        return code, capsys.readouterr().err

    assert run()[0] == THERE
    plant: dict[str, Callable[[], object]] = {"lock": bare.swap, "toolkit": lambda: bare.toolkit("6" * 64)}
    plant[what]()
    refused(bare, *run(), {"lock": "this is the lock sha256:", "toolkit": "the toolkit is not the one"}[what])
    assert not os.path.lexists("__conda_python")


def test_locks_of_the_same_packages_do_not_meet_on_a_node(
    bare: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests may have the same packages: each engine reads the lock that it was started for."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(bootstrapping, "Engine", lambda *given: told.append(given[2]))
    locks = [bare.lock, lock_of(bare.lock.platforms[HERE].packages, asked="otherwise")]
    assert locks[0].full_id == locks[1].full_id
    for lock in locks:
        bare.store.locks.put(lock)
        wanted = find_locked(_object_of(bare.store), f"{lock.req_id}:{lock.full_id}", HERE, "")
        downloads: Any = None
        work = bootstrapping._Work(wanted, downloads, "", str(bare.cache), "/env", None, frozenset())
        work._start(sys.executable, [])
    assert [Path(each["lock"]).read_bytes() for each in told] == [encode(lock) for lock in locks]


def _object_of(store: Store) -> Callable[[str], bytes | None]:
    def fetch(key: str) -> bytes | None:
        found = store.backend.get(key)
        return found.data if found is not None else None

    return fetch
