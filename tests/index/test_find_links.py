from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conjoin.errors import Unreachable, UsageError
from conjoin.index.pypi.indexes import PypiIndexes
from conjoin.index.pypi.project import Project
from loopback import LoopbackServer
from small_index import TINY, wheel_of
from worlds import make_sdist, make_wheel

Ask = Callable[..., Any]


async def tiny(indexes: PypiIndexes) -> Project:
    return await indexes.project(TINY)


def only(tmp_path: Path, place: str) -> Project:
    import asyncio

    async def run() -> Project:
        indexes = PypiIndexes([], [place], cache_dir=tmp_path / "cache", backoff=0.01)
        try:
            return await indexes.project(TINY)
        finally:
            await indexes.aclose()

    return asyncio.run(run())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "my wheels"
    make_wheel(place, "tiny", "1.0")
    make_sdist(place, "tiny", "2.0")
    make_wheel(place, "other", "1.0")
    make_wheel(place / "below", "tiny", "9.0")
    (place / "tiny-3.0-py3-none-any.whl.part").write_bytes(b"")
    (place / "tiny-4.0-py3-none-any.whl").mkdir()
    return place


@pytest.mark.parametrize("spell", [str, lambda path: path.as_uri()])
def test_a_folder_gives_its_files_not_those_below(
    folder: Path, tmp_path: Path, spell: Callable[[Path], str]
) -> None:
    project = only(tmp_path, spell(folder))
    assert [file.filename for file in project.files] == ["tiny-1.0-py3-none-any.whl", "tiny-2.0.tar.gz"]
    wheel = wheel_of(project)
    assert wheel.url == (folder / wheel.filename).as_uri()
    assert wheel.size == (folder / wheel.filename).stat().st_size
    assert wheel.index == project.index == spell(folder)


def test_a_single_file_is_a_place(folder: Path, tmp_path: Path) -> None:
    assert len(only(tmp_path, str(folder / "tiny-1.0-py3-none-any.whl")).files) == 1


def test_a_local_page_is_a_place(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f'<a href="my%20wheels/tiny-1.0-py3-none-any.whl">x</a>{"<a href=y>y</a>"}')
    assert wheel_of(only(tmp_path, str(page))).url == (folder / "tiny-1.0-py3-none-any.whl").as_uri()


def test_an_http_page_is_asked_once_and_kept(folder: Path, tmp_path: Path) -> None:
    with LoopbackServer(folder) as server:
        server.page(
            "/all.html", '<a href="tiny-1.0-py3-none-any.whl">x</a><a href="other-1.0-py3-none-any.whl">y</a>'
        )
        assert wheel_of(only(tmp_path, f"{server.url}/all.html")).url.startswith(server.url)
        only(tmp_path, f"{server.url}/all.html")
        assert server.paths() == ["/all.html"]
        with pytest.raises(Unreachable, match="does not exist"):
            only(tmp_path, f"{server.url}/none.html")


def test_an_http_file_is_a_place_with_its_hash(tmp_path: Path) -> None:
    digest = "ab" * 32
    place = f"https://files.example/tiny-1.0-py3-none-any.whl#sha256={digest}"
    wheel = wheel_of(only(tmp_path, place))
    assert wheel.sha256 == digest
    assert wheel.url == "https://files.example/tiny-1.0-py3-none-any.whl"


def test_a_page_from_the_network_cannot_point_at_local_files(folder: Path, tmp_path: Path) -> None:
    with LoopbackServer(folder) as server:
        server.page("/all.html", f'<a href="{(folder / "tiny-1.0-py3-none-any.whl").as_uri()}">x</a>')
        assert only(tmp_path, f"{server.url}/all.html").files == ()


def test_a_place_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder nor a file"):
        only(tmp_path, str(tmp_path / "nowhere"))
