"""``tree``, ``why`` and ``diff`` as people call them."""

from __future__ import annotations

import json

import pytest

from conjoin.lock.format import write_lock
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.spec.build import build_requirements
from conjoin.spec.canonical import canonical


def _conda(name: str, version: str, *depends: str, provides: tuple[str, ...] = ()) -> LockedPackage:
    return LockedPackage(
        kind="conda",
        name=name,
        version=version,
        build="0",
        file=f"{name}-{version}-0.conda",
        url=f"https://channel.example/linux-64/{name}-{version}-0.conda",
        channel="https://channel.example",
        subdir="linux-64",
        sha256="1" * 64,
        dependencies=depends,
        provides=provides,
    )


def _wheel(name: str, version: str, *needs: str, extras: tuple[str, ...] = ()) -> LockedPackage:
    file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return LockedPackage(
        kind="pypi",
        name=name,
        version=version,
        file=file,
        url=f"https://files.example/{file}",
        sha256="0" * 64,
        dependencies=needs,
        extras=extras,
    )


def _lock(**versions: str) -> Lock:
    packages = (
        _conda("python", "3.12.1", "libzlib >=1.3,<2", "__glibc >=2.17"),
        _conda("libzlib", versions.get("libzlib", "1.3.1")),
        _conda("pytorch", "2.5.0", "python >=3.12,<3.13", "numpy >=1.19", provides=("torch",)),
        _conda("numpy", "1.26.4", "python >=3.12,<3.13", provides=("numpy",)),
        _wheel("model", "1.0", "numpy<2", "Torch>=2", "helper[fast]", extras=("gpu",)),
        _wheel("helper", versions.get("helper", "0.3"), "model", extras=("fast",)),
    )
    asked = canonical(build_requirements(conda=["pytorch>=2"], pypi=["model[gpu]"], python="3.12"))
    platforms = {"linux-64": LockedPlatform(virtual_packages={}, packages=packages)}
    return make_lock(asked, requirements_id(asked), platforms)


@pytest.fixture
def env(tmp_path, isolated_home) -> str:
    path = tmp_path / "env.lock"
    write_lock(path, _lock())
    return str(path)


CASES = [
    ["tree"],
    ["tree", "--depth", "1"],
    ["tree", "numpy"],
    ["tree", "--invert", "numpy"],
    ["tree", "--invert"],
    ["why", "numpy"],
    ["why", "torch"],
    ["why", "libzlib"],
    ["why", "model"],
    ["why", "pytorhc"],
    ["tree", "nunpy"],
    ["tree", "--platform", "osx-arm64"],
]


def test_what_they_say(called, env, snapshot) -> None:
    said = []
    for command, *rest in CASES:
        done = called(command, env, *rest)
        shown = f"{done.stdout}{done.stderr}exit code {done.returncode}\n"
        said.append(f"$ conjoin {command} ENV {' '.join(rest)}\n{shown}")
    assert "\n".join(said) == snapshot


def test_json_is_a_graph(called, env) -> None:
    tree = json.loads(called("tree", env, "--json").stdout)
    assert {package["name"] for package in tree["packages"]} == {
        "python", "libzlib", "pytorch", "numpy", "model", "helper",
    }  # fmt: skip
    assert [root["to"]["name"] for root in tree["roots"]] == ["pytorch", "model", "python"]
    (why,) = json.loads(called("why", env, "torch", "--json").stdout)["packages"]
    assert (why["kind"], why["name"], why["provides"]) == ("conda", "pytorch", ["torch"])
    assert [[link["requirement"] for link in chain] for chain in why["chains"]] == [
        ["pytorch >=2"],
        ["model[gpu]", "Torch>=2"],
    ]
    assert why["chains"][1][1] == {
        "requirement": "Torch>=2",
        "side": "pypi",
        "from": {"kind": "pypi", "name": "model"},
        "to": {"kind": "conda", "name": "pytorch"},
    }


def test_a_resolved_environment_explains_itself(called, world) -> None:
    assert called("resolve", *world.asked, "--alias", "mine").returncode == 0
    said = called("why", "mine", "tinylib").stdout.splitlines()
    assert said[0].startswith("tinylib 1.0 (conda, PyPI's tinylib, ")
    assert "you asked for reader -> reader 1.0" in said
    assert "└─ tinylib<2 -> conda's tinylib 1.0" in said
    assert called("tree", "mine").returncode == 0


def test_diff(called, env, tmp_path, snapshot) -> None:
    other = tmp_path / "other.lock"
    write_lock(other, _lock(helper="0.4"))
    done = called("diff", env, other)
    assert (done.stdout, done.stderr, done.returncode) == (snapshot, "", 0)
    assert called("diff", env, other, "--exit-code").returncode == 8
    same = called("diff", env, env, "--exit-code")
    assert (same.stdout, same.returncode) == ("the same packages\n", 0)
    document = json.loads(called("diff", env, other, "--json").stdout)
    assert document["same_request"]
    assert document["changes"] == [
        {"platform": "linux-64", "kind": "pypi", "name": "helper", "from": "0.3", "to": "0.4"}
    ]
