from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.net.http_cache import HttpCache, freshness, read_checked, write_checked

URL = "https://index.example/simple/tiny/"


def stored(folder: Path, body: bytes = b"rows", **headers: str) -> HttpCache:
    cache = HttpCache(folder)
    cache.store("page", URL, status=200, headers=headers, body=body, now=1000.0)
    return cache


def entry_file(folder: Path) -> Path:
    (found,) = [path for path in folder.rglob("*") if path.is_file()]
    return found


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 600),
        ({"cache-control": "max-age=60"}, 60),
        ({"cache-control": "public, Max-Age = 60"}, 60),
        ({"cache-control": "max-age=60", "age": "50"}, 10),
        ({"cache-control": "max-age=60", "age": "90"}, 0),
        ({"cache-control": "no-cache"}, 0),
        ({"cache-control": "s-maxage=5"}, 600),
        ({"cache-control": "private, no-store"}, None),
    ],
)
def test_freshness_is_what_the_server_says_or_ten_minutes(
    headers: dict[str, str], seconds: int | None
) -> None:
    assert freshness(headers) == seconds


def test_an_entry_is_fresh_for_its_time_and_never_when_the_clock_went_back(tmp_path: Path) -> None:
    entry = stored(tmp_path, **{"cache-control": "max-age=60"}).load("page", URL)
    assert entry is not None
    assert entry.is_fresh(1000.0)
    assert entry.is_fresh(1059.0)
    assert not entry.is_fresh(1060.0)
    assert not entry.is_fresh(999.0)


def test_what_must_not_be_stored_is_not(tmp_path: Path) -> None:
    assert stored(tmp_path, **{"cache-control": "no-store"}).load("page", URL) is None
    assert list(tmp_path.rglob("*")) == []


def test_a_confirmed_entry_keeps_its_validators_and_starts_anew(tmp_path: Path) -> None:
    cache = stored(tmp_path, etag='"1"')
    entry = cache.load("page", URL)
    assert entry is not None
    cache.confirm(entry, {"cache-control": "max-age=5"}, 2000.0)
    again = cache.load("page", URL)
    assert again is not None
    assert (again.body, again.stored, again.max_age) == (b"rows", 2000.0, 5)
    assert again.validators() == {"if-none-match": '"1"'}


def test_entries_of_other_kinds_and_urls_are_apart(tmp_path: Path) -> None:
    cache = stored(tmp_path)
    assert cache.load("other", URL) is None
    assert cache.load("page", URL + "x") is None


@given(st.data())
def test_a_damaged_entry_is_as_none(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache = stored(folder, body=b"rows" * 20, etag='"1"')
    file = entry_file(folder)
    content = file.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        damaged = (
            content[:position]
            + bytes([content[position] ^ data.draw(st.integers(1, 255))])
            + content[position + 1 :]
        )
    elif kind == "cut":
        damaged = content[:position]
    else:
        damaged = content[:position] + b"\0\1" + content[position:]
    file.write_bytes(damaged)
    assert cache.load("page", URL) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_a_miss_not_an_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("cache")
    cache = stored(folder)
    write_checked(entry_file(folder), content)
    assert cache.load("page", URL) is None


def test_a_cache_that_cannot_be_written_keeps_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = stored(tmp_path / "file" / "cache")
    assert cache.load("page", URL) is None


def test_writers_at_once_leave_one_whole_entry(tmp_path: Path) -> None:
    target = tmp_path / "entry"
    payloads = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda payload: write_checked(target, payload), payloads * 5))
    assert read_checked(target) in payloads
    assert list(tmp_path.iterdir()) == [target]
