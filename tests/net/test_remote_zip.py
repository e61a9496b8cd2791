from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.wheel_archive import read_metadata
from conjoin.net.remote_zip import MissingRange, SparseFile
from conjoin.spec.names import PypiName
from worlds import make_wheel, rewrite_zip

TINY = PypiName("tiny")
ONE = Version("1.0")


def needed(sparse: SparseFile, start: int, end: int) -> tuple[bytes, MissingRange | None]:
    try:
        return sparse.need(start, end), None
    except MissingRange as missing:
        return b"", missing


@given(st.binary(min_size=1, max_size=200), st.data())
def test_a_sparse_file_gives_the_bytes_it_has_and_asks_for_those_it_lacks(
    content: bytes, data: st.DataObject
) -> None:
    sparse = SparseFile(len(content))
    for _ in range(data.draw(st.integers(0, 5))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, len(content)))
        sparse.add(start, content[start:end])
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    asked = []
    for _ in range(12):
        found, missing = needed(sparse, start, end)
        if missing is None:
            assert found == content[start:end]
            return
        asked.append((missing.start, missing.end))
        assert start <= missing.start < missing.end <= end
        sparse.add(missing.start, content[missing.start : missing.end])
    pytest.fail(f"it keeps asking: {asked}")


def test_metadata_is_read_out_of_ranges_alone(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "tiny", "1.0", ["numpy<2"], files={"tiny/data.bin": bytes(range(256)) * 4000}
    )
    content = wheel.read_bytes()
    sparse = SparseFile(len(content))
    fetched = 0
    for _ in range(20):
        try:
            metadata = read_metadata(sparse, TINY, ONE)
            break
        except MissingRange as missing:
            sparse.add(missing.start, content[missing.start : missing.end])
            fetched += missing.end - missing.start
    assert b"Requires-Dist: numpy<2" in metadata
    assert fetched < len(content)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tiny-1.0.dist-info/METADATA": None}, "no .dist-info/METADATA"),
        ({"other-1.0.dist-info/METADATA": b"x"}, "more than one"),
        ({"tiny-1.0.dist-info/METADATA": None, "x/tiny-1.0.dist-info/METADATA": b"x"}, "no .dist-info"),
        ({"tiny-1.0.dist-info/METADATA": None, "tiny-2.0.dist-info/METADATA": b"x"}, "not named after it"),
        ({"tiny-1.0.dist-info/METADATA": None, "evil-1.0.dist-info/METADATA": b"x"}, "not named after it"),
    ],
)
def test_a_wheel_whose_metadata_is_ambiguous_is_unusable(
    tmp_path: Path, changes: dict[str, bytes | None], reason: str
) -> None:
    wheel = rewrite_zip(make_wheel(tmp_path, "tiny", "1.0"), changes)
    with pytest.raises(MetadataUnusable, match=reason), wheel.open("rb") as stream:
        read_metadata(stream, TINY, ONE)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    bomb = {"tiny-1.0.dist-info/METADATA": b"\0" * (33 * 1024 * 1024)}
    wheel = rewrite_zip(make_wheel(tmp_path, "tiny", "1.0"), bomb)
    with pytest.raises(MetadataUnusable, match="bytes"), wheel.open("rb") as stream:
        read_metadata(stream, TINY, ONE)


@given(st.binary(max_size=400))
def test_anything_that_is_no_zip_file_is_unusable(content: bytes) -> None:
    with pytest.raises(MetadataUnusable):
        read_metadata(io.BytesIO(content), TINY, ONE)


def test_every_single_byte_change_gives_the_same_metadata_or_a_refusal(tmp_path: Path) -> None:
    content = make_wheel(tmp_path, "tiny", "1.0", ["numpy<2"]).read_bytes()
    right = read_metadata(io.BytesIO(content), TINY, ONE)
    refused = 0
    for position in range(len(content)):
        broken = content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]
        try:
            assert read_metadata(io.BytesIO(broken), TINY, ONE) == right
        except MetadataUnusable:
            refused += 1
    assert refused > 50
