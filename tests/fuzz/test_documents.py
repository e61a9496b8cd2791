"""Documents of stores and locks, which anybody may have written who can write there."""

# ruff: noqa: E501 - a document reads best in one line

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conjoin.bootstrap.locked import find_locked
from conjoin.bootstrap.machine import check_machine
from conjoin.bootstrap.toolkit import read_python, read_toolkit
from conjoin.errors import ConjoinError
from conjoin.lock.format import decode, encode
from conjoin.lock.model import Lock, LockedPackage
from conjoin.lock.outline import read_outline
from conjoin.prefix.link import rattler_bridge
from conjoin.prefix.link.wheels import direct_url
from conjoin.store.aliases import Aliases, parse_alias
from conjoin.store.announcements import read_announcements
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.builds import notes_of
from conjoin.store.bundle.reader import open_bundle
from conjoin.store.deployments import Deployments
from conjoin.store.gc_lock import LeaseGcLock
from conjoin.store.locks import Locks
from fuzzing import examples
from hostile import SECONDS, damaged, documents, refused_at_most
from hydrating import lock_of

IDS = ("a" * 40, "b" * 40)
LOCK = lock_of(
    [
        LockedPackage(
            kind="conda",
            name="tinylib",
            version="1.0",
            build="0",
            file="tinylib-1.0-0.conda",
            url="https://host.example/ch/noarch/tinylib-1.0-0.conda",
            sha256="ab" * 32,
            md5="cd" * 16,
            size=1,
            subdir="noarch",
            channel="https://host.example/ch",
            noarch="python",
            dependencies=("python >=3.9", "__glibc >=2.17"),
            timestamp=1_700_000_000_000,
        ),
        LockedPackage(
            kind="pypi",
            name="x",
            version="1.0",
            file="x-1.0-py3-none-any.whl",
            url="https://host.example/x-1.0-py3-none-any.whl",
            sha256="ef" * 32,
            size=1,
            source_url="git+https://host.example/x@" + "0" * 40,
            direct=True,
        ),
    ],
    conda=["tinylib"],
    base=":".join(IDS),
)
MOVE = {"req_id": IDS[0], "full_id": IDS[1], "user": "ann", "time": "2026-01-01T00:00:00Z"}
FILE = {
    "project": "uv",
    "file": "uv-1.0-py3-none-any.whl",
    "sha256": "ab" * 32,
    "size": 1,
    "pythons": ["3.11"],
    "executable": "bin/python",
}


@given(documents(json.loads(encode(LOCK))))
@settings(max_examples=examples(2 * SECONDS))
def test_locks(data: bytes) -> None:
    refused_at_most(lambda: decode(data, "env.lock"))
    refused_at_most(lambda: read_outline(data, "env.lock").base)
    refused_at_most(lambda: _bootstrap(data))


def _bootstrap(data: bytes) -> None:
    found = find_locked(lambda _key: data, ":".join(IDS), "linux-64", "a store")
    check_machine("linux-64", found.packages)


@given(st.data())
@settings(max_examples=examples(2 * SECONDS))
def test_what_a_lock_says_of_packages(data: st.DataObject) -> None:
    """Whoever writes a lock computes its ids as well: its fields are all that can be looked at."""
    package = json.loads(encode(LOCK))["platforms"]["linux-64"]["packages"][data.draw(st.integers(0, 1))]
    try:
        changed = msgspec.json.decode(data.draw(documents(package)), type=LockedPackage)
        lock = decode(encode(lock_of([changed])), "env.lock")
    except (msgspec.DecodeError, RecursionError, ValueError, ConjoinError):
        return
    refused_at_most(lambda: _linked(lock))


def _linked(lock: Lock) -> None:
    for locked in lock.platforms.values():
        for package in locked.packages:
            direct_url(package)
            rattler_bridge.unmet(package.dependencies, {"__glibc": "2.28=0"})
            if package.kind == "conda":
                rattler_bridge._record(package)


def _held(backend: FolderBackend) -> None:
    with LeaseGcLock(backend).held():
        pass


def _toolkit(backend: FolderBackend) -> None:
    found = backend.get("toolkit/linux-64/wheels.json")
    assert found is not None
    refused_at_most(lambda: read_toolkit(lambda _key: found.data, "linux-64", "a store"))
    refused_at_most(lambda: read_python(lambda _key: found.data, "linux-64", "a store", "3.7"))


STORED: dict[str, tuple[str, Any, Callable[[FolderBackend], object]]] = {
    "alias": (
        "aliases/team/x/latest.json",
        {**MOVE, "earlier": [MOVE], "forgotten": 1},
        lambda backend: Aliases(backend).history(parse_alias("team/x")),
    ),
    "deployments": (
        "deployments/argo/train.json",
        {"schema": 1, "deployments": [{"environments": {":".join(IDS): ["start"]}, "user": "ann", "time": ""}]},
        lambda backend: Deployments(backend).get("argo/train"),
    ),
    "pointer": (
        f"envs/{IDS[0]}/by-user/ann/20260101T000000.000000Z-{IDS[1]}.json",
        {**MOVE, "versions": {"conjoin": "1"}},
        lambda backend: Locks(backend).pointers(IDS[0]),
    ),
    "build": (
        "builds/ab/" + "ab" * 32,
        {"file": "x-1-py3-none-any.whl", "sha256": "ab" * 32, "size": 1, "build_key": "", "built_with": []},
        lambda backend: notes_of(backend, {"ab" * 32}),
    ),
    "announcement": (
        "announced/x.json",
        {"req_id": IDS[0], "full_id": IDS[1], "sha256": ["ab" * 32]},
        lambda backend: read_announcements(backend, 0.0),
    ),
    "lease": (
        "gc/lease.json",
        {"user": "ann", "until": 1.0, "turn": "x"},
        _held,
    ),
    "toolkit": (
        "toolkit/linux-64/wheels.json",
        {"schema": 1, "files": [FILE, FILE]},
        _toolkit,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORED)
def test_objects_of_a_store(kind: str, tmp_path: Path) -> None:
    key, seed, read = STORED[kind]
    path = tmp_path / key
    path.parent.mkdir(parents=True)
    backend = FolderBackend(tmp_path)

    @given(documents(seed))
    @settings(max_examples=examples(SECONDS))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        refused_at_most(lambda: read(backend))

    check()


def test_bundles(tmp_path: Path) -> None:
    path = tmp_path / "x.bundle"
    manifest = json.dumps({"format": 1, **MOVE, "platforms": ["linux-64"], "files": [], "alias": ""}).encode()

    from conjoin.store.bundle.format import MANIFEST_KEY, header

    @given(documents(json.loads(manifest)), damaged(header(MANIFEST_KEY, len(manifest)) + manifest))
    @settings(max_examples=examples(SECONDS))
    def check(document: bytes, whole: bytes) -> None:
        for data in (header(MANIFEST_KEY, len(document)) + document, whole):
            path.write_bytes(data)

            def read() -> None:
                with open_bundle(path) as bundle:
                    assert bundle.packages is not None

            refused_at_most(read)

    check()
