from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conjoin.errors import IntegrityError, Unreachable
from conjoin.index.pypi.indexes import PypiIndexes
from conjoin.spec.names import PypiName
from loopback import LoopbackServer, Ranges
from small_index import TINY, wheel_of
from worlds import make_index, make_wheel

Ask = Callable[..., Any]


async def metadata_2(indexes: PypiIndexes) -> Any:
    return await indexes.metadata(wheel_of(await indexes.project(TINY), "2.0"))


def noisy(folder: Path, **options: Any) -> Path:
    """A wheel of some 700 kB that does not compress, so that ranges are worth it."""
    import random

    noise = random.Random(1).randbytes(700_000)
    return make_wheel(folder, "tiny", "2.0", ["other"], files={"tiny/noise.bin": noise}, **options)


def test_an_announced_metadata_file_is_one_request(tmp_path: Path, ask: Ask) -> None:
    with LoopbackServer(make_index(tmp_path / "i", [noisy(tmp_path)])) as server:
        known = ask(metadata_2, f"{server.url}/")
        assert known.requires_dist == ("other",)
        assert server.paths(pattern="/files/*") == ["/files/tiny-2.0-py3-none-any.whl.metadata"]


def test_an_announced_metadata_file_that_is_missing_is_read_out_of_the_wheel(
    tmp_path: Path, ask: Ask
) -> None:
    root = make_index(tmp_path / "i", [noisy(tmp_path)])
    (root / "files" / "tiny-2.0-py3-none-any.whl.metadata").unlink()
    with LoopbackServer(root) as server:
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)


@pytest.mark.parametrize(("ranges", "most"), [("full", 80_000), ("no-suffix", 80_000), ("none", 2_000_000)])
def test_ranges_are_used_where_the_server_can_and_the_whole_file_where_it_cannot(
    tmp_path: Path, ask: Ask, ranges: Ranges, most: int
) -> None:
    wheel = noisy(tmp_path)
    with LoopbackServer(make_index(tmp_path / "i", [wheel], pep658=False), ranges=ranges) as server:
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)
        assert server.bodies_sent < most
        assert all(not (request.range or "").startswith("bytes=-") for request in server.requests)
    if ranges == "none":
        assert server.bodies_sent > wheel.stat().st_size


def test_a_size_that_the_index_announces_saves_the_head_request(tmp_path: Path, ask: Ask) -> None:
    with LoopbackServer(make_index(tmp_path / "i", [noisy(tmp_path)], format="json", pep658=False)) as server:
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)
        assert server.paths("HEAD") == []


def test_metadata_before_the_tail_is_found_with_further_ranges(tmp_path: Path, ask: Ask) -> None:
    import random
    import zipfile

    wheel = make_wheel(tmp_path, "tiny", "2.0", ["other"])
    noise = random.Random(2)
    with zipfile.ZipFile(wheel, "a") as archive:  # after METADATA: a directory larger than the tail, too
        archive.writestr("tiny/noise.bin", noise.randbytes(300_000))
        for number in range(1500):
            archive.writestr(f"tiny/{noise.randbytes(20).hex()}/{number}.py", b"")
    with LoopbackServer(make_index(tmp_path / "i", [wheel], pep658=False)) as server:
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)
        ranges = [request for request in server.requests if request.range]
        assert 2 <= len(ranges) <= 4
        assert server.bodies_sent < wheel.stat().st_size


def test_a_download_that_does_not_match_its_hash_is_an_integrity_error(tmp_path: Path, ask: Ask) -> None:
    with LoopbackServer(make_index(tmp_path / "i", [noisy(tmp_path)], pep658=False), ranges="none") as server:
        server.corrupt("*.whl", times=None)
        with pytest.raises(IntegrityError, match="does not match the sha256"):
            ask(metadata_2, f"{server.url}/")
    assert not list((tmp_path / "cache").rglob("tmp*"))


