"""Every download ends: by its size, by how slowly it comes, by how long it takes."""

from __future__ import annotations

import asyncio
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.bootstrap.stores import guard as bootstrap_guard
from conjoin.bootstrap.stores.http import Connections
from conjoin.bootstrap.stores.source import FolderSource
from conjoin.errors import IntegrityError, Unreachable
from conjoin.index import channel_guard
from conjoin.index.conda import CondaChannels
from conjoin.net import client as client_module
from conjoin.net import guard as guard_module
from conjoin.net import retries
from conjoin.net.client import HttpClient
from conjoin.net.guard import LARGEST_FILE, chunks_of_file
from conjoin.net.transport import Downloads
from conjoin.spec.names import CondaName
from conjoin.store.backend.verify_stream import StreamVerifier

BOTH = pytest.mark.parametrize("module", [guard_module, bootstrap_guard], ids=["net", "bootstrap"])


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lasts(module: ModuleType, size: int, pieces: Callable[[float], tuple[float, int]]) -> tuple[float, str]:
    """Return when a download is ended whose next piece takes so many seconds and has so many bytes."""
    clock = Clock()
    guard = module.Guard("there", size, clock)
    try:
        while clock.now < 1e6:
            wait, count = pieces(clock.now)
            left = guard.left()
            assert left > 0
            clock.now += wait
            guard.came(count)
    except Unreachable as error:
        return clock.now, error.what
    return clock.now, ""


@BOTH
def test_what_drips_ends_within_a_minute(module: ModuleType) -> None:
    assert lasts(module, 0, lambda _: (1.0, 1)) == (30.0, "sends less than 500 bytes a second")
    assert lasts(module, 1 << 30, lambda _: (29.0, 100))[0] == 58.0


@BOTH
def test_what_came_quickly_does_not_pay_for_a_drip_that_follows(module: ModuleType) -> None:
    ended, _ = lasts(module, 1 << 30, lambda now: (1.0, 10_000_000 if now < 50 else 1))
    assert 50 < ended < 120


@BOTH
def test_what_takes_too_long_for_its_size_ends(module: ModuleType) -> None:
    ended, what = lasts(module, 3_000_000, lambda _: (1.0, 600))
    assert ended == 600 + 3_000_000 / 4000
    assert what == "takes longer than 1350 seconds"


@BOTH
@given(rate=st.integers(4500, 10**9), size=st.integers(1, 10**11), pause=st.floats(0.01, 29))
def test_what_comes_as_quickly_as_a_modem_is_let_alone(
    module: ModuleType, rate: int, size: int, pause: float
) -> None:
    clock = Clock()
    guard = module.Guard("there", size, clock)
    pause = max(pause, size / rate / 200)  # 200 pieces are enough of a test
    if pause > 29:
        return
    left = float(size)
    while left > 0:
        guard.left()
        clock.now += pause
        guard.came(int(rate * pause))
        left -= rate * pause


@given(
    st.lists(st.tuples(st.floats(0, 40), st.integers(0, 50_000), st.booleans()), max_size=60),
    st.sampled_from([0, 1000, 10**9]),
)
def test_the_bootstrap_s_guard_is_the_same(events: list[tuple[float, int, bool]], size: int) -> None:
    def judged(module: ModuleType) -> list[object]:
        clock, said = Clock(), []
        guard = module.Guard("there", size, clock)
        try:
            for wait, count, again in events:
                if again:
                    guard.begin()
                said.append(guard.left())
                clock.now += wait
                guard.came(count)
        except Unreachable as error:
            said.append(str(error))
        return said

    assert judged(guard_module) == judged(bootstrap_guard)
    assert guard_module.LARGEST_FILE == bootstrap_guard.LARGEST_FILE


_TEXTS = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.sampled_from(["\xb2", "9" * 5000, "Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", " 7 "]),
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    st.from_regex(r"\A[A-Z][a-z]{2},? \d{1,2}[ -]\w{3}[ -]\d{2,4} \d\d:\d\d(:\d\d)? ?(GMT|[+-]\d{4})?\Z"),
)


@given(_TEXTS, st.floats(0, 2e9))
def test_there_is_one_reading_of_retry_after(text: str, now: float) -> None:
    found = retries.retry_after({"retry-after": text}, now)
    assert found >= 0
    assert bootstrap_guard.retry_after(text, now) == found


