from __future__ import annotations

import sys

import pytest

from conjoin.errors import NotFound, Unreachable, UsageError
from conjoin.forge import forge
from conjoin.forge.fetch import fetch_wheels, is_pinned
from loopback import LoopbackServer
from worlds import make_index, make_wheel


@pytest.fixture
def index(tmp_path, monkeypatch):
    wheels = [
        make_wheel(tmp_path / "w", "pure", "1.0"),
        make_wheel(tmp_path / "w", "pure", "2.0", requires_python=">=3.13"),
        make_wheel(tmp_path / "w", "native", "1.0", tags="cp312-cp312-manylinux_2_17_x86_64"),
        make_wheel(tmp_path / "w", "native", "1.0", tags="cp313-cp313t-manylinux_2_17_x86_64"),
    ]
    with LoopbackServer(make_index(tmp_path / "index", wheels)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.url)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        yield server


def test_the_configured_index_is_asked_for_the_target_not_for_the_running_python(index, tmp_path):
    (wheel,) = fetch_wheels(["pure"], "3.12", "linux-64", tmp_path / "a")
    assert wheel.name == "pure-1.0-py3-none-any.whl"
    (wheel,) = fetch_wheels(["native==1.0"], "3.12", "linux-64", tmp_path / "b")
    assert wheel.name == "native-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"
    (wheel,) = fetch_wheels(["native==1.0"], "3.13t", "linux-64", tmp_path / "c")
    assert wheel.name == "native-1.0-cp313-cp313t-manylinux_2_17_x86_64.whl"


def test_no_fitting_wheel_is_not_found(index, tmp_path):
    with pytest.raises(NotFound, match=r"no wheel for native==1\.0 that runs with Python 3\.11 on linux-64"):
        fetch_wheels(["native==1.0"], "3.11", "linux-64", tmp_path)


def test_an_index_that_does_not_answer_is_unreachable(index, tmp_path):
    index.stop()
    with pytest.raises(Unreachable, match="cannot fetch pure: connection error"):
        fetch_wheels(["pure"], "3.11", "linux-64", tmp_path)


def test_an_index_in_trouble_is_unreachable_not_without_the_project(index, tmp_path):
    index.fail("/pure/*", status=503, times=None)
    with pytest.raises(Unreachable, match="503"):
        fetch_wheels(["pure"], "3.11", "linux-64", tmp_path)


def test_what_is_no_requirement_is_refused_before_pip_sees_it(tmp_path):
    with pytest.raises(UsageError, match="neither a wheel file nor a requirement"):
        fetch_wheels(["--index-url=http://evil.example"], "3.11", "linux-64", tmp_path)


@pytest.mark.parametrize(
    ("requirement", "pinned"),
    [
        ("numpy==1.26.4", True),
        ("numpy == 1", True),
        ("numpy==1.*", False),
        ("numpy", False),
        ("numpy>=1", False),
    ],
)
def test_only_one_exact_version_is_pinned(requirement, pinned):
    assert is_pinned(requirement) is pinned


def test_a_pinned_requirement_is_fetched_once(index, tmp_path):
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = {"pythons": [own], "wheels": ["pure==1.0"], "level": 1}
    first = {p.name: p for p in forge(tmp_path / "c", **asked)}
    index.forget()
    second = {p.name: p for p in forge(tmp_path / "c", **asked)}
    assert index.requests == []
    assert first["pure"].made
    assert not second["pure"].made
    assert first["pure"].sha256 == second["pure"].sha256


@pytest.mark.network
def test_a_wheel_of_the_public_index_becomes_a_package(tmp_path):
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {p.name: p for p in forge(tmp_path / "c", pythons=[own], wheels=["iniconfig==2.0.0"], level=1)}
    assert found["iniconfig"].version == "2.0.0"
    assert found["iniconfig"].subdir == "noarch"
