from __future__ import annotations

import platform as host
import sys

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import mac_platforms

from conjoin.errors import UsageError
from conjoin.spec.platform import (
    PLATFORMS,
    default_virtual_packages,
    host_platform,
    marker_environment,
    platform_name,
    virtual_package,
    virtual_packages,
    wheel_platform_tags,
)


def test_linux_is_assumed_with_glibc_2_28_and_without_a_gpu():
    assert default_virtual_packages("linux-64") == {
        "__archspec": "1=x86_64",
        "__glibc": "2.28",
        "__linux": "5.10",
        "__unix": "0",
    }


def test_what_the_user_says_of_virtual_packages_replaces_adds_and_removes():
    user = (("__cuda", "12.0"), ("__glibc", "2.31"), ("__archspec", ""), ("__linux", "none"))
    assert virtual_packages("linux-64", user) == {"__cuda": "12.0", "__glibc": "2.31", "__unix": "0"}


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_has_virtual_packages_markers_and_tags(name):
    assert default_virtual_packages(name)["__archspec"].startswith("1=")
    environment = marker_environment(name, "3.12.1")
    assert set(environment) == set(default_environment())  # PEP 508 fixes the names
    tags = wheel_platform_tags(name, virtual_packages(name))
    assert tags
    assert len(set(tags)) == len(tags)
    assert "any" not in tags


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_is_known_to_rattler(name):
    from rattler import Subdir

    assert str(Subdir(name)) == name


def test_the_host_is_the_platform_rattler_detects():
    from rattler import Subdir

    assert host_platform() == str(Subdir.current())


def test_markers_of_the_host_are_those_of_this_interpreter():
    version = host.python_version()
    ours = marker_environment(host_platform(), version, sys.implementation.name)
    real = default_environment()
    for name in set(real) - {"platform_release", "platform_version"}:
        assert ours[name] == real[name], name


def test_markers_are_those_of_the_target_never_of_the_host():
    marker = Marker("sys_platform == 'darwin' and platform_machine == 'arm64' and python_version < '3.12'")
    assert marker.evaluate(marker_environment("osx-arm64", "3.11.7"))
    assert not marker.evaluate(marker_environment("osx-arm64", "3.12.0"))
    assert not marker.evaluate(marker_environment("linux-64", "3.11.7"))
    assert Marker("os_name == 'nt'").evaluate(marker_environment("win-64", "3.11.7"))
    assert Marker("platform_python_implementation == 'PyPy'").evaluate(
        marker_environment("linux-64", "3.10.14", "pypy")
    )


def test_manylinux_tags_follow_glibc_and_carry_the_old_names():
    tags = wheel_platform_tags("linux-64", {"__glibc": "2.17"})
    assert tags[:3] == ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_16_x86_64")
    assert tags[-3:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64")
    assert "manylinux_2_28_x86_64" not in tags


def test_manylinux_of_other_processors_begins_at_2_17():
    tags = wheel_platform_tags("linux-aarch64", {"__glibc": "2.28=0"})
    assert tags[0] == "manylinux_2_28_aarch64"
    assert tags[-3:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64")


def test_without_glibc_no_manylinux_wheel_is_accepted():
    assert wheel_platform_tags("linux-64", {}) == ("linux_x86_64",)


def test_linux_tags_are_those_packaging_finds_on_this_host():
    if not sys.platform.startswith("linux") or host.libc_ver()[0] != "glibc":
        pytest.skip("compares with the tags of a Linux host with glibc")
    from packaging.tags import platform_tags

    ours = wheel_platform_tags(host_platform(), {"__glibc": host.libc_ver()[1]})
    assert set(platform_tags()) == set(ours)
    assert [tag for tag in platform_tags() if tag.startswith("many")] == list(ours[:-1])


def test_macos_tags_are_those_of_packaging():
    assert wheel_platform_tags("osx-64", {"__osx": "12.3"}) == tuple(mac_platforms((12, 3), "x86_64"))
    arm = wheel_platform_tags("osx-arm64", {"__osx": "13.0"})
    assert arm[0] == "macosx_13_0_arm64"
    assert "macosx_11_0_universal2" in arm
    assert not any(tag.endswith("x86_64") for tag in arm)
    assert wheel_platform_tags("osx-64", {}) == ()


def test_windows_has_one_tag():
    assert wheel_platform_tags("win-64", {"__win": "0"}) == ("win_amd64",)


def test_an_unknown_platform_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError, match=r"'linux_64' is not a platform; expected one of linux-64, "):
        platform_name("linux_64")


def test_a_glibc_that_is_no_version_is_refused():
    with pytest.raises(UsageError, match="__glibc=new is not a version"):
        wheel_platform_tags("linux-64", {"__glibc": "new"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__cuda=12.0", ("__cuda", "12.0")),
        ("__cuda==12.0", ("__cuda", "12.0")),
        ("__cuda 12.0", ("__cuda", "12.0")),
        (" __GLIBC = 2.31 ", ("__glibc", "2.31")),
        ("__glibc==2.31=0", ("__glibc", "2.31")),
        ("__archspec=1=x86_64_v3", ("__archspec", "1=x86_64_v3")),
        ("__cuda=", ("__cuda", "")),
        ("__cuda=none", ("__cuda", "")),
        ("__cuda=False", ("__cuda", "")),
    ],
)
def test_spellings_of_a_virtual_package(text, expected):
    assert virtual_package(text) == expected


@pytest.mark.parametrize("text", ["", "cuda=12", "__cuda", "__cuda>=12", "__cuda=12 0", "__=1="])
def test_what_is_no_virtual_package_is_refused(text):
    with pytest.raises(UsageError, match="is not a virtual package; expected __name=version"):
        virtual_package(text)
