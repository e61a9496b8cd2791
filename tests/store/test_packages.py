from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.errors import IntegrityError, NotFound, Unreachable, UsageError
from conjoin.store.packages import Packages

CONTENT = b"the bytes of a package"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_was_put_is_found_under_its_hash_and_name(tmp_path: Path) -> None:
    packages = Packages(tmp_path)
    path = packages.put(SHA256, "a-1.conda", [CONTENT[:5], CONTENT[5:]])
    assert path == tmp_path / "packages" / SHA256[:2] / SHA256 / "a-1.conda"
    assert packages.get(SHA256, "a-1.conda").read_bytes() == CONTENT
    packages.put(SHA256, "a-1.conda", [CONTENT])
    assert names(tmp_path) == ["a-1.conda"]


def test_other_bytes_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    packages = Packages(tmp_path)
    with pytest.raises(IntegrityError, match=SHA256):
        packages.put(SHA256, "a-1.conda", [b"other bytes"])
    assert not packages.has(SHA256, "a-1.conda")
    assert names(tmp_path) == []


def test_more_bytes_than_promised_are_refused_before_they_fill_the_disk(tmp_path: Path) -> None:
    with Packages(tmp_path).receive(SHA256, "a-1.conda", len(CONTENT)) as incoming:
        incoming.write(CONTENT)
        with pytest.raises(IntegrityError, match="more than the 22 bytes"):
            incoming.write(b"x")
    assert names(tmp_path) == []


def test_fewer_bytes_than_promised_are_refused(tmp_path: Path) -> None:
    with Packages(tmp_path).receive(SHA256, "a-1.conda", len(CONTENT)) as incoming:
        incoming.write(CONTENT[:3])
        with pytest.raises(IntegrityError, match="3 bytes instead of the 22"):
            incoming.commit()
    assert names(tmp_path) == []


def test_bytes_that_changed_in_the_store_are_refused_on_the_way_out(tmp_path: Path) -> None:
    packages = Packages(tmp_path)
    packages.put(SHA256, "a-1.conda", [CONTENT]).write_bytes(CONTENT[:-1])
    with pytest.raises(IntegrityError, match="damaged"):
        packages.get(SHA256, "a-1.conda")


def test_an_absent_package_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Packages(tmp_path).get(SHA256, "a-1.conda")


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".hidden", "a\0b", "a\nb"])
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Packages(tmp_path).path(SHA256, name)


def test_a_place_that_cannot_be_written_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "packages").write_text("a file where a folder should be")
    with pytest.raises(Unreachable):
        Packages(tmp_path).put(SHA256, "a-1.conda", [CONTENT])


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_chunks_are_kept_as_they_came(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    packages = Packages(tmp_path_factory.mktemp("store"))
    path = packages.put(hashlib.sha256(whole).hexdigest(), "x.whl", chunks)
    assert path.read_bytes() == whole
