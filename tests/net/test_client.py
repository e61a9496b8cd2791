from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from conjoin.errors import Unreachable
from conjoin.net.client import HttpClient, Response
from loopback import LoopbackServer

T = TypeVar("T")


def run(question: Callable[[HttpClient], Coroutine[Any, Any, T]], **options: Any) -> T:
    async def once() -> T:
        client = HttpClient(backoff=0.01, **options)
        try:
            return await question(client)
        finally:
            await client.aclose()

    return asyncio.run(once())


@pytest.fixture
def server(tmp_path: Path) -> Any:
    (tmp_path / "file").write_bytes(b"0123456789")
    with LoopbackServer(tmp_path) as started:
        yield started


def test_a_body_larger_than_the_limit_is_refused(server: LoopbackServer) -> None:
    assert run(lambda client: client.get(f"{server.url}/file", limit=10)).body == b"0123456789"
    with pytest.raises(Unreachable, match="larger than 9"):
        run(lambda client: client.get(f"{server.url}/file", limit=9))
    assert len(server.requests) == 2  # not tried again


def test_redirects_in_a_circle_end(server: LoopbackServer) -> None:
    server.redirect("/a", "/b")
    server.redirect("/b", "/a")
    with pytest.raises(Unreachable, match="redirects"):
        run(lambda client: client.get(f"{server.url}/a"))
    assert len(server.requests) == 10


def test_a_redirect_to_another_scheme_is_unreachable_not_a_traceback(server: LoopbackServer) -> None:
    server.redirect("/a", "ftp://host.example/x")
    with pytest.raises(Unreachable, match="not a usable URL"):
        run(lambda client: client.get(f"{server.url}/a"))


@pytest.mark.parametrize("url", ["http://", "http://[x/", "not-a-url", "http://host.example:99999999/"])
def test_nonsense_for_a_url_is_unreachable_not_a_traceback(url: str) -> None:
    with pytest.raises(Unreachable):
        run(lambda client: client.get(url), attempts=1)


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="could not be reached"):
        run(lambda client: client.get("http://nowhere.invalid/"), attempts=1)


def test_a_server_that_says_nothing_is_given_up(server: LoopbackServer) -> None:
    server.delay("/file", 5)
    with pytest.raises(Unreachable, match="could not be reached"):
        run(lambda client: client.get(f"{server.url}/file"), attempts=1, timeout=0.2)


def test_every_attempt_counts_as_a_request(server: LoopbackServer) -> None:
    server.fail("/file", times=2)

    async def question(client: HttpClient) -> tuple[Response, int]:
        return await client.get(f"{server.url}/file"), client.requests

    answer, requests = run(question)
    assert (answer.status, requests) == (200, 3)
