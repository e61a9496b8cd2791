"""A disk that is full while packages are extracted or linked: said as what it is, and mended by room."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from conjoin.lock.format import write_lock
from conjoin.lock.model import Lock, LockedPackage
from conjoin.writing import full_disk, is_full_disk
from hydrating import HYDRATE, conda_packages, lock_of, locked_wheel
from worlds import make_wheel

LIMIT = 1_000_000
LIMITED = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT}))
"""


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        ("failed to unpack `x`: No space left on device (os error 28)", True),
        ("failed to copy file to destination: File too large (os error 27)", True),
        ("Caused by: Disk quota exceeded (os error 122)", True),
        ("Permission denied (os error 13)", False),
        ("invalid gzip header", False),
    ],
)
def test_words_for_a_full_disk(said: str, is_it: bool) -> None:
    assert is_full_disk(said) is is_it
    error = full_disk("/x")
    assert (error.exit_code, error.where) == (4, "/x")


@pytest.mark.parametrize("kind", ["conda", "wheel"])
def test_it_is_said_as_such_and_the_next_try_works(kind: str, tmp_path: Path, forged_channel: Path) -> None:
    """A file may not grow past a megabyte; packed, it is smaller than that."""
    zeros = bytes(2 * LIMIT)
    if kind == "wheel":
        wheel = make_wheel(tmp_path, "zeros", "1.0", files={"zeros/__init__.py": "", "zeros/data": zeros})
        small = conda_packages(forged_channel, names=("python", "python_abi"))
        lock = lock_of([*small, locked_wheel(wheel)])
    else:
        lock = lock_of([_conda_package(tmp_path, zeros)])
    if kind == "wheel":  # so that only the wheel is new
        run(tmp_path, tmp_path / "small", lock_of(small))
    done = run(tmp_path, tmp_path / "env", lock, limited=True)
    assert done.returncode == 4, done.stderr
    assert "the disk is full; make room there" in done.stderr
    assert not (tmp_path / "env").exists()
    done = run(tmp_path, tmp_path / "env", lock)
    assert done.returncode == 0, done.stderr


def _conda_package(folder: Path, content: bytes) -> LockedPackage:
    index = {
        "name": "zeros",
        "version": "1",
        "build": "0",
        "build_number": 0,
        "depends": [],
        "subdir": "noarch",
        "noarch": "generic",
    }
    paths = [{"_path": "share/zeros", "path_type": "hardlink", "size_in_bytes": len(content)}]
    members = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
        "share/zeros": content,
    }
    path = folder / "noarch" / "zeros-1-0.tar.bz2"
    path.parent.mkdir()
    with tarfile.open(path, "w:bz2") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    packed = path.read_bytes()
    return LockedPackage(
        kind="conda",
        name="zeros",
        version="1",
        build="0",
        file=path.name,
        url=path.as_uri(),
        sha256=hashlib.sha256(packed).hexdigest(),
        size=len(packed),
        subdir="noarch",
        channel=folder.as_uri(),
        noarch="generic",
    )


def run(folder: Path, prefix: Path, lock: Lock, *, limited: bool = False) -> subprocess.CompletedProcess[str]:
    write_lock(folder / "lock.json", lock)
    code = (LIMITED if limited else "") + HYDRATE
    command = [sys.executable, "-c", code, str(folder / "lock.json"), str(prefix)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