@pytest.mark.parametrize("algorithm", ["sha512", "sha384", "blake2b", "sha3_256", "sha1", "md5"])
def test_a_download_is_held_against_whatever_hash_the_index_announces(
    tmp_path: Path, ask: Ask, algorithm: str
) -> None:
    wheel = noisy(tmp_path)
    digest = hashlib.new(algorithm, wheel.read_bytes()).hexdigest()
    page = f'<a href="/files/{wheel.name}#{algorithm}={{}}">{wheel.name}</a>'
    with LoopbackServer(
        make_index(tmp_path / "i", [wheel], pep658=False, hashes=False), ranges="none"
    ) as server:
        server.page("/tiny/", page.format(digest))
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)
        server.page("/tiny/", page.format(digest[::-1]))
        with pytest.raises(IntegrityError, match=f"does not match the {algorithm} its index announces"):
            ask(metadata_2, f"{server.url}/", cache_dir=tmp_path / "other")


@pytest.mark.parametrize("said", ["data-core-metadata", "data-dist-info-metadata"])
@pytest.mark.parametrize("value", ["true", "sha512=00"])
def test_metadata_announced_without_a_sha256_is_read_and_missing_metadata_is_no_obstacle(
    tmp_path: Path, ask: Ask, said: str, value: str
) -> None:
    wheel = noisy(tmp_path)
    root = make_index(tmp_path / "i", [wheel])
    with LoopbackServer(root) as server:
        server.page("/tiny/", f'<a href="/files/{wheel.name}" {said}="{value}">{wheel.name}</a>')
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)
        assert server.paths(pattern="/files/*") == [f"/files/{wheel.name}.metadata"]
        (root / "files" / f"{wheel.name}.metadata").unlink()
        assert ask(metadata_2, f"{server.url}/", cache_dir=tmp_path / "other").requires_dist == ("other",)
        assert any(request.range for request in server.requests)


def test_a_range_that_breaks_off_is_asked_again(tmp_path: Path, ask: Ask) -> None:
    with LoopbackServer(make_index(tmp_path / "i", [noisy(tmp_path)], pep658=False)) as server:
        server.truncate("*.whl", keep=10, times=2)
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)


def test_unannounced_metadata_files_are_tried_until_only_misses_came(tmp_path: Path, ask: Ask) -> None:
    names = [f"p{number}" for number in range(6)]
    made = [make_wheel(tmp_path / "w", name, "1.0") for name in names]

    async def one_by_one(indexes: PypiIndexes) -> None:
        for name in names:
            await indexes.metadata(wheel_of(await indexes.project(PypiName(name))))

    with LoopbackServer(make_index(tmp_path / "without", made, pep658=False)) as server:
        ask(one_by_one, f"{server.url}/")
        assert len(server.paths(pattern="*.metadata")) == 3
    with LoopbackServer(make_index(tmp_path / "with", made, pep658=False)) as server:
        for path in made[1:]:
            (server.root / "files" / f"{path.name}.metadata").write_bytes(
                f"Metadata-Version: 2.1\nName: {path.name.split('-')[0]}\nVersion: 1.0\n".encode()
            )
        ask(one_by_one, f"{server.url}/")
        assert len(server.paths(pattern="*.metadata")) == 6
        assert len(server.paths("HEAD")) == 1


def test_an_unannounced_metadata_file_that_is_something_else_does_not_count(tmp_path: Path, ask: Ask) -> None:
    with LoopbackServer(make_index(tmp_path / "i", [noisy(tmp_path)], pep658=False)) as server:
        server.page("/files/tiny-2.0-py3-none-any.whl.metadata", "<html>Welcome</html>")
        assert ask(metadata_2, f"{server.url}/").requires_dist == ("other",)


def test_a_file_that_is_gone_is_unreachable(tmp_path: Path, ask: Ask) -> None:
    with LoopbackServer(make_index(tmp_path / "i", [noisy(tmp_path)], pep658=False)) as server:
        server.fail("/files/*", status=404, times=None)
        with pytest.raises(Unreachable, match="404"):
            ask(metadata_2, f"{server.url}/")
