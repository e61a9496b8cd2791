"""Built wheels by their build key: found where they are whole, and nowhere else."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from conjoin.build.jobs import build_key
from conjoin.errors import UsageError
from conjoin.lock.model import LockedPackage
from conjoin.store.builds import Builds, note_builds
from conjoin.store.gc.collect import find_garbage, sweep
from conjoin.store.store import Store

KEY = build_key("git:x@y", ["setuptools"], "")
WHEEL = b"a wheel"
SHA256 = hashlib.sha256(WHEEL).hexdigest()


def locked(content: bytes = WHEEL, key: str = KEY) -> LockedPackage:
    return LockedPackage(
        kind="pypi",
        name="app",
        version="1.0",
        file="app-1.0-py3-none-any.whl",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        build_key=key,
    )


def keep(store: Store, content: bytes = WHEEL) -> Path:
    package = locked(content)
    path = store.packages.put(package.sha256, package.file, [content])
    note_builds(store.backend, [package])
    return path


def test_a_wheel_is_found_here_and_in_a_store_that_many_use(tmp_path: Path) -> None:
    assert Builds(Store()).find(KEY) is None
    team = Store(tmp_path / "team")
    kept = keep(team)
    assert Builds(Store()).find(KEY) is None
    assert Builds(team).find(KEY) == kept
    assert Builds(Store()).find(build_key("git:x@z", ["setuptools"], "")) is None


def test_a_wheel_that_is_gone_or_damaged_is_not_found() -> None:
    store = Store()
    path = keep(store)
    path.write_bytes(b"another")
    assert Builds(store).find(KEY) is None
    path.unlink()
    assert Builds(store).find(KEY) is None


def test_what_was_collected_is_replaced() -> None:
    store = Store()
    keep(store).unlink()
    again = keep(store, b"built again")
    assert Builds(store).find(KEY) == again


@pytest.mark.parametrize("note", [b"", b"[]", b"{}", b'{"file": "../x.whl", "sha256": "00"}', b"\xff"])
def test_a_note_that_means_nothing_is_none(note: bytes) -> None:
    store = Store()
    store.backend.put(f"builds/{KEY[:2]}/{KEY}", note)
    assert Builds(store).find(KEY) is None


def test_notes_go_with_their_wheels_and_not_before() -> None:
    store = Store()
    path = keep(store)
    later = time.time() + 10 * 86400
    assert not find_garbage(store, 0).pieces  # just written
    kinds = [piece.kind for piece in find_garbage(store, 0, now=later).pieces]
    assert kinds == ["records", "packages"]
    list(sweep(store, find_garbage(store, 0, now=later)))
    assert not path.exists()
    assert store.backend.keys("builds") == []


def test_only_digests_are_keys() -> None:
    with pytest.raises(UsageError):
        note_builds(Store().backend, [locked(key="../../x")])


def test_the_parts_of_a_build_key_count_and_their_order_does_not() -> None:
    keys = [
        build_key("a", ["x", "y"], ""),
        build_key("b", ["x", "y"], ""),
        build_key("a", ["x"], ""),
        build_key("a", ["x", "y"], "2026-01-01T00:00:00Z"),
        build_key("a", ["x", "y"], "", "cp311", "linux-64"),
        build_key("a", ["x", "y"], "", "cp312", "linux-64"),
        build_key("a", ["x", "y"], "", "cp311", "osx-arm64"),
    ]
    assert len(set(keys)) == len(keys)
    assert build_key("a", ["y", "x", "x"], "") == keys[0]
