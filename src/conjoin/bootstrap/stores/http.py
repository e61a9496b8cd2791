"""GET over kept connections, one per thread and host: what a client library would take a second to load for.

Proxies are those of the usual variables; certificates those that Python trusts, else certifi's.
"""

from __future__ import annotations

import functools
import http.client
import io
import os
import socket
import ssl
import threading
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from conjoin.bootstrap.failure import TryAgain
from conjoin.bootstrap.stores.guard import Guard
from conjoin.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Answer", "Connections"]

_CONNECT = 10.0
_SILENCE = 30.0
"""Seconds that a server may say nothing."""

_CHUNK = 1 << 20
_LONGEST_MESSAGE = 1 << 20
_BUNDLES = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Answer:
    """A server's answer; its body is read once, by :meth:`chunks` or :meth:`text`.

    :ivar status: of HTTP.
    """

    def __init__(self, response: http.client.HTTPResponse, hang_up: object) -> None:
        self.status = response.status
        self._response = response
        self._hang_up = hang_up

    def header(self, name: str) -> str:
        """Return a header, empty where there is none."""
        return self._response.getheader(name) or ""

    def chunks(self) -> Iterator[bytes]:
        """Yield the body.

        :raises TryAgain: where it ends early.
        """
        done = False
        try:
            while True:
                try:
                    chunk = self._response.read(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise TryAgain(_reason(error)) from None
                if not chunk:
                    break
                yield chunk
            # read() with a length does not complain about a body that was cut.
            if self._response.length:
                raise TryAgain("the connection was cut")
            done = True
        finally:
            if not done:
                self._hang_up()  # type: ignore[operator]

    def text(self) -> str:
        """Return the body, which is a message.

        :raises TryAgain: where it ends early, or is none by its length.
        """
        found = b""
        for chunk in self.chunks():
            found += chunk
            if len(found) > _LONGEST_MESSAGE:
                raise TryAgain(f"it answers {self.status} with more than a message")
        return found.decode("utf-8", "replace")


class Connections:
    """Connections that are kept, used from any thread."""

    def __init__(self) -> None:
        self._kept = threading.local()
        self._lock = threading.Lock()
        self._context = None  # type: ssl.SSLContext | None
        self._proxies = urllib.request.getproxies()

    def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask for a URL; redirections are the caller's.

        :raises TryAgain: where the connection fails.
        :raises Unreachable: where the server's certificate is not trusted, there is no such host, or the URL
            of a proxy is none.
        """
        try:
            return self._get(url, headers)
        except (ValueError, http.client.InvalidURL) as error:
            raise Unreachable(
                f"this is no URL of a server ({error})", advice="check the store's address, and any proxy"
            ) from None

    def _get(self, url: str, headers: Mapping[str, str]) -> Answer:
        split = urlsplit(url)
        place = (split.scheme, split.netloc)
        kept = self._kept.__dict__.setdefault("by_place", {})
        connection = kept.pop(place, None)
        path = url if self._is_forwarded(split.scheme, split.hostname or "") else _path(url)
        while True:
            was_kept = connection is not None
            connection = connection or self._opened(split.scheme, split.netloc)
            try:
                guard = Guard(f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}")
                response = self._asked(connection, place, path, headers, guard)
                break
            except TryAgain:
                if not was_kept:
                    raise
                connection = None  # the server had closed it meanwhile, as it may
        kept[place] = connection

        def hang_up() -> None:
            kept.pop(place, None)
            connection.close()

        return Answer(response, hang_up)

    def _asked(
        self,
        connection: http.client.HTTPConnection,
        place: tuple[str, str],
        path: str,
        headers: Mapping[str, str],
        guard: Guard,
    ) -> http.client.HTTPResponse:
        # What is set for a class may be set for one of it: so each answer has its guard.
        connection.response_class = functools.partial(_Watched, guard)  # type: ignore[assignment]
        try:
            connection.request("GET", path, headers={"User-Agent": "conjoin", **headers})
            return connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise Unreachable(
                f"the certificate is not trusted ({error.verify_message})",
                where=f"{place[0]}://{place[1]}",
                advice="SSL_CERT_FILE names the certificates to trust",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise TryAgain(_reason(error)) from None
        except BaseException:
            connection.close()
            raise

    def _opened(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        host = netloc.rpartition("@")[2]
        proxy = self._proxy(scheme, urlsplit("//" + host).hostname or "")
        if proxy:
            through = urlsplit(proxy if "://" in proxy else "http://" + proxy)
            connection = self._connection(through.scheme if scheme == "http" else "https", through.netloc)
            if scheme == "https":
                connection.set_tunnel(host, headers=_basic(through.username, through.password))
            return connection
        return self._connection(scheme, host)

    def _connection(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        host = netloc.rpartition("@")[2]
        if scheme == "https":
            return _QuickHTTPS(host, timeout=_SILENCE, context=self._trusting())
        return _Quick(host, timeout=_SILENCE)

    def _is_forwarded(self, scheme: str, host: str) -> bool:
        return scheme == "http" and bool(self._proxy(scheme, host))

    def _proxy(self, scheme: str, host: str) -> str | None:
        found = self._proxies.get(scheme) or self._proxies.get("all")
        if not found or urllib.request.proxy_bypass(host):
            return None
        return found

    def _trusting(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = _trusting()
            return self._context


def _trusting() -> ssl.SSLContext:
    bundle = next((value for value in map(os.environ.get, _BUNDLES) if value), None)
    context = ssl.create_default_context(cafile=bundle if bundle and os.path.isfile(bundle) else None)
    folder = ssl.get_default_verify_paths().capath
    if not context.cert_store_stats()["x509_ca"] and not (folder and os.path.isdir(folder)):
        # Slim images have no certificates of their own, but requests came with some.
        try:
            import certifi  # type: ignore[import-untyped, unused-ignore]
        except ImportError:
            return context
        context.load_verify_locations(certifi.where())
    return context


class _Watched(http.client.HTTPResponse):
    """An answer, each byte of which comes under the eyes of a guard."""

    def __init__(self, guard: Guard, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(_Reads(guard, sock), *arguments, **options)  # type: ignore[arg-type]


class _Reads:
    """What an answer takes a socket for."""

    def __init__(self, guard: Guard, sock: socket.socket) -> None:
        self._guard = guard
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_GuardedReads(self._guard, self._sock))


class _GuardedReads(io.RawIOBase):
    def __init__(self, guard: Guard, sock: socket.socket) -> None:
        super().__init__()
        self._guard = guard
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._guard.left()
        if left < _SILENCE:  # the end of all waiting is near
            self._sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self._guard.came(count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Quick(http.client.HTTPConnection):
    def connect(self) -> None:
        """Connect; a host that does not answer at all is noticed sooner than one that thinks."""
        self.timeout = _CONNECT
        super().connect()
        self.sock.settimeout(_SILENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _QuickHTTPS(http.client.HTTPSConnection):
    def connect(self) -> None:
        """Connect, as above."""
        self.timeout = _CONNECT
        super().connect()
        self.sock.settimeout(_SILENCE)


def _path(url: str) -> str:
    split = urlsplit(url)
    return (split.path or "/") + ("?" + split.query if split.query else "")


def _basic(user: str | None, password: str | None) -> dict[str, str]:
    if not user:
        return {}
    from base64 import b64encode

    text = "{}:{}".format(unquote(user), unquote(password or ""))
    return {"Proxy-Authorization": "Basic " + b64encode(text.encode()).decode()}


def _reason(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, socket.timeout):
        return "it does not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    if isinstance(error, (http.client.HTTPException, ConnectionError)):
        return "the connection was cut"
    return getattr(error, "strerror", None) or type(error).__name__
