"""Whole commands where the disk ends: exit 4, nothing cut under its name, and right when there is room."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conjoin.store.packages import file_sha256

COMMANDS = ["resolve", "push", "import", "create"]


def words(command: str, world: Any, folder: Path) -> list[str]:
    """Return a command that writes to ``folder``, all of it."""
    return {
        "resolve": ["resolve", "-q", *world.asked, "-o", str(folder / "x.lock")],
        "push": ["push", "-q", "env.lock", "--store", str(folder / "team"), "--alias", "team/x:v1"],
        "import": ["import", "-q", "x.bundle", "--alias", "team/x:v1"],
        "create": ["create", "-q", "env.lock", "--prefix", str(folder / "p")],
    }[command]


def run(arguments: list[str], world: Any, home: Path, limit: int = 0) -> subprocess.CompletedProcess[str]:
    variables = {f"CONJOIN_{name}": str(home / name.lower()) for name in ("STORE", "CACHE", "ENVS", "STATE")}
    return subprocess.run(
        [sys.executable, "-m", "conjoin", *arguments],
        # Python itself does not look how much of its bytecode was written.
        env={**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
        cwd=world.folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def asked(world: Any) -> Any:
    """What is asked for, locked and in a bundle."""
    home = world.folder / "before"
    done = run(["resolve", "-q", *world.asked, "-o", "env.lock"], world, home)
    assert done.returncode == 0, done.stderr
    assert run(["export", "-q", "env.lock", "--offline-bundle", "x.bundle"], world, home).returncode == 0
    return world


def refused(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert done.returncode in (0, 4), done.stderr  # 0: what could not be kept was a cache, or not needed
    if done.returncode:
        assert "disk" in done.stderr or "room" in done.stderr
        assert done.stderr.count("error:") == 1
        assert not (folder / "x.lock").exists()
        assert not (folder / "p").exists()
    for file in folder.glob("**/packages/*/*/*"):
        assert file.name.startswith(".") or file_sha256(file) == file.parent.name, f"{file.name} is cut"


@pytest.mark.parametrize("command", ["push", "create"])
def test_a_limit_of_files(command: str, asked: Any, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    done = run(words(command, asked, folder), asked, folder, 30_000)
    refused(done, folder)
    assert done.returncode == 4
    done = run(words(command, asked, folder), asked, folder)
    assert done.returncode == 0, done.stderr


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "conjoin-test", str(folder)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_small_disk(command: str, asked: Any, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    with small_disk(folder, 24):
        done = run(words(command, asked, folder), asked, folder)
        refused(done, folder)
        assert done.returncode == 4 or command == "resolve"
        subprocess.run(["mount", "-o", "remount,size=1g", str(folder)], check=True)
        done = run(words(command, asked, folder), asked, folder)
        assert done.returncode == 0, done.stderr