def test_a_date_without_a_zone_is_greenwich_s() -> None:
    assert retries.retry_after({"retry-after": "Thu Jan  1 00:01:40 1970"}, 40.0) == 60.0


# ---- over real sockets, with a shorter window


@contextmanager
def dripping(*said: bytes, every: float = 0.05, drop: bytes = b"x") -> Iterator[str]:
    """A server that says something, and then a byte now and then, for ever."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.recv(1 << 16)
                for each in said:
                    self.request.sendall(each)
                while not done.wait(every):
                    self.request.sendall(drop)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    done = threading.Event()
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            done.set()
            server.shutdown()


HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "body": (HEAD + b"Content-Length: 300000\r\n\r\n",),
    "without a length": (HEAD + b"Connection: close\r\n\r\n",),
    "head": (HEAD + b"X: ",),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5;"),
}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (guard_module, bootstrap_guard):
        monkeypatch.setattr(module.Guard.__init__, "__defaults__", (0, time.monotonic, 0.5))


def download(url: str) -> None:
    downloads = Downloads(silence=5.0)
    try:
        with downloads.get(url, {}, guard_module.Guard("there")) as answer:
            for _ in answer.iter_raw():
                pass
    finally:
        downloads.close()


def page(url: str) -> None:
    async def get() -> None:
        client = HttpClient(attempts=1, timeout=1.0)
        try:
            await client.get(url)
        finally:
            await client.aclose()

    asyncio.run(get())


def bootstrap(url: str) -> None:
    for _ in Connections().get(url, {}).chunks():
        pass


@pytest.mark.parametrize("where", DRIPS)
@pytest.mark.parametrize("get", [download, page, bootstrap])
@pytest.mark.usefixtures("short")
def test_an_answer_that_drips_ends_wherever_it_drips(get: Callable[[str], None], where: str) -> None:
    with dripping(*DRIPS[where]) as url:
        began = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            get(url)
        assert time.monotonic() - began < 10
        assert caught.value.exit_code == 4


@pytest.mark.usefixtures("short")
def test_what_is_waited_for_by_who_reads_does_not_count(tmp_path: Path) -> None:
    with dripping(HEAD + b"Content-Length: 100000\r\n\r\n", every=0.0, drop=b"x" * 10_000) as url:
        downloads = Downloads()
        got = 0
        with downloads.get(url, {}, guard_module.Guard("there")) as answer:
            for chunk in answer.iter_raw():
                got += len(chunk)
                time.sleep(0.1)
        assert got == 100_000
        downloads.close()


def test_a_channel_that_drips_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_guard, "WINDOW", 1.0)
    monkeypatch.setattr(channel_guard, "LOOK", 0.2)
    with dripping(HEAD + b"Content-Length: 300000\r\n\r\n") as url:
        channels = CondaChannels([url], "linux-64", cache_dir=tmp_path)
        with pytest.raises(Unreachable, match="the channel sends less than 500 bytes a second") as caught:
            asyncio.run(channels.records([CondaName("x")]))
    assert caught.value.where == f"channel {url}"


def test_who_solves_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_guard, "WINDOW", 0.1)
    monkeypatch.setattr(channel_guard, "LOOK", 0.05)

    async def slowly() -> int:
        await asyncio.sleep(0.5)
        return 1

    assert asyncio.run(channel_guard.in_time(slowly(), tmp_path, "there", solves=True)) == 1
    with pytest.raises(Unreachable):
        asyncio.run(channel_guard.in_time(slowly(), tmp_path, "there"))


# ---- files, sizes


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "p"
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind == "socket":
            os.chdir(tmp_path)  # the path of a socket has at most a hundred letters
            listening.bind("p")
        else:
            path.mkdir()
        with pytest.raises(Unreachable):
            next(chunks_of_file(path))
        with pytest.raises(Unreachable):
            FolderSource(str(tmp_path)).open("p")


@pytest.mark.parametrize(("size", "most"), [(10, 10), (0, LARGEST_FILE)])
def test_no_more_is_taken_than_was_promised(size: int, most: int) -> None:
    verifier = StreamVerifier("0" * 64, size)
    verifier.received = most - 1
    verifier.update(b"x")
    with pytest.raises(IntegrityError, match=f"more than (the )?{most} bytes"):
        verifier.update(b"x")
    assert verifier.received == most


def test_the_client_s_own_waits_are_bounded() -> None:
    assert client_module._MAX_WAIT <= 60
