from __future__ import annotations

from conjoin.lock.identity import environment_name, full_id
from conjoin.lock.model import LockedPackage, LockedPlatform


def platform(*packages: LockedPackage) -> LockedPlatform:
    return LockedPlatform(virtual_packages={}, packages=packages)


def package(name: str, sha256: str = "a", url: str = "") -> LockedPackage:
    return LockedPackage(
        kind="conda", name=name, version="1", file=f"{name}.conda", sha256=sha256 * 64, url=url
    )


def test_full_id_counts_platform_file_and_hash_and_nothing_else() -> None:
    one = full_id({"linux-64": platform(package("x"), package("y"))})
    assert len(one) == 40
    assert one == full_id({"linux-64": platform(package("y"), package("x", url="https://mirror.example/x"))})
    assert one != full_id({"osx-64": platform(package("x"), package("y"))})
    assert one != full_id({"linux-64": platform(package("x", "b"), package("y"))})
    assert one != full_id({"linux-64": platform(package("x"), package("z"))})


def test_adding_a_platform_makes_another_full_id() -> None:
    linux = {"linux-64": platform(package("x"))}
    assert full_id(linux) != full_id({**linux, "osx-64": platform(package("x"))})


def test_the_name_on_disk_takes_90_characters() -> None:
    assert len(environment_name("a" * 40, "b" * 40)) == 90
