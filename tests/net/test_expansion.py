"""What an archive may unpack to is bounded, whatever its own directory says of it."""

from __future__ import annotations

import bz2
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conjoin.bootstrap import unpack as bootstrap_unpack
from conjoin.build.sources import fetch as sources
from conjoin.errors import IntegrityError, UsageError
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.net import expansion
from conjoin.net.expansion import check_conda_package, check_wheel, times_allowed

try:
    from compression import zstd
except ImportError:
    from backports import zstd

SMALL = 100_000
ZEROS = bytes(2_000_000)
NOISE = random.Random(1).randbytes(150_000)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred megabytes take long to make."""
    monkeypatch.setattr(expansion, "ALWAYS", SMALL)
    monkeypatch.setattr(bootstrap_unpack, "ALWAYS", SMALL)


def a_tar(content: bytes) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        info = tarfile.TarInfo("top/x")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return into.getvalue()


def wheel(folder: Path, content: bytes) -> Path:
    path = folder / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", content)
    return path


def conda(folder: Path, content: bytes) -> Path:
    path = folder / "x-1-0.conda"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", b"{}")
        archive.writestr("pkg-x-1-0.tar.zst", zstd.compress(a_tar(content)))
    return path


def tar_bz2(folder: Path, content: bytes) -> Path:
    path = folder / "x-1-0.tar.bz2"
    path.write_bytes(bz2.compress(a_tar(content)))
    return path


def sdist(suffix: str) -> Callable[[Path, bytes], Path]:
    def make(folder: Path, content: bytes) -> Path:
        path = folder / f"x-1{suffix}"
        if suffix == ".zip":
            return wheel(folder, content).rename(path)
        with tarfile.open(path, f"w:{suffix.rpartition('.')[2]}") as archive:
            archive.addfile(tarfile.TarInfo("top/y"))
            info = tarfile.TarInfo("top/x")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        return path

    return make


def build(path: Path) -> None:
    sources._unpack(path, path.parent / "work")


def container(path: Path) -> None:
    unpack = bootstrap_unpack.unpack_tar if path.name.endswith(".gz") else bootstrap_unpack.unpack_wheel
    bootstrap_unpack.unpack_once(str(path.parent / "out"), lambda into: unpack(str(path), into))


KINDS: list[tuple[Callable[[Path, bytes], Path], Callable[[Path], None]]] = [
    (wheel, check_wheel),
    (conda, check_conda_package),
    (tar_bz2, check_conda_package),
    (sdist(".tar.gz"), build),
    (sdist(".tar.bz2"), build),
    (sdist(".tar.xz"), build),
    (sdist(".zip"), build),
    (wheel, container),
    (sdist(".tar.gz"), container),
]


@pytest.mark.parametrize(("make", "check"), KINDS)
def test_what_unpacks_to_too_much_is_refused(
    make: Callable[[Path, bytes], Path],
    check: Callable[[Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = make(tmp_path, ZEROS)
    assert path.stat().st_size * 200 < len(ZEROS)
    with pytest.raises((IntegrityError, MetadataUnusable), match=r"would unpack to more than \d+ bytes"):
        check(path)
    monkeypatch.setenv("CONJOIN_EXPANSION_LIMIT", "none")
    check(path)


@pytest.mark.parametrize(("make", "check"), KINDS)
def test_what_has_its_size_itself_is_taken(
    make: Callable[[Path, bytes], Path], check: Callable[[Path], None], tmp_path: Path
) -> None:
    check(make(tmp_path, NOISE))


def test_a_directory_that_lies_is_not_believed(tmp_path: Path) -> None:
    path = wheel(tmp_path, ZEROS)
    told = len(ZEROS).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(told) == 2
    path.write_bytes(data.replace(told, (10).to_bytes(4, "little")))
    with pytest.raises(IntegrityError, match="would unpack to more than"):
        check_wheel(path)


def test_a_directory_that_lies_a_little_is_found(tmp_path: Path) -> None:
    path = wheel(tmp_path, b"x" * 1000)
    told = (1000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(told, (10).to_bytes(4, "little")))
    with pytest.raises(IntegrityError, match="cannot be unpacked"):
        check_wheel(path)


def test_where_nothing_can_decompress_the_bound_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansion, "_zstd_size", lambda _stream, most: most + 1)
    check_conda_package(conda(tmp_path, NOISE))
    with pytest.raises(IntegrityError):
        check_conda_package(conda(tmp_path, ZEROS))


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from([b"", b"\0", b"ab", NOISE]), st.integers(0, 300_000), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_bounds_are_bounds(parts: list[tuple[bytes, int, bool]]) -> None:
    """Of any stream; and of one that compresses no better than programs do, the bound is no refusal."""
    streams = [(part * (size // max(1, len(part)) + 1))[:size] for part, size, _ in parts]
    packed = b"".join(
        zstd.compress(each, options={zstd.CompressionParameter.checksum_flag: int(flag)})
        for each, (*_, flag) in zip(streams, parts, strict=True)
    )
    content = b"".join(streams)
    assert expansion._zstd_bound(io.BytesIO(packed), 1 << 40) >= len(content)
    assert expansion._zstd_size(io.BytesIO(packed), 1 << 40) == len(content)
    assert expansion._bzip2_bound(io.BytesIO(bz2.compress(content))) >= len(content)


@given(st.binary(max_size=200))
def test_damaged_streams_end_in_an_error_of_ours(content: bytes) -> None:
    try:
        expansion._zstd_bound(io.BytesIO((0xFD2FB528).to_bytes(4, "little") + content), 1 << 40)
    except expansion._UNREADABLE:
        return


@pytest.mark.parametrize("text", ["0", "-1", "1e3", "nine", "9" * 5000])
def test_a_setting_that_is_no_number_is_told(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONJOIN_EXPANSION_LIMIT", text)
    with pytest.raises(UsageError, match="neither a number of times nor none"):
        times_allowed()
    with pytest.raises(UsageError, match="neither a number of times nor none"):
        container(wheel(tmp_path, b""))


def test_a_file_of_settings_says_it_as_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("expansion-limit = 300\n")
    monkeypatch.setenv("CONJOIN_CONFIG", str(tmp_path / "config.toml"))
    assert times_allowed() == 300
