from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conjoin.errors import IntegrityError
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link import rattler_bridge
from conjoin.prefix.link.conda import CondaCache, CondaEntry


def archive(folder: Path, members: dict[str, bytes], paths: list[dict[str, object]] | None = None) -> Path:
    """Write an old-style conda package with ``members`` and what its paths.json says."""
    index = {"name": "x", "version": "1", "build": "0", "build_number": 0, "depends": [], "subdir": "noarch"}
    listed = [{"_path": name, "path_type": "hardlink"} for name in members] if paths is None else paths
    info = {
        "info/index.json": json.dumps(index).encode(),
        "info/paths.json": json.dumps({"paths": listed, "paths_version": 1}).encode(),
    }
    path = folder / "x-1-0.tar.bz2"
    with tarfile.open(path, "w:bz2") as tar:
        for name, content in {**info, **members}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_700_000_000
            tar.addfile(entry, io.BytesIO(content))
    return path


def package(path: Path) -> LockedPackage:
    return LockedPackage(
        kind="conda",
        name="x",
        version="1",
        build="0",
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        subdir="noarch",
    )


def fill(cache: CondaCache, wanted: LockedPackage, path: Path) -> CondaEntry:
    with ThreadPoolExecutor(4) as pool:
        return rattler_bridge.run(cache.fill(wanted, path, verified=False, pool=pool))


def test_what_was_extracted_is_found_until_it_changes(tmp_path: Path) -> None:
    path = archive(tmp_path, {"share/x.txt": b"content", "share/y.txt": b"more"})
    cache, wanted = CondaCache(tmp_path / "cache"), package(path)
    assert cache.find(wanted) is None
    entry = fill(cache, wanted, path)
    assert cache.find(wanted) == entry
    target = cache.folder(wanted) / "share/x.txt"
    facts = target.stat()
    changes = {
        "cut short": lambda: target.write_bytes(b"con"),
        "edited to the same length": lambda: target.write_bytes(b"CONTENT"),
        "deleted": target.unlink,
        "made executable": lambda: target.chmod(0o755),
    }
    for change, apply in changes.items():
        apply()
        assert cache.find(wanted) is None, change
        assert fill(cache, wanted, path) == entry
        assert target.read_bytes() == b"content"
    target.write_bytes(b"content")
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert cache.find(wanted) is not None
    assert [each.name for each in (tmp_path / "cache").rglob(".*")] == []


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "a/../../outside.txt"])
def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, {name: b"gotcha"}, paths=[])
    cache, wanted = CondaCache(tmp_path / "cache"), package(path)
    before = set(tmp_path.rglob("outside.txt"))
    try:
        fill(cache, wanted, path)
    except IntegrityError:
        assert cache.find(wanted) is None
    # rattler may leave such a member out instead; nothing may ever land outside.
    outside = [each for each in tmp_path.rglob("outside.txt") if cache.folder(wanted) not in each.parents]
    assert set(outside) == before
    assert not Path("/tmp/outside.txt").exists()


@pytest.mark.parametrize("name", ["../../bin/sh", "/etc/passwd", "share/../../x", "C:/x", ""])
def test_a_list_of_paths_that_leaves_the_prefix_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, {"x": b"x"}, paths=[{"_path": name, "path_type": "hardlink"}])
    cache, wanted = CondaCache(tmp_path / "cache"), package(path)
    with pytest.raises(IntegrityError, match="outside of the prefix"):
        fill(cache, wanted, path)
    assert cache.find(wanted) is None


def test_bytes_that_are_not_the_locked_ones_are_not_extracted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path, {"x": b"x"})
    cache, wanted = CondaCache(tmp_path / "cache"), package(path)
    path.write_bytes(path.read_bytes()[:-20])

    async def never(*arguments: object) -> str:
        raise AssertionError("extracted before it was verified")

    monkeypatch.setattr(rattler_bridge, "extract", never)
    with pytest.raises(IntegrityError, match="damaged"):
        fill(cache, wanted, path)


def test_a_verified_file_that_is_no_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x-1-0.conda"
    path.write_bytes(b"no archive at all")
    with pytest.raises(IntegrityError, match=r"cannot be (extracted|unpacked)"):
        fill(CondaCache(tmp_path / "cache"), package(path), path)


def test_what_a_killed_process_left_is_collected(tmp_path: Path) -> None:
    path = archive(tmp_path, {"x": b"x"})
    cache, wanted = CondaCache(tmp_path / "cache"), package(path)
    leftover = cache.folder(wanted).parent.with_name(f".{wanted.sha256}-killed") / "pkg"
    leftover.mkdir(parents=True)
    fill(cache, wanted, path)
    assert cache.find(wanted) is not None
    assert not leftover.parent.exists()


def test_tasks_that_want_one_package_extract_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, {"x": b"x"})
    cache, wanted = CondaCache(tmp_path / "cache"), package(path)
    calls = []
    original = rattler_bridge.extract

    async def counted(source: Path, destination: Path) -> str:
        calls.append(source)
        return await original(source, destination)

    monkeypatch.setattr(rattler_bridge, "extract", counted)

    async def several() -> list[CondaEntry]:
        with ThreadPoolExecutor(4) as pool:
            jobs = [cache.fill(wanted, path, verified=False, pool=pool) for _ in range(4)]
            return await asyncio.gather(*jobs)

    entries = rattler_bridge.run(several())
    assert len(calls) == 1
    assert all(entry == entries[0] for entry in entries)
