"""The smaller parts: what the machine is, what a lock says, archives, and which Python runs all this."""

from __future__ import annotations

import ast
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from conjoin.bootstrap import VERSION, command, machine
from conjoin.bootstrap.archive import bootstrap_archive, engine_files
from conjoin.bootstrap.bootstrapping import cache_folder
from conjoin.bootstrap.engine import Engine
from conjoin.bootstrap.locked import find_locked
from conjoin.bootstrap.machine import check_machine
from conjoin.bootstrap.toolkit import Toolkit, ToolkitFile
from conjoin.bootstrap.unpack import unpack_once, unpack_tar, unpack_wheel
from conjoin.config.toml import loads
from conjoin.errors import ConjoinError, IntegrityError, NotFound, Unreachable, UsageError
from containers import old_python

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src" / "conjoin" / "bootstrap").glob("*.py"))
EARLY = [*MODULES, *(ROOT / "src" / "conjoin" / name for name in ("__init__.py", "errors.py"))]


@pytest.mark.parametrize("path", EARLY, ids=lambda path: path.name)
def test_what_runs_first_is_written_for_python_3_8_and_its_library(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    found = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    # What a container may have, asked for where it is needed.
    allowed = {"certifi", "botocore", "google", "azure"}
    roots = {name.partition(".")[0] for name in found if not name.startswith("conjoin")}
    assert roots - allowed <= sys.stdlib_module_names
    assert "pathlib" not in roots, "a tenth of a second, where all of it counts"


def test_the_version_is_the_project_s() -> None:
    document = loads((ROOT / "pyproject.toml").read_text(), where="pyproject.toml")
    assert document["project"]["dynamic"] == ["version"]
    module, _, name = document["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
    assert getattr(importlib.import_module(module), name) == VERSION


def test_the_archive_holds_what_hydrating_is_written_in_and_is_the_same_each_time() -> None:
    archive = bootstrap_archive()
    assert archive.startswith(b"#!/usr/bin/env python3\n")
    assert bootstrap_archive() == archive
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert set(opened.namelist()) == {"__main__.py", *(name for _, name in engine_files())}
    assert not any(re.match(r"conjoin/(cli|index|solve|forge|toolkit)/", name) for _, name in engine_files())
    of_the_network = {name for _, name in engine_files() if name.startswith("conjoin/net/")}
    assert of_the_network == {
        f"conjoin/net/{name}.py"
        for name in (*("__init__", "bounded_file", "expansion", "guard", "retries", "urls"),)
    }


def test_what_is_packed_can_be_imported(tmp_path: Path) -> None:
    """No module that is packed needs another one of ours when it is imported."""
    for path, name in engine_files():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / name)
    modules = [name.removesuffix(".py").replace("/", ".") for _, name in engine_files()]
    code = f"import {', '.join(name for name in modules if not name.endswith('__main__'))}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def conda(*dependencies: str) -> dict[str, object]:
    return {"kind": "conda", "file": "c-1-0.conda", "dependencies": list(dependencies)}


def wheel(tags: str) -> dict[str, object]:
    return {"kind": "pypi", "file": f"w-1-py3-none-{tags}.whl"}


@pytest.mark.parametrize(
    ("package", "runs"),
    [
        (conda("__glibc >=2.28,<3.0.a0", "python"), True),
        (conda("__glibc >=2.34"), False),
        (conda("zlib >=99"), True),
        (wheel("any"), True),
        (wheel("manylinux_2_17_x86_64.manylinux2014_x86_64"), True),
        (wheel("manylinux_2_28_x86_64.manylinux_2_34_x86_64"), True),
        (wheel("manylinux_2_34_x86_64"), False),
        (wheel("manylinux1_x86_64"), True),
        ({"kind": "python"}, True),
    ],
)
def test_a_package_for_a_newer_glibc_is_refused(
    package: dict[str, object], runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "glibc", lambda: 31)
    monkeypatch.setattr(machine, "host_platform", lambda: "linux-64")
    if runs:
        check_machine("linux-64", [package])
    else:
        with pytest.raises(
            UsageError, match=r"this machine has glibc 2.31, .* needs 2.34; use a newer image"
        ):
            check_machine("linux-64", [package])


def test_a_container_without_glibc_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "glibc", lambda: None)
    monkeypatch.setattr(machine, "host_platform", lambda: "linux-64")
    with pytest.raises(UsageError, match="Alpine"):
        check_machine("linux-64", [])


def test_an_apple_runs_environments_of_the_older_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "host_platform", lambda: "osx-arm64")
    check_machine("osx-64", [])
    with pytest.raises(UsageError, match="this machine is osx-arm64"):
        check_machine("linux-64", [])


def file(project: str, *pythons: str) -> ToolkitFile:
    return ToolkitFile(project, f"{project}.whl", "0" * 64, 1, pythons)


