"""A lock binds the tree: a changed field is refused, or another environment, or gives the same tree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from conjoin.errors import ConjoinError, IntegrityError, UsageError
from conjoin.lock.format import decode, encode
from conjoin.lock.identity import make_lock, platform_digest
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.prefix import Marker, prefix_path, read_marker
from conjoin.spec.platform import host_platform
from hydrating import conda_packages, lock_of, locked_wheel, tree
from worlds import make_wheel

HERE = host_platform()
OTHER = "osx-arm64" if HERE != "osx-arm64" else "linux-64"

CHANGES: dict[str, Any] = {
    "name": "other",
    "version": "9",
    "build": "zz",
    "build_number": 7,
    "file": "other-9-zz.conda",
    "url": "https://mirror.example/noarch/tinylib-1.0-0.conda",
    "channel": "https://mirror.example/",
    "subdir": HERE,
    "noarch": "generic",
    "sha256": "0" * 64,
    "md5": "0" * 32,
    "size": 5,
    "dependencies": ("zz",),
    "constrains": ("zz <2",),
    "license": "Other",
    "timestamp": 5,
    "track_features": ("zz",),
    "provides": ("zz",),
    "python_site_packages_path": "lib",
    "extras": ("zz",),
    "requires_python": ">=2",
    "source_url": "https://files.example/zz.tar.gz",
    "source_sha256": "0" * 64,
    "build_key": "0" * 64,
    "build_request": "0" * 64,
    "built_with": ("zz.whl#sha256=" + "0" * 64,),
    "direct": True,
    "editable": True,
    "implementation": "pypy",
    "abi": "cp99",
}


@pytest.fixture
def lock(forged_channel: Path, tmp_path: Path) -> Lock:
    wheel = make_wheel(tmp_path, "shelf", "1.0")
    packages = conda_packages(forged_channel, names=("python", "python_abi", "tinylib"))
    return lock_of([*packages, locked_wheel(wheel)])


def changed(lock: Lock, which: str, /, **values: Any) -> Lock:
    """Return a lock with some fields of one package exchanged, under the ids it had."""
    locked = lock.platforms[HERE]
    packages = tuple(replace(each, **values) if each.name == which else each for each in locked.packages)
    return replace(lock, platforms={**lock.platforms, HERE: replace(locked, packages=packages)})


def with_ids(lock: Lock) -> Lock:
    """Return a lock under the ids of what it says now, as whoever changed it would write it."""
    return make_lock(lock.requirements, lock.req_id, lock.platforms)


def but_for_origins(found: dict[str, tuple[int, str]], prefix: Path) -> dict[str, Any]:
    """Return a tree with the records of conda-meta as they are but for what may differ."""
    told: dict[str, Any] = dict(found)
    for path in found:
        if path.startswith("conda-meta/") and path.endswith(".json"):
            record = json.loads((prefix / path).read_text())
            for key in ("url", "channel", "depends", "link"):
                record.pop(key, None)
            told[path] = json.dumps(record, sort_keys=True)
    return told


@pytest.mark.parametrize(
    "name", ["tinylib", *(pytest.param(each, marks=pytest.mark.scale) for each in ("python", "shelf"))]
)
def test_any_changed_field_is_refused_or_another_environment_or_the_same_tree(
    name: str, lock: Lock, tmp_path: Path
) -> None:
    prefix = tmp_path / "env"
    options = HydrateOptions(prefix=prefix)
    honest = but_for_origins(tree(hydrate(lock, options=options)), prefix)
    same = []
    for field, value in CHANGES.items():
        other = changed(lock, name, **{field: value})
        if other == lock:
            continue
        try:
            read = decode(encode(other), "x")
        except (UsageError, IntegrityError):
            continue
        # Taken under the same ids: the tree has to be the same.
        assert read.full_id == lock.full_id
        shutil.rmtree(prefix)
        try:
            hydrate(read, options=options)
        except ConjoinError as error:
            assert error.exit_code == 5, (name, field)  # noqa: PT017 (either is right)
            assert not prefix.exists()
            hydrate(lock, options=options)
            continue
        assert but_for_origins(tree(prefix), prefix) == honest, (name, field)
        same.append(field)
    assert {"url", "dependencies"} <= {*same}


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("tinylib", "version", "9"),
        ("tinylib", "build", "zz"),
        ("tinylib", "noarch", "generic"),
        ("tinylib", "md5", "0" * 32),
        ("python", "python_site_packages_path", "share"),
        ("python", "noarch", "python"),
    ],
)
def test_what_a_package_says_itself_is_not_said_otherwise(
    name: str, field: str, value: str, lock: Lock, tmp_path: Path
) -> None:
    """Also under ids that were computed anew."""
    other = with_ids(changed(lock, name, **{field: value}))
    with pytest.raises(IntegrityError, match=field):
        hydrate(decode(encode(other), "x"), options=HydrateOptions(prefix=tmp_path / "env"))
    assert not (tmp_path / "env").exists()


def more_platforms(lock: Lock) -> Lock:
    package = LockedPackage(
        kind="conda", name="x", version="1", build="0", file="x-1-0.conda", sha256="a" * 64, subdir=OTHER
    )
    other = LockedPlatform(virtual_packages={}, packages=(package,))
    return make_lock(lock.requirements, lock.req_id, {**lock.platforms, OTHER: other})


def mirrored(lock: Lock) -> Lock:
    """Return the lock with other origins; the bytes are in the store already."""
    moved = {
        each.name: f"https://mirror.example/noarch/{each.file}" for each in lock.platforms[HERE].packages
    }
    for name, url in moved.items():
        lock = changed(lock, name, url=url)
    return lock


def test_a_lock_that_gained_a_platform_or_came_through_a_mirror_uses_the_prefix_that_is_there(
    lock: Lock,
) -> None:
    prefix = hydrate(lock)
    before = tree(prefix)
    more = more_platforms(lock)
    assert more.full_id != lock.full_id
    assert platform_digest(HERE, more.platforms[HERE]) == platform_digest(HERE, lock.platforms[HERE])
    assert hydrate(mirrored(lock)) == hydrate(more) == prefix_path(more, platform=HERE) == prefix
    assert tree(prefix) == before


@pytest.mark.parametrize("place", ["prefix", "name"])
def test_a_prefix_of_one_s_own_is_taken_over_and_says_whose_it_is(
    place: str, lock: Lock, tmp_path: Path
) -> None:
    options = HydrateOptions(prefix=tmp_path / "env") if place == "prefix" else HydrateOptions(name="mine")
    prefix = hydrate(lock, options=options)
    inode = (prefix / "conda-meta").stat().st_ino
    more = more_platforms(lock)
    assert hydrate(more, options=options) == prefix
    assert (prefix / "conda-meta").stat().st_ino == inode  # nothing was made anew
    assert read_marker(prefix) == Marker.of(more, HERE)


def test_a_prefix_of_another_environment_is_made_anew(lock: Lock, tmp_path: Path) -> None:
    options = HydrateOptions(prefix=tmp_path / "env")
    prefix = hydrate(lock, options=options)
    kept = [each for each in lock.platforms[HERE].packages if each.name != "shelf"]
    less = lock_of(kept)
    hydrate(less, options=options)
    assert read_marker(prefix) == Marker.of(less, HERE)
    assert not list(prefix.glob("lib/python*/site-packages/shelf"))
