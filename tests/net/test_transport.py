from __future__ import annotations

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from conjoin.errors import UsageError
from conjoin.net.client import HttpClient
from conjoin.net.transport import CERTIFICATE_VARIABLES, read_widely, tls_context

CONTENT = bytes(range(256)) * 400  # more than httpx reads at once, less than a socket holds
RECORD = 16384
NARROW = 65536
"""What httpcore asks for at once."""


class Line(NamedTuple):
    """A connection, as a widened client made it, and who is at its other end."""

    stream: Any
    peer: socket.socket

    def wait_for(self, count: int) -> None:
        """Wait until the kernel has ``count`` bytes for us."""
        connection = self.stream.get_extra_info("socket")
        until = time.monotonic() + 20
        while struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, b"\0" * 4))[0] < count:
            assert time.monotonic() < until
            time.sleep(0.001)


@pytest.fixture
def line() -> Iterator[Line]:
    with socket.create_server(("127.0.0.1", 0)) as server, httpx.Client() as client:
        read_widely(client)
        network = client._transport._pool._network_backend  # type: ignore[attr-defined]
        stream = network.connect_tcp("127.0.0.1", server.getsockname()[1], timeout=5)
        peer, _ = server.accept()
        with peer:
            yield Line(stream, peer)
        stream.close()


def test_what_has_arrived_is_read_at_once(line: Line) -> None:
    line.peer.sendall(CONTENT)
    line.wait_for(len(CONTENT))
    assert len(CONTENT) > NARROW
    assert line.stream.read(NARROW, 5) == CONTENT


def test_nobody_waits_for_more_than_there_is(line: Line) -> None:
    line.peer.sendall(b"a little")
    assert line.stream.read(NARROW, 5) == b"a little"
    line.peer.sendall(b"more")
    assert line.stream.read(NARROW, 5) == b"more"


def test_the_end_is_told_after_the_last_bytes(line: Line) -> None:
    line.peer.sendall(b"the last")
    line.peer.shutdown(socket.SHUT_WR)
    assert line.stream.read(NARROW, 5) == b"the last"
    assert line.stream.read(NARROW, 5) == b""


def test_what_came_before_a_connection_broke_is_kept(line: Line) -> None:
    line.peer.sendall(CONTENT)
    line.wait_for(len(CONTENT))
    # Without lingering, closing resets the connection.
    line.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.peer.close()
    assert line.stream.read(NARROW, 5) == CONTENT


def test_a_silent_server_runs_into_the_timeout(line: Line) -> None:
    with pytest.raises(Exception, match="timed out"):
        line.stream.read(NARROW, 0.01)


def test_records_of_tls_are_read_together(line: Line) -> None:
    def ready(purpose: int) -> ssl.SSLContext:
        context = ssl.SSLContext(purpose)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")  # needs no certificate
        return context

    def answer() -> None:
        with ready(ssl.PROTOCOL_TLS_SERVER).wrap_socket(line.peer, server_side=True) as peer:
            peer.sendall(CONTENT)
            done.wait(20)

    done = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()
    try:
        context = ready(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secured = Line(line.stream.start_tls(context, timeout=5), line.peer)
        secured.wait_for(len(CONTENT))
        assert len(CONTENT) > 6 * RECORD
        assert secured.stream.read(NARROW, 5) == CONTENT
    finally:
        done.set()
        thread.join()


def test_connections_through_proxies_are_widened_too() -> None:
    with httpx.Client(proxy="http://proxy.example:8080") as client:
        read_widely(client)
        pools = [transport._pool for transport in (client._transport, *client._mounts.values())]  # type: ignore[union-attr,attr-defined]
    assert len(pools) > 1
    assert {type(pool._network_backend).__module__ for pool in pools} == {read_widely.__module__}


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"])
def test_a_certificate_file_that_is_none_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for other in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(other, raising=False)
    (tmp_path / "bad.pem").write_text("no certificate")
    monkeypatch.setenv(variable, str(tmp_path / "bad.pem"))
    with pytest.raises(UsageError, match=variable):
        asyncio.run(HttpClient().get("https://host.example/"))


def test_without_any_variable_some_authority_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    for other in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(other, raising=False)
    assert tls_context().verify_mode.name == "CERT_REQUIRED"
