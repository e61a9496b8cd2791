"""Objects into files, on bad days: resumed, tried again with pauses of chance, whole or not there."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from conjoin.bootstrap import download as download_module
from conjoin.bootstrap.download import TRIES, Downloads
from conjoin.bootstrap.stores.source import WebSource
from conjoin.errors import IntegrityError, NotFound, Unreachable
from loopback import LoopbackServer, Ranges

CONTENT = random.Random(7).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "FIRST_PAUSE", 0.001)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "big").write_bytes(CONTENT)
    return tmp_path / "root"


@pytest.mark.parametrize("ranges", ["full", "none"])
def test_a_download_that_is_cut_goes_on_where_it_was(root: Path, tmp_path: Path, ranges: Ranges) -> None:
    with LoopbackServer(root, ranges=ranges) as server:
        server.truncate("/big", 2_000_000, 1)
        downloads = Downloads(WebSource(server.url))
        downloads.file("big", str(tmp_path / "got"), SHA256, len(CONTENT))
        assert [request.range for request in server.requests] == [None, "bytes=2000000-"]
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert downloads.requests == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_servers_that_are_busy_are_asked_again_a_bounded_number_of_times(
    root: Path, tmp_path: Path, status: int
) -> None:
    with LoopbackServer(root) as server:
        server.fail("/big", status, TRIES - 1)
        Downloads(WebSource(server.url)).file("big", str(tmp_path / "got"), SHA256)
        server.fail("/big", status, None)
        server.forget()
        with pytest.raises(Unreachable, match=f"it answers {status}"):
            Downloads(WebSource(server.url)).file("big", str(tmp_path / "got2"), SHA256)
        assert len(server.requests) == TRIES


def test_pauses_are_of_chance_and_grow(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []
    monkeypatch.setattr(download_module.random, "uniform", lambda low, high: asked.append((low, high)) or 0.0)
    with LoopbackServer(root) as server:
        server.fail("/big", 503, TRIES - 1)
        Downloads(WebSource(server.url)).file("big", str(tmp_path / "got"), SHA256)
    assert [low for low, _ in asked] == [0] * (TRIES - 1)
    assert [high for _, high in asked] == sorted({high for _, high in asked})


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda server: server.corrupt("/big", None), IntegrityError),
        (lambda server: server.replace("/big", CONTENT[:-1]), IntegrityError),
        (lambda server: server.replace("/big", CONTENT + b"x"), Unreachable),
        (lambda server: server.fail("/big", 404, None), NotFound),
    ],
    ids=["other bytes", "too few", "too many", "missing"],
)
def test_what_is_not_what_was_promised_leaves_nothing(
    root: Path, tmp_path: Path, change, kind: type[Exception]
) -> None:
    with LoopbackServer(root) as server:
        change(server)
        with pytest.raises(kind):
            Downloads(WebSource(server.url)).file("big", str(tmp_path / "a" / "got"), SHA256, len(CONTENT))
    assert list((tmp_path / "a").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with LoopbackServer(root) as server, pytest.raises(Unreachable, match=r"cannot be written .*--cache"):
        Downloads(WebSource(server.url)).file("big", str(tmp_path / "file" / "got"), SHA256)


def test_connections_are_kept(root: Path, tmp_path: Path) -> None:
    with LoopbackServer(root) as server:
        downloads = Downloads(WebSource(server.url))
        ports = set()
        handled = server._http.RequestHandlerClass._answer

        def noting(handler) -> None:
            ports.add(handler.client_address[1])
            handled(handler)

        server._http.RequestHandlerClass._answer = noting
        for number in range(5):
            downloads.file("big", str(tmp_path / f"got{number}"), SHA256)
        assert downloads.document("nothing") is None
    assert len(ports) == 1


def test_two_who_fetch_the_same_are_not_in_each_other_s_way(root: Path, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with LoopbackServer(root) as server, ThreadPoolExecutor(4) as pool:
        downloads = Downloads(WebSource(server.url))
        list(pool.map(lambda _: downloads.file("big", str(tmp_path / "got"), SHA256), range(4)))
    assert (tmp_path / "got").read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["got", "root"]


def test_a_kept_connection_that_the_server_closed_costs_no_pause(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "TRIES", 1)
    with LoopbackServer(root) as server:
        downloads = Downloads(WebSource(server.url))
        assert downloads.document("nothing") is None
        for connection in downloads._source._connections._kept.by_place.values():
            connection.sock.shutdown(2)
        assert downloads.document("big") == CONTENT
