"""What speaks HTTP: connections, whom TLS trusts, how slowly a body may come, how much is read at once.

httpx is imported when the first request is made. It alone asks for 64 KiB of a body at once, and of TLS gets
16. Each piece costs the same walk through httpx, httpcore and h11 with the interpreter's lock held: at 16 KiB
that is more work than the hash. What is read here is what the kernel has at that moment, up to a megabyte;
nobody waits for more than one piece.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from conjoin.errors import Unreachable, UsageError
from conjoin.net.guard import Guard

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["Downloads", "Sink", "Transport", "certificates", "pour", "read_widely", "tls_context"]

Sink: TypeAlias = Callable[[bytes], None]
"""Takes the next bytes of a body."""

_LONGEST_WAIT = 2.0  # times the timeout, for the head of an answer: it may drip as well
# What httpx unpacks piece by piece. Others, or one over the other, could make gigabytes of a piece.
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
# As pip, curl and requests call the file that holds the trusted certificates.
CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Transport:
    """Sends single requests, over HTTP/2 where the server has it; belongs to one event loop.

    Logins, redirects and second tries are :class:`conjoin.net.client.HttpClient`'s.

    :param timeout: seconds without a byte.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._httpx: httpx.AsyncClient | None = None

    async def send(self, method: str, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Return the head of an answer, whose body is still to be read, and which is to be closed.

        :raises httpx.TransportError: where there is none in time.
        :raises UsageError: where a variable names certificates that cannot be read.
        """
        import httpx

        client = self._client()
        request = client.build_request(method, url, headers=headers)
        try:
            return await asyncio.wait_for(client.send(request, stream=True), _LONGEST_WAIT * self._timeout)
        except asyncio.TimeoutError:
            raise httpx.ReadTimeout("no answer in time") from None

    async def aclose(self) -> None:
        """Close all connections."""
        if self._httpx is not None:
            await self._httpx.aclose()
            self._httpx = None

    def _client(self) -> httpx.AsyncClient:
        if self._httpx is None:
            from importlib.metadata import version

            import httpx

            self._httpx = httpx.AsyncClient(
                http2=True,
                verify=tls_context(),
                timeout=httpx.Timeout(self._timeout, pool=None),
                limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
                headers={
                    "user-agent": f"conjoin/{version('conjoin')}",
                    "accept-encoding": "gzip, deflate",
                },
                follow_redirects=False,
            )
        return self._httpx


async def pour(raw: httpx.Response, sink: Sink, url: str) -> None:
    """Hand a body over piece by piece.

    :param url: for messages.
    :raises Unreachable: where it is packed in a way nobody asked for, or drips.
    """
    encoding = raw.headers.get("content-encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise Unreachable(f"the answer is encoded as {encoding[:40]!r}, which was not asked for", where=url)
    guard = Guard(url)
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    failure: Unreachable | None = None
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        """Look again when the time for the next piece is over: what is no piece (of chunks) drips as well."""
        nonlocal timer, failure
        try:
            timer = loop.call_later(guard.left(), look)
        except Unreachable as error:
            failure = error
            task.cancel()

    look()
    try:
        async for chunk in raw.aiter_bytes():
            guard.came(len(chunk))
            sink(chunk)
            guard.left()
    except asyncio.CancelledError:
        if failure is not None:
            raise failure from None
        raise
    finally:
        if timer is not None:
            timer.cancel()


class Downloads:
    """Sends GETs one after the other in each of several threads, under the eyes of a guard.

    :param silence: seconds without a byte.
    """

    def __init__(self, silence: float = 30.0) -> None:
        self._silence = silence
        self._lock = threading.Lock()
        self._httpx: httpx.Client | None = None

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], guard: Guard) -> Iterator[httpx.Response]:
        """Give the head of an answer, after redirects; its body is read from it in the same thread.

        :raises httpx.TransportError: where it does not come, or breaks off.
        :raises Unreachable: as the guard.
        """
        guard.begin()
        _watching.guard = guard
        try:
            with self._client().stream("GET", url, headers=dict(headers)) as answer:
                yield answer
        finally:
            _watching.guard = None

    def close(self) -> None:
        """Close all connections."""
        if self._httpx is not None:
            self._httpx.close()

    def _client(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._httpx is None:
                self._httpx = httpx.Client(
                    verify=tls_context(),
                    follow_redirects=True,
                    timeout=httpx.Timeout(self._silence, connect=15.0),
                    headers={"User-Agent": "conjoin"},
                )
                read_widely(self._httpx)
            return self._httpx


class _Watching(threading.local):
    """What watches over the download of this thread."""

    guard: Guard | None = None


_watching = _Watching()


def certificates() -> str | None:
    """Return the file with the trusted certificates that the user's environment names, if any."""
    return next((os.environ[name] for name in CERTIFICATE_VARIABLES if os.environ.get(name)), None)


def tls_context() -> ssl.SSLContext:
    """Trust what the user's variables name, else the system, else (no system store found) certifi."""
    import ssl
    from pathlib import Path

    for variable in CERTIFICATE_VARIABLES:
        place = os.environ.get(variable)
        if not place:
            continue
        path = Path(place)
        try:
            if path.is_dir():
                return ssl.create_default_context(capath=place)
            return ssl.create_default_context(cafile=place)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"{variable} names no readable file of certificates ({error})", where=place
            ) from None
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not context.cert_store_stats()["x509_ca"] and not paths.capath:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


_WIDE = 1 << 20
"""Bytes handed on at once, or a little less than twice that."""


def read_widely(client: httpx.Client) -> None:
    """Make a client's connections, those through proxies too, hand on bodies in big pieces.

    httpx has no option for it: the back-end of the network is exchanged in its pools, where it is found. With
    an httpx that keeps it elsewhere, downloads are as they were.
    """
    for transport in (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            pool._network_backend = _Network(pool._network_backend)


class _Network:
    """An ``httpcore.NetworkBackend`` around another one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, *arguments: Any, **options: Any) -> _WideStream:
        return _WideStream(self._inner.connect_tcp(*arguments, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _WideStream:
    """An ``httpcore.NetworkStream`` around another one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def start_tls(self, *arguments: Any, **options: Any) -> _WideStream:
        return _WideStream(self._inner.start_tls(*arguments, **options))

    def read(self, _max_bytes: int, timeout: float | None = None) -> bytes:
        """Wait for some bytes, and return them with all that came meanwhile; none where there are no more."""
        guard = _watching.guard
        if guard is not None:
            left = guard.left()
            timeout = left if timeout is None else min(timeout, left)
        first: bytes = self._inner.read(_WIDE, timeout)
        if guard is not None:
            guard.came(len(first))
        if not first:
            return first
        pieces, size = [first], len(first)
        while size < _WIDE and (piece := self._arrived()):
            pieces.append(piece)
            size += len(piece)
        if guard is not None:
            guard.came(size - len(first))
        return first if len(pieces) == 1 else b"".join(pieces)

    def _arrived(self) -> bytes:
        """Return what can be read without waiting."""
        if not self._inner.get_extra_info("is_readable"):
            return b""
        try:
            piece: bytes = self._inner.read(_WIDE, 0.0)
        except Exception:  # half a record of TLS, or the end
            return b""  # the next read says so; what came before is kept, for the download to go on from
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
