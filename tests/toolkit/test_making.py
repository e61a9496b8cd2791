"""Making a toolkit: which wheels, for which Pythons, from the user's own indexes, for any platform."""

from __future__ import annotations

import json
import os
import tarfile
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from conjoin.api import Store
from conjoin.bootstrap import VERSION
from conjoin.errors import NotFound, UsageError
from conjoin.lock.model import LockedPackage
from conjoin.toolkit.making import make_toolkit
from conjoin.toolkit.packed_python import pack_python, python_closure
from conjoin.toolkit.wheels import PROJECTS
from hydrating import conda_packages, lock_of, output
from loopback import LoopbackServer
from worlds import make_index, make_wheel

LINUX = "manylinux_2_17_x86_64.manylinux2014_x86_64"
MAC = "macosx_11_0_arm64"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with small wheels named as the real ones: those that are here, for two systems, and others."""
    here = {name: version(name) for name in PROJECTS}
    folder, wheels = tmp_path / "wheels", []
    for platform in (LINUX, MAC):
        for minor in (11, 12):
            tags = f"cp3{minor}-cp3{minor}-{platform}"
            wheels.append(make_wheel(folder, "msgspec", here["msgspec"], tags=tags))
        wheels.append(make_wheel(folder, "py-rattler", here["py-rattler"], tags=f"cp310-abi3-{platform}"))
        wheels.append(make_wheel(folder, "uv", here["uv"], tags=f"py3-none-{platform}"))
    newer = "cp311-cp311-manylinux_2_28_x86_64"
    wheels.append(make_wheel(folder, "msgspec", here["msgspec"], tags=newer))
    wheels.append(make_wheel(folder, "uv", "99.0", tags=f"py3-none-{LINUX}"))
    made = make_index(tmp_path / "index", wheels, format="both")
    with LoopbackServer(made) as server:
        monkeypatch.setenv("CONJOIN_INDEX_URL", f"{server.url}/")
        yield made


def described(store: Store, platform: str = "linux-64", name: str = VERSION) -> dict[str, Any]:
    found = store.backend.get(f"toolkit/{platform}/{name}.json")
    assert found is not None
    told: dict[str, Any] = json.loads(found.data)
    return told


@pytest.mark.usefixtures("index")
def test_it_is_of_the_versions_that_are_installed_for_each_python_that_has_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "team"))
    made = make_toolkit(store, "linux-64")
    assert made.pythons == ("3.11", "3.12")
    told = described(store)
    assert (told["schema"], told["version"], told["platform"]) == (1, VERSION, "linux-64")
    pythons = {
        each["file"].split("-")[0] + each["file"].split("-")[2]: each["pythons"] for each in told["files"]
    }
    assert pythons == {
        "msgspeccp311": ["3.11"],
        "msgspeccp312": ["3.12"],
        "py_rattlercp310": ["3.11", "3.12"],
        "uvpy3": ["3.11", "3.12"],
    }
    assert not any("99.0" in each["file"] or "2_28" in each["file"] for each in told["files"])
    for each in told["files"]:
        assert store.backend.size(f"toolkit/linux-64/files/{each['sha256']}/{each['file']}") == each["size"]
    assert store.backend.size("toolkit/bootstrap.pyz")


@pytest.mark.usefixtures("index")
def test_it_is_made_once_and_anew_only_when_asked(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "team"))
    assert len(make_toolkit(store, "linux-64").files) == 4
    before = described(store)
    assert make_toolkit(store, "linux-64").files == ()
    assert make_toolkit(store, "osx-arm64").pythons == ("3.11", "3.12")
    assert make_toolkit(store, "linux-64", force=True).files == ()  # they are there, only described anew
    assert described(store) == before


@pytest.mark.usefixtures("index")
def test_an_index_without_these_versions_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no index has wheels of msgspec .* for linux-aarch64"):
        make_toolkit(Store(str(tmp_path / "team")), "linux-aarch64")
    with pytest.raises(UsageError, match="no toolkits for win-64"):
        make_toolkit(Store(str(tmp_path / "team")), "win-64")
    assert list((tmp_path / "team").rglob("*.json")) == []


def conda(name: str, version: str = "1", *depends: str, noarch: str = "", build: str = "0") -> LockedPackage:
    return LockedPackage(
        kind="conda",
        name=name,
        version=version,
        build=build,
        file=f"{name}-{version}-{build}.conda",
        sha256="0" * 64,
        dependencies=tuple(depends),
        noarch=noarch,
    )


def test_a_python_is_packed_with_what_it_needs_and_nothing_else() -> None:
    packages = [
        conda("python", "3.12.4", "openssl >=3", "libffi", "__glibc >=2.17", "tzdata", build="h1_0_cpython"),
        conda("openssl", "3.0", "ca-certificates"),
        conda("ca-certificates"),
        conda("libffi"),
        conda("tzdata", noarch="generic"),
        conda("numpy", "1", "python"),
    ]
    found = [each.name for each in python_closure(packages, ["3.11", "3.12"])]
    assert found == ["ca-certificates", "libffi", "openssl", "python"]
    assert python_closure(packages, ["3.11"]) == []
    assert python_closure(packages[1:], ["3.12"]) == []
    for build in ("0_73_pypy", "h1_0_cp312t"):
        assert python_closure([conda("python", "3.12.1", build=build)], ["3.12"]) == []


def test_a_packed_python_runs_where_it_was_unpacked(forged_channel: Path, tmp_path: Path) -> None:
    """Packed twice it is the same; and it needs neither its old place nor any variable."""
    packages = conda_packages(forged_channel)
    [python] = [package for package in packages if package.name == "python"]
    minor = ".".join(python.version.split(".")[:2])
    closure = python_closure(packages, [minor])
    where = lambda package: Path(package.url.removeprefix("file://"))  # noqa: E731
    packed = pack_python(closure, "linux-64", where)
    assert pack_python(closure, "linux-64", where).data == packed.data
    with tarfile.open(fileobj=BytesIO(packed.data)) as archive:
        members = archive.getnames()
        archive.extractall(tmp_path / "here", filter="data")
    assert not any("/test/" in name or name.startswith("include/") for name in members)
    program = tmp_path / "here" / packed.executable
    code = "import asyncio, hashlib, json, lzma, ssl, subprocess, sys, zlib; print(sys.prefix)"
    assert output(program, "-I", "-S", "-c", code, env={}) == str(tmp_path / "here")


@pytest.mark.usefixtures("index")
def test_an_environment_without_a_python_of_conda_s_is_no_trouble(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "team"))
    made = make_toolkit(store, "linux-64", lock_of([conda("zlib")]))
    assert (made.packed_python, made.warnings) == (False, ())


def test_push_to_a_folder_keeps_none_unless_asked_and_an_index_that_is_down_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from conjoin.cli.main import main
    from conjoin.lock.format import write_lock

    monkeypatch.setenv("CONJOIN_PUSH_TOOLKIT", "true")
    monkeypatch.setenv("CONJOIN_INDEX_URL", (tmp_path / "no such index").as_uri())
    lock = tmp_path / "lock.json"
    write_lock(lock, lock_of([]))
    team = str(tmp_path / "team")
    assert main(["push", str(lock), "--store", team]) == 0
    assert "toolkit" not in capsys.readouterr().err
    assert main(["push", str(lock), "--store", team, "--toolkit"]) == 0
    said = capsys.readouterr().err
    assert "no toolkit for bare containers of linux-64" in said
    assert "the index's folder does not exist" in said
    assert main(["push", str(lock), "--store", f"memory://{os.getpid()}", "--no-toolkit"]) == 0
    assert "toolkit" not in capsys.readouterr().err


@pytest.mark.usefixtures("index")
def test_the_command_tells_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from conjoin.cli.main import main

    words = [
        "toolkit",
        "--store",
        str(tmp_path / "team"),
        "--platform",
        "linux-64",
        "--platform",
        "osx-arm64",
    ]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["platform"] for each in told["toolkits"]] == ["linux-64", "osx-arm64"]
    assert [len(each["files"]) for each in told["toolkits"]] == [4, 4]
    assert main(words) == 0
    assert "linux-64: all was there" in capsys.readouterr().err


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("platform", ["linux-64", "linux-aarch64", "osx-arm64"])
def test_the_public_index_has_what_each_python_needs(platform: str) -> None:
    from conjoin.spec.build import build_requirements
    from conjoin.toolkit.wheels import choose_wheels

    found = choose_wheels(platform, build_requirements())
    served = {python for wheel in found for python in wheel.pythons}
    assert served == {"3.10", "3.11", "3.12", "3.13", "3.14"}
    # None of them needs anything that is not there: what a wheel requires is read where it is used.
    assert {wheel.package.name for wheel in found} == set(PROJECTS)