def test_a_toolkit_serves_a_python_with_all_of_its_wheels_or_not_at_all() -> None:
    toolkit = Toolkit(
        "linux-64", (file("msgspec", "3.10"), file("msgspec", "3.11"), file("uv", "3.10", "3.11", "3.12"))
    )
    found = toolkit.wheels("3.11")
    assert found is not None
    assert found["msgspec"].pythons == ("3.11",)
    assert toolkit.wheels("3.12") is None
    assert toolkit.wheels("3.13t") is None


@pytest.mark.parametrize(
    ("env", "kind"),
    [
        ("Nothing Like It", UsageError),
        ("team/x", NotFound),
        ("team/bad:v1", IntegrityError),
        (f"{'0' * 40}:{'1' * 40}", NotFound),
        (f"{'2' * 40}:{'3' * 40}", IntegrityError),
    ],
)
def test_what_names_no_environment(env: str, kind: type[ConjoinError]) -> None:
    objects = {
        "aliases/team/bad/v1.json": b'{"req_id": "../../x", "full_id": 3}',
        f"envs/{'2' * 40}/{'3' * 40}/lock.json": b'{"req_id": 1}',
    }
    with pytest.raises(kind):
        find_locked(objects.get, env, "linux-64", "s3://b")


@pytest.mark.parametrize("name", ["../x.whl", "x@1.whl"])
def test_a_package_s_name_is_plain_and_cannot_leave_its_folder(name: str) -> None:
    package = {"kind": "pypi", "file": name, "sha256": "a" * 64}
    lock = {"req_id": "0" * 40, "full_id": "1" * 40, "platforms": {"linux-64": {"packages": [package]}}}
    bad = json.dumps(lock)
    with pytest.raises(IntegrityError):
        find_locked(lambda _: bad.encode(), f"{'0' * 40}:{'1' * 40}", "linux-64", "s3://b")


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out"])
def test_archives_cannot_write_elsewhere(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr(name, b"")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    for path, unpack in ((tmp_path / "x.whl", unpack_wheel), (tmp_path / "x.tar.gz", unpack_tar)):
        with pytest.raises(IntegrityError, match="would leave its folder"):
            unpack_once(str(tmp_path / "in" / "folder"), lambda to, p=path, u=unpack: u(str(p), to))
    assert list((tmp_path / "in").iterdir()) == []


def test_an_archive_that_is_none_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no archive")
    for unpack in (unpack_wheel, unpack_tar):
        with pytest.raises(IntegrityError, match="cannot be unpacked"):
            unpack_once(str(tmp_path / "in" / "folder"), lambda to, u=unpack: u(str(tmp_path / "x"), to))


def test_the_first_to_be_ready_gives_the_folder_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "folder"

    def slow(to: str) -> None:
        Path(to, "which").write_text("second")
        unpack_once(str(folder), lambda first: Path(first, "which").write_text("first") and None)

    assert unpack_once(str(folder), slow) == str(folder)
    assert (folder / "which").read_text() == "first"
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


def test_caches_are_where_one_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONJOIN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(None) == str(tmp_path / ".cache" / "conjoin")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert cache_folder(None).startswith(str(tmp_path / "tmp" / "conjoin-"))
    with pytest.raises(Unreachable, match="--cache"):
        cache_folder(str(tmp_path / "file" / "x"))


def test_a_folder_where_nothing_may_run_is_said(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("")
    with pytest.raises(UsageError, match=r"no program can be run there .*noexec"):
        Engine(str(tmp_path / "python"), [], {}, {}, lambda *_: None)


def test_an_engine_that_dies_is_told_with_its_signal() -> None:
    said: list[tuple[str, object]] = []
    told = threading.Event()

    def say(word: str, value: object) -> None:
        said.append((word, value))
        told.set()

    engine = Engine(sys.executable, ["/nowhere"], {}, {}, say)
    assert told.wait(600)
    engine.tell("go", True)  # to nobody
    [(word, error)] = said
    assert word == "end"
    assert "the process that makes the environment died (exit code 1)" in str(error)


def test_a_bug_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("what\nnow")

    monkeypatch.setattr(command, "bootstrap", broken)
    assert command.main(["s3://b", "x"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_python_that_is_too_old_says_so_itself(tmp_path: Path) -> None:
    python = next(filter(None, map(old_python, ("2.7", "3.6", "3.7"))), None)
    if python is None:
        pytest.skip("this machine has no Python that is too old")
    (tmp_path / "bootstrap.pyz").write_bytes(bootstrap_archive())
    command = [str(python), str(tmp_path / "bootstrap.pyz"), "s3://b", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("use an image with 3.8 or later\n")
    assert done.stderr.count("\n") == 1
