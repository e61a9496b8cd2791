"""Files are whole under their names, however little a disk takes at once; whoever writes is tried."""

from __future__ import annotations

import errno
import io
import itertools
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import conjoin
from conjoin.bootstrap import bootstrapping
from conjoin.bootstrap.download import Downloads
from conjoin.bootstrap.stores.source import FolderSource
from conjoin.bootstrap.unpack import unpack_once, unpack_tar, unpack_wheel
from conjoin.build.sources import fetch as sources
from conjoin.build.sources.source_tree import copy_tree
from conjoin.config.edit import set_key
from conjoin.config.table import setting_named
from conjoin.errors import FULL_DISK, Unreachable
from conjoin.lock.format import read_lock, write_lock
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import LockedPlatform
from conjoin.net.http_cache import read_checked, write_checked
from conjoin.store.packages import file_sha256
from conjoin.writing import DiskError, copy_to, disk_errors, replace, write_all
from faults import Disk, _installed, every_write

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / str(number) for number in itertools.count())


def _replace(folder: Path) -> None:
    replace(folder / "x", CONTENT)
    assert (folder / "x").read_bytes() == CONTENT


def _copy(folder: Path) -> None:
    copy_to(folder / "x", io.BytesIO(CONTENT))
    assert (folder / "x").read_bytes() == CONTENT


def _lock(folder: Path) -> None:
    platform = LockedPlatform(virtual_packages={}, packages=())
    lock = make_lock({"scheme": 1}, requirements_id({"scheme": 1}), {"linux-64": platform})
    write_lock(folder / "x", lock)
    assert read_lock(folder / "x") == lock


def _settings(folder: Path) -> None:
    setting = setting_named("strategy")
    assert setting is not None
    set_key(folder / "x", setting, "lowest")
    assert "lowest" in (folder / "x").read_text()


def _source_tree(folder: Path) -> None:
    (folder / "from").mkdir(exist_ok=True)
    (folder / "from" / "pyproject.toml").write_bytes(CONTENT)
    target = next(folder / name for name in ("x", "y") if not (folder / name).exists())
    copy_tree(folder / "from", target)
    assert (target / "pyproject.toml").read_bytes() == CONTENT


def _archive(folder: Path) -> None:
    (folder / "from").write_bytes(CONTENT)
    sources._copy(folder / "from", folder / "x", None)
    assert (folder / "x").read_bytes() == CONTENT


def _bootstrap_download(folder: Path) -> None:
    (folder / "from").mkdir(exist_ok=True)
    (folder / "from" / "p").write_bytes(CONTENT)
    downloads = Downloads(FolderSource(str(folder / "from")))
    downloads.file("p", str(folder / "x"), file_sha256(folder / "from" / "p"), len(CONTENT))
    assert (folder / "x").read_bytes() == CONTENT


def _bootstrap_note(folder: Path) -> None:
    bootstrapping._write(str(folder / "x"), CONTENT)
    assert (folder / "x").read_bytes() == CONTENT


def _bootstrap_wheel(folder: Path) -> None:
    with zipfile.ZipFile(folder / "w.whl", "w") as archive:
        archive.writestr("a/b.py", CONTENT)
    unpack_once(str(folder / "x"), lambda into: unpack_wheel(str(folder / "w.whl"), into))
    assert (folder / "x" / "a" / "b.py").read_bytes() == CONTENT


def _bootstrap_python(folder: Path) -> None:
    with tarfile.open(folder / "p.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("bin/python")
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    unpack_once(str(folder / "x"), lambda into: unpack_tar(str(folder / "p.tar.gz"), into))
    assert (folder / "x" / "bin" / "python").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("write", "leaves"),
    [
        (_replace, set()),
        (_copy, {"x"}),  # in folders that nobody else sees
        (_lock, set()),
        (_settings, set()),
        (_source_tree, {"from", "x"}),  # likewise
        (_archive, {"from", "x"}),  # likewise
        (_bootstrap_download, {"from"}),
        (_bootstrap_note, set()),
        (_bootstrap_wheel, {"w.whl"}),
        (_bootstrap_python, {"p.tar.gz"}),
    ],
)
def test_whoever_writes_writes_all_or_says_that_the_disk_is_full(
    write: Callable[[Path], None], leaves: set[str], folders: Iterator[Path]
) -> None:
    folder = Path()

    def begin() -> Callable[[], object]:
        nonlocal folder
        folder = next(folders)
        folder.mkdir()
        return lambda here=folder: write(here)

    def refused(raised: BaseException | None, error: int) -> None:
        assert isinstance(raised, Unreachable), repr(raised)
        assert str(folder) in str(raised.where)
        assert (raised.what == FULL_DISK) == (error != errno.EIO), raised.what
        assert "make room there" in str(raised.advice)
        assert {path.name for path in folder.iterdir()} <= leaves

    assert every_write(begin, refused) >= 1


def test_a_cache_on_a_full_disk_keeps_nothing_and_says_nothing(tmp_path: Path) -> None:
    write_checked(tmp_path / "x", b"old")
    with _installed(Disk(0, errno.ENOSPC, shorten=False)):
        write_checked(tmp_path / "x", b"newer")
    assert read_checked(tmp_path / "x") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_disk_that_takes_nothing_and_says_nothing_is_no_endless_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "x").open("wb", buffering=0) as file:
        monkeypatch.setattr(os, "write", lambda *_: 0)
        with pytest.raises(DiskError, match="takes nothing"):
            write_all(file, b"x", tmp_path / "x")


@pytest.mark.parametrize("call", ["replace", "close", "fsync"])
def test_what_is_no_writing_meets_a_full_disk_as_well(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(tmp_path / "x", b"old")
    really = getattr(os, call)

    def full(*arguments: object, **options: object) -> None:
        if call == "close":
            really(*arguments)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as broken:
        broken.setattr(Path if call == "replace" else os, call, full)
        with pytest.raises(DiskError, match=FULL_DISK):
            replace(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_is_printed_to_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "conjoin", "config"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("\n") == 1
    assert FULL_DISK in done.stderr


def test_nobody_else_writes_by_hand() -> None:
    """Whoever writes bytes does it through ``conjoin.writing``, or stands here with a reason."""
    own = {
        "writing.py": "the function itself",
        "bootstrap/download.py": "its twin",
        "bootstrap/archive.py": "into memory",
        "bootstrap/engine.py": "to a process",
        "prefix/bootstrap_engine.py": "to a process",
        "forge/archive.py": "through a buffer, which writes all",
        "forge/python_package.py": "for strip, in a folder for it",
        "trust/ssh_keygen.py": "for ssh-keygen, in a folder for it",
        "cli/output/failure.py": "a traceback, kept if it can be",
        "cli/output/documents.py": "to stdout",
        "cli/parser.py": "to stdout",
        "cli/completion.py": "to stdout",
        "toolkit/making.py": "to an object store",
        "store/backend/cloud_streams.py": "to an object store",
        "store/shared_packages.py": "to an object store",
        "store/packages.py": "passes chunks on to it",
        "store/transfer/fetch.py": "passes chunks on to it",
        "store/verification/verify_store.py": "passes chunks on to it",
        "store/verification/remembered.py": "a journal, of which a line that is cut costs one more look",
    }
    root = Path(conjoin.__file__).parent
    words = (".write(", "os.write", "write_text(", "write_bytes(", "copyfileobj(", "copyfile(")
    found = {
        file.relative_to(root).as_posix()
        for file in root.rglob("*.py")
        if any(word in file.read_text("utf-8") for word in words)
    }
    assert found <= set(own), found - set(own)
