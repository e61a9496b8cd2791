from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from conjoin.errors import IntegrityError, Unreachable
from conjoin.lock.model import LockedPackage
from conjoin.spec.requirements import Credential
from conjoin.store.packages import Packages
from conjoin.store.transfer import fetch as module
from conjoin.store.transfer.fetch import Fetcher
from loopback import LoopbackServer

CONTENT = bytes(range(256)) * 4096  # one megabyte


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackServer]:
    (tmp_path / "origin").mkdir()
    (tmp_path / "origin" / "a-1.conda").write_bytes(CONTENT)
    with LoopbackServer(tmp_path / "origin") as running:
        yield running


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "store")


def package(server: LoopbackServer, content: bytes = CONTENT, size: int | None = None) -> LockedPackage:
    return LockedPackage(
        kind="conda",
        name="a",
        version="1",
        file="a-1.conda",
        url=f"{server.url}/a-1.conda",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content) if size is None else size,
    )


def leftovers(packages: Packages) -> list[Path]:
    return [path for path in packages._root.rglob("*") if path.is_file()]


def test_a_package_is_fetched_once_into_the_store(server: LoopbackServer, packages: Packages) -> None:
    counted: list[int] = []
    path = Fetcher(packages, received=counted.append).fetch(package(server))
    assert path.read_bytes() == CONTENT
    assert sum(counted) == len(CONTENT)
    assert [each.path for each in server.requests] == ["/a-1.conda"]


def test_a_connection_that_breaks_is_resumed_where_it_broke(
    server: LoopbackServer, packages: Packages
) -> None:
    server.truncate("/a-1.conda", keep=300_000, times=2)
    path = Fetcher(packages).fetch(package(server))
    assert path.read_bytes() == CONTENT
    ranges = [each.range for each in server.requests]
    assert ranges[0] is None
    assert ranges[1] == "bytes=300000-"
    assert len(ranges) == 3


def test_an_origin_that_cannot_resume_is_asked_for_all_of_it_again(
    server: LoopbackServer, packages: Packages
) -> None:
    server.ranges = "none"
    server.truncate("/a-1.conda", keep=300_000, times=1)
    assert Fetcher(packages).fetch(package(server)).read_bytes() == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(server: LoopbackServer, packages: Packages, status: int) -> None:
    server.fail("/a-1.conda", status=status, times=3)
    assert Fetcher(packages).fetch(package(server)).read_bytes() == CONTENT
    assert len(server.requests) == 4


def test_a_failure_that_stays_is_unreachable_and_leaves_nothing(
    server: LoopbackServer, packages: Packages
) -> None:
    server.fail("/a-1.conda", status=503, times=None)
    with pytest.raises(Unreachable, match="503") as caught:
        Fetcher(packages).fetch(package(server))
    assert caught.value.exit_code == 4
    assert len(server.requests) == 5
    assert leftovers(packages) == []


def test_a_file_that_is_gone_is_not_asked_for_again(server: LoopbackServer, packages: Packages) -> None:
    server.fail("/a-1.conda", status=404, times=None)
    with pytest.raises(Unreachable, match="resolve again"):
        Fetcher(packages).fetch(package(server))
    assert len(server.requests) == 1


def test_nobody_listening_is_unreachable(packages: Packages) -> None:
    nobody = LockedPackage(
        kind="conda", name="a", version="1", file="a-1.conda", url="http://127.0.0.1:9/a", sha256="0" * 64
    )
    with pytest.raises(Unreachable, match=r"a-1\.conda"):
        Fetcher(packages).fetch(nobody)


def test_other_bytes_name_the_package_and_where_they_came_from(
    server: LoopbackServer, packages: Packages
) -> None:
    server.corrupt("/a-1.conda")
    with pytest.raises(IntegrityError, match=r"a-1\.conda") as caught:
        Fetcher(packages).fetch(package(server))
    assert caught.value.where == f"{server.url}/a-1.conda"
    assert leftovers(packages) == []


def test_a_longer_file_is_refused_before_all_of_it_came(server: LoopbackServer, packages: Packages) -> None:
    with pytest.raises(IntegrityError, match="more than the 10 bytes"):
        Fetcher(packages).fetch(package(server, CONTENT[:10]))
    assert leftovers(packages) == []


def test_a_missing_local_origin_is_unreachable(tmp_path: Path, packages: Packages) -> None:
    gone = LockedPackage(
        kind="conda",
        name="a",
        version="1",
        file="a-1.conda",
        url=(tmp_path / "none" / "a-1.conda").as_uri(),
        sha256="0" * 64,
    )
    with pytest.raises(Unreachable, match="cannot be read"):
        Fetcher(packages).fetch(gone)


def test_a_local_origin_may_have_any_name(tmp_path: Path, packages: Packages) -> None:
    folder = tmp_path / "with space & ü%20"
    folder.mkdir()
    (folder / "a-1.conda").write_bytes(CONTENT)
    local = LockedPackage(
        kind="conda",
        name="a",
        version="1",
        file="a-1.conda",
        url=(folder / "a-1.conda").as_uri(),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )
    assert Fetcher(packages).fetch(local).read_bytes() == CONTENT


def test_credentials_go_to_their_own_host_alone(server: LoopbackServer, packages: Packages) -> None:
    # A prefix of the text of the URL, but of another host's name.
    stranger = Credential(server.url[:-1], "user", "word")
    Fetcher(packages, credentials=[stranger]).fetch(package(server))
    assert "authorization" not in server.requests[-1].headers


def test_the_login_of_an_index_counts_for_files_beside_it(server: LoopbackServer, packages: Packages) -> None:
    """As for pip, uv and our own resolving: an index often has its files under another path."""
    server.auth = ("user", "word")
    index = Credential(f"{server.url}/private/simple", "user", "word")
    assert Fetcher(packages, credentials=[index]).fetch(package(server)).exists()


def test_the_nearest_credentials_win(server: LoopbackServer, packages: Packages) -> None:
    server.auth = ("near", "word")
    given = [Credential(server.url, "far", "word"), Credential(f"{server.url}/a-1.conda", "near", "word")]
    assert Fetcher(packages, credentials=given).fetch(package(server)).exists()


def test_a_fetch_gives_up_when_told_to(server: LoopbackServer, packages: Packages) -> None:
    server.fail("/a-1.conda", status=503, times=None, headers={"Retry-After": "15"})
    fetcher = Fetcher(packages)
    threading.Timer(0.2, fetcher.stop).start()
    started = time.monotonic()
    with pytest.raises(Unreachable):
        fetcher.fetch(package(server))
    assert time.monotonic() - started < 5, "the server asked for 15 s"


@pytest.mark.parametrize("said", ["\u00b2", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "-1"])
def test_a_wait_that_is_none_is_no_failure(server: LoopbackServer, packages: Packages, said: str) -> None:
    """A superscript two is a digit to Python, and no number."""
    server.fail("/a-1.conda", status=503, times=1, headers={"Retry-After": said})
    assert Fetcher(packages).fetch(package(server)).read_bytes() == CONTENT


def test_a_server_may_ask_to_wait_until_a_date(server: LoopbackServer, packages: Packages) -> None:
    soon = formatdate(time.time() + 2, usegmt=True)
    server.fail("/a-1.conda", status=503, times=1, headers={"Retry-After": soon})
    started = time.time()
    assert Fetcher(packages).fetch(package(server)).exists()
    assert time.time() - started > 0.9, "whole seconds of a date"
