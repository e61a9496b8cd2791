from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.version import Version

from conjoin.index import interpreters
from conjoin.index.interpreters import find_interpreters


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreters, "_asked", {})
    monkeypatch.setenv("PYENV_ROOT", "/nonexistent")
    monkeypatch.setenv("PATH", os.defpath)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def fake(path: Path, version: str, *, free_threaded: bool = False, implementation: str = "cpython") -> Path:
    """A program that answers the probe as some interpreter would."""
    pypy = "[7,3]" if implementation == "pypy" else "[]"
    answer = f'["{implementation}","{version}",{str(free_threaded).lower()},"{path}",{pypy}]'
    return script(path, f"echo '{answer}'; echo asked >> {path}.log")


def test_the_running_interpreter_is_found_as_what_it_is() -> None:
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (mine,) = [python for python in find_interpreters() if python.path == base]
    assert mine.version == Version(sys.version.split()[0].rstrip("+"))
    assert mine.implementation == {"cpython": "cp", "pypy": "pp"}[sys.implementation.name]
    assert mine.free_threaded == bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def test_path_and_pyenv_are_searched_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{tmp_path / 'missing'}:{tmp_path / 'pyenv' / 'shims'}")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    fake(tmp_path / "bin" / "python3.30", "3.30.1")
    fake(tmp_path / "bin" / "python3.30t", "3.30.1", free_threaded=True)
    fake(tmp_path / "pyenv" / "versions" / "3.31.0" / "bin" / "python3.31", "3.31.0rc1")
    fake(tmp_path / "pyenv" / "versions" / "pypy" / "bin" / "pypy3.30", "3.30.0", implementation="pypy")
    fake(tmp_path / "pyenv" / "shims" / "python3.32", "3.32.0")
    found = [python for python in find_interpreters() if python.version >= Version("3.30")]
    assert [(python.abi, str(python.version), python.free_threaded) for python in found] == [
        ("cp331", "3.31.0rc1", False),
        ("cp330", "3.30.1", False),
        ("cp330t", "3.30.1", True),
        ("pypy330_pp73", "3.30.0", False),
    ]


@pytest.mark.parametrize("text", ["exit 127", "echo nonsense", "echo '[1,2]'", "echo '{}'", "kill -9 $$"])
def test_what_is_no_interpreter_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path / "python3.30", text)
    fake(tmp_path / "python3.7", "3.7.16")
    fake(tmp_path / "python3.31", "3.31.0", implementation="jython")
    (tmp_path / "python3.32").symlink_to(tmp_path / "nowhere")
    fake(tmp_path / "python3.33-config", "3.33.0")
    assert {python.path for python in find_interpreters()} == {
        Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    }


def test_each_is_asked_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    path = fake(tmp_path / "bin" / "python3.30", "3.30.0")
    (tmp_path / "bin" / "python3").symlink_to(path)
    cache = tmp_path / "cache"
    log = Path(f"{path}.log")
    first = find_interpreters(cache)
    assert find_interpreters(cache) == first
    interpreters._asked.clear()
    assert find_interpreters(cache) == first  # another process
    assert log.read_text().count("asked") == 1
    fake(path, "3.30.12")
    assert Version("3.30.12") in {python.version for python in find_interpreters(cache)}


def test_a_damaged_cache_is_as_none(tmp_path: Path) -> None:
    first = find_interpreters(tmp_path)
    (tmp_path / "interpreters").write_bytes(b"\0\0\0\0junk")
    interpreters._asked.clear()
    assert find_interpreters(tmp_path) == first
