from __future__ import annotations

import pytest

from conjoin.errors import NotFound, UsageError
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.prefix.host import check_host, choose_platform

OLD = {"__glibc": "2.17=0", "__linux": "5.10=0", "__unix": "0=0", "__archspec": "1=x86_64"}


def locked(*packages: LockedPackage) -> LockedPlatform:
    # What was assumed is newer than the host: only what packages ask for counts.
    return LockedPlatform(virtual_packages={"__glibc": "2.40"}, packages=packages)


def conda(*dependencies: str) -> LockedPackage:
    return LockedPackage(
        kind="conda", name="numpy", version="1", file="numpy.conda", dependencies=dependencies
    )


def wheel(tags: str) -> LockedPackage:
    return LockedPackage(kind="pypi", name="x", version="1", file=f"x-1-cp311-cp311-{tags}.whl")


@pytest.mark.parametrize(
    "package",
    [
        conda("__glibc >=2.17,<3.0.a0", "python >=3.11", "__unix"),
        conda("__archspec 1 zen4"),
        wheel("manylinux_2_17_x86_64.manylinux2014_x86_64"),
        wheel("manylinux_2_34_x86_64.manylinux_2_5_x86_64"),
        wheel("any"),
        wheel("linux_x86_64"),
    ],
)
def test_a_host_that_has_what_packages_ask_for_is_accepted(package: LockedPackage) -> None:
    check_host("linux-64", locked(package), OLD)


@pytest.mark.parametrize(
    ("package", "missing"),
    [
        (conda("__glibc >=2.28,<3.0.a0"), "numpy needs __glibc >=2.28"),
        (conda("__cuda >=12"), "numpy needs __cuda >=12"),
        (wheel("manylinux_2_28_x86_64"), "manylinux_2_28_x86_64"),
        (wheel("musllinux_1_2_x86_64"), "musllinux"),
        (wheel("manylinux_2_17_aarch64"), "aarch64"),
    ],
)
def test_a_host_that_lacks_something_is_told_what_and_for_whom(package: LockedPackage, missing: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_host("linux-64", locked(package), OLD)
    assert missing in str(caught.value)
    assert "it has __archspec 1, __glibc 2.17" in str(caught.value)


def test_a_user_may_say_what_the_host_has(monkeypatch: pytest.MonkeyPatch) -> None:
    needs_cuda = locked(conda("__cuda >=12"))
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    check_host("linux-64", needs_cuda)
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "11.8")
    with pytest.raises(UsageError, match=r"__cuda 11\.8"):
        check_host("linux-64", needs_cuda)


def lock_for(*platforms: str) -> Lock:
    return make_lock({"scheme": 1}, requirements_id({"scheme": 1}), {each: locked() for each in platforms})


def test_the_hosts_platform_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conjoin.prefix.host.host_platform", lambda: "osx-arm64")
    assert choose_platform(lock_for("osx-64", "osx-arm64"), None) == "osx-arm64"
    assert choose_platform(lock_for("osx-64", "osx-arm64"), "osx-64") == "osx-64"
    assert choose_platform(lock_for("osx-64", "linux-64"), None) == "osx-64"
    with pytest.raises(NotFound, match="only for linux-64"):
        choose_platform(lock_for("linux-64"), None)
    with pytest.raises(UsageError, match="cannot be made on osx-arm64"):
        choose_platform(lock_for("linux-64"), "linux-64")
