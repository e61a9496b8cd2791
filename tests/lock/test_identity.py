"""What each identity covers, field by field; and that bare containers compute the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from conjoin.bootstrap import identity as bootstrap
from conjoin.lock.format import encode
from conjoin.lock.identity import (
    document_digest,
    environment_name,
    full_id,
    lock_digest,
    make_lock,
    platform_digest,
    requirements_id,
)
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform

BOUND = {
    "kind": "python",
    "name": "other",
    "version": "2",
    "build": "1",
    "file": "other-1-0.conda",
    "sha256": "e" * 64,
    "size": 8,
    "noarch": "python",
    "python_site_packages_path": "lib/python3.13t/site-packages",
    "implementation": "pypy",
    "abi": "cp313",
    "editable": True,
    "direct": True,
}
"""Fields that decide on the tree that is linked, each with another value."""

TOLD = {
    "dependencies": ("other",),
    "build_number": 1,
    "subdir": "noarch",
    "constrains": ("other <2",),
    "md5": "0" * 32,
    "license": "MIT",
    "timestamp": 1,
    "track_features": ("x",),
    "provides": ("x",),
    "extras": ("x",),
    "requires_python": ">=3",
    "source_url": "https://files.example/x.tar.gz",
    "source_sha256": "f" * 64,
    "build_key": "f" * 64,
    "build_request": "f" * 64,
    "built_with": ("x.whl#sha256=" + "f" * 64,),
}
"""Fields that the digest of the whole covers alone: the package tells itself, or nothing links by them."""

ORIGINS = {"url": "https://mirror.example/x-1-0.conda", "channel": "https://mirror.example/"}


def package(name: str = "x", **more: Any) -> LockedPackage:
    told: dict[str, Any] = {"kind": "conda", "version": "1", "build": "0", "file": f"{name}-1-0.conda"}
    told["url"] = f"https://conda.example/linux-64/{name}-1-0.conda"
    return LockedPackage(name=name, **{**told, "sha256": "a" * 64, "size": 7, "subdir": "linux-64", **more})


def lock_of(*packages: LockedPackage, platform: str = "linux-64") -> Lock:
    asked = {"scheme": 1}
    locked = LockedPlatform(virtual_packages={"__glibc": "2.28"}, packages=packages)
    return make_lock(asked, requirements_id(asked), {platform: locked})


def ids(lock: Lock) -> tuple[str, dict[str, str], str]:
    digests = {name: platform_digest(name, locked) for name, locked in lock.platforms.items()}
    return lock.full_id, digests, lock_digest(lock)


def test_every_field_of_a_package_is_classified() -> None:
    assert {*BOUND, *TOLD, *ORIGINS} == {each.name for each in fields(LockedPackage)}


@pytest.mark.parametrize("field", BOUND)
def test_what_decides_on_the_tree_is_in_every_identity(field: str) -> None:
    before, after = ids(lock_of(package())), ids(lock_of(replace(package(), **{field: BOUND[field]})))
    assert all(one != other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("field", TOLD)
def test_what_is_told_beside_is_in_the_digest_of_the_whole_alone(field: str) -> None:
    before, after = ids(lock_of(package())), ids(lock_of(replace(package(), **{field: TOLD[field]})))
    assert before[:2] == after[:2]
    assert before[2] != after[2]


@pytest.mark.parametrize("field", ORIGINS)
def test_where_a_package_comes_from_is_in_no_identity(field: str) -> None:
    assert ids(lock_of(package())) == ids(lock_of(replace(package(), **{field: ORIGINS[field]})))


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://files.example/other-1-py3-none-any.whl"},
        {"source_url": "https://files.example/x.zip", "url": ""},
    ],
)
def test_of_a_package_that_was_named_by_its_source_that_is_bound(changed: dict[str, str]) -> None:
    """It becomes ``direct_url.json`` (PEP 610)."""
    direct = package(kind="pypi", file="x-1-py3-none-any.whl", direct=True, url="https://files.example/x.whl")
    assert ids(lock_of(direct))[0] != ids(lock_of(replace(direct, **changed)))[0]
    built = package(
        kind="pypi", file="x-1-py3-none-any.whl", source_url="git+https://git.example/x@" + "1" * 40
    )
    other = replace(built, source_url="git+https://git.example/x@" + "2" * 40)
    assert ids(lock_of(built))[0] != ids(lock_of(other))[0]


def test_virtual_packages_are_in_the_digest_of_the_whole_alone() -> None:
    lock = lock_of(package())
    locked = replace(lock.platforms["linux-64"], virtual_packages={"__glibc": "2.17"})
    other = replace(lock, platforms={"linux-64": locked})
    assert full_id(other.platforms) == lock.full_id
    assert lock_digest(other) != lock_digest(lock)


def test_the_order_of_packages_means_nothing_and_their_platform_does() -> None:
    one, two = package("x"), package("y")
    assert ids(lock_of(one, two)) == ids(lock_of(two, one))
    assert lock_of(one).full_id != lock_of(one, platform="osx-64").full_id
    assert lock_of(one).full_id != lock_of(two).full_id


def test_a_platform_more_is_another_lock_and_the_same_environment_of_the_other() -> None:
    lock = lock_of(package())
    more = {**lock.platforms, "osx-64": LockedPlatform(virtual_packages={}, packages=())}
    assert full_id(more) != lock.full_id
    assert platform_digest("linux-64", more["linux-64"]) == ids(lock)[1]["linux-64"]


def test_the_name_on_disk_takes_90_characters() -> None:
    assert len(environment_name("a" * 40, "b" * 40)) == 90


values = {**BOUND, **TOLD, **ORIGINS, "kind": "pypi"}


@given(
    st.lists(st.sets(st.sampled_from(sorted(values))), min_size=1, max_size=4),
    st.sampled_from(["linux-64", "win-64"]),
)
def test_bare_containers_compute_the_same(changed: list[set[str]], platform: str) -> None:
    packages = [
        replace(package(f"p{number}"), **{name: values[name] for name in names - {"name", "file"}})
        for number, names in enumerate(changed)
    ]
    lock = lock_of(*packages, platform=platform)
    document = json.loads(encode(lock))
    assert bootstrap.full_id(document["platforms"]) == lock.full_id
    assert bootstrap.document_digest(document) == lock_digest(lock) == document_digest(document)
    told = document["platforms"][platform]["packages"]
    assert bootstrap.platform_digest(platform, told) == platform_digest(platform, lock.platforms[platform])
