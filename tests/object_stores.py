"""Real object stores' APIs on loopback, behind a proxy that counts, and misbehaves where a test says so."""

from __future__ import annotations

import contextlib
import fnmatch
import http.client
import io
import itertools
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from conjoin.lock.model import Lock
from networks import Network

__all__ = ["ACCESS_KEY", "S3", "SECRET_KEY", "Answer", "MakeLock", "ObjectServer"]

ACCESS_KEY = "loopback-key"
SECRET_KEY = "loopback-secret"
MakeLock = Callable[..., Lock]
"""``make_environment``: number of packages, bytes of each, seed, platforms."""

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "date", "server"}
_buckets = itertools.count()


class Answer(NamedTuple):
    """What the server behind the proxy says."""

    status: int
    headers: dict[str, str]
    content: bytes


@dataclass
class _Fault:
    methods: tuple[str, ...]
    pattern: str
    times: int | None
    status: int = 0
    cut: bool = False
    keep: int | None = None
    flip: bool = False
    delay: float = 0.0
    until: threading.Event | None = None


class ObjectServer:
    """An object store's server and the proxy in front of it; a subclass is one kind of store.

    Paths, in patterns and in the log, begin with the bucket or container (Azure: with the account), unquoted.

    :cvar scheme: what addresses begin with.
    :cvar condition_headers: by which clients ask for conditional writes.
    :cvar part: what the query of a request has that sends one part of a big object.
    :cvar secrets: what no message may contain.
    :ivar requests: ``(method, path with query)`` of everything that came in.
    :ivar ignores_conditions: behave like servers that do not know conditional writes.
    """

    scheme: str
    condition_headers: frozenset[str] = frozenset({"if-none-match", "if-match"})
    part = "partNumber="
    secrets: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.authorizations: set[str] = set()
        self.ignores_conditions = False
        self._behind = ("127.0.0.1", 0)
        self._inside: list[_Server] = []
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def start(self) -> ObjectServer:
        handler = type("Handler", (_Handler,), {"store": self})
        self._proxy = _Server(("127.0.0.1", 0), handler)
        self._behind = self.start_behind()
        threading.Thread(target=self._proxy.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        for server in (self._proxy, *self._inside):
            server.shutdown()
            server.server_close()
        self.stop_behind()

    def enter(self, network: Network) -> None:
        """Be at the same address in that network, too."""
        address = ("127.0.0.1", self._proxy.server_address[1])
        inside = _Server(address, self._proxy.RequestHandlerClass, bind_and_activate=False)
        inside.socket.close()
        inside.socket = network.listen(address[1])
        self._inside.append(inside)
        threading.Thread(target=inside.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._proxy.server_address[1]}"

    def new_bucket(self) -> str:
        """Return the name of a new, empty bucket or container."""
        bucket = f"bucket-{next(_buckets)}"
        self.make_bucket(bucket)
        return bucket

    # -- what a kind of store knows -------------------------------------------------------------

    def start_behind(self) -> tuple[str, int]:
        """Start the real server and return its host and port."""
        raise NotImplementedError

    def stop_behind(self) -> None:
        raise NotImplementedError

    def make_bucket(self, name: str) -> None:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return the variables by which the cloud's own tools find this server."""
        raise NotImplementedError

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Ask the server behind; ``path`` is as it was sent, with its query."""
        return self.ask(method, path, headers, body)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(*self._behind, timeout=300)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    # -- log and faults -------------------------------------------------------------------------

    def forget(self) -> None:
        with self._lock:
            self.requests.clear()
            self.authorizations.clear()

    def count(self, method: str, pattern: str = "*") -> int:
        with self._lock:
            return sum(m == method and fnmatch.fnmatchcase(path, pattern) for m, path in self.requests)

    def fail(self, pattern: str, status: int, times: int | None, methods: tuple[str, ...] = ()) -> None:
        self._faults.append(_Fault(methods, pattern, times, status=status))

    def cut(self, pattern: str, times: int | None, methods: tuple[str, ...] = ()) -> None:
        """Close the connection without an answer."""
        self._faults.append(_Fault(methods, pattern, times, cut=True))

    def truncate(self, pattern: str, keep: int, times: int | None) -> None:
        """Announce everything, send ``keep`` bytes, close the connection."""
        self._faults.append(_Fault(("GET",), pattern, times, keep=keep))

    def delay(self, pattern: str, seconds: float, times: int | None, methods: tuple[str, ...] = ()) -> None:
        """Answer late."""
        self._faults.append(_Fault(methods, pattern, times, delay=seconds))

    def hold(self, pattern: str, times: int | None) -> threading.Event:
        """Answer when the event that is returned is set."""
        until = threading.Event()
        self._faults.append(_Fault(("GET",), pattern, times, until=until))
        return until

    def corrupt(self, pattern: str, times: int | None) -> None:
        self._faults.append(_Fault(("GET",), pattern, times, flip=True))

    def heal(self) -> None:
        with self._lock:
            self._faults.clear()
        self.ignores_conditions = False

    # -- used by the handler --------------------------------------------------------------------

    def fault(self, method: str, path: str) -> _Fault | None:
        with self._lock:
            for fault in self._faults:
                if (not fault.methods or method in fault.methods) and fnmatch.fnmatchcase(
                    path, fault.pattern
                ):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if self.ignores_conditions:
            headers = {k: v for k, v in headers.items() if k.lower() not in self.condition_headers}
        return self.forward(method, path, headers, body)


class S3(ObjectServer):
    """Amazon's API: moto."""

    scheme = "s3"
    secrets = (ACCESS_KEY, SECRET_KEY, "Signature")

    def __init__(self) -> None:
        super().__init__()
        # moto compares and writes in two steps; S3 does it in one.
        self._conditional = threading.Lock()

    def start_behind(self) -> tuple[str, int]:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._s3 = create_backend_app("s3")
        self._any = DomainDispatcherApplication(create_backend_app)
        return self._behind

    def stop_behind(self) -> None:
        """There is no process and no port of its own: see :meth:`ask`."""

    def make_bucket(self, name: str) -> None:
        assert self.ask("PUT", f"/{name}", {}, b"").status == 200

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "none",
            "AWS_SHARED_CREDENTIALS_FILE": "none",
        }

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Call moto's application as its server does (WSGI, PEP 3333), without a second http hop.

        Its dispatcher looks through the folders of all services for every request: what is signed for S3
        goes there straight away.
        """
        from werkzeug.test import run_wsgi_app

        environ = self._environ(method, path, headers, body)
        signed_for_s3 = "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
        content, status, answered = run_wsgi_app(
            self._s3 if signed_for_s3 else self._any, environ, buffered=True
        )
        return Answer(int(status.split()[0]), dict(answered), b"".join(content))

    def _environ(self, method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        split = urlsplit(path)
        host, port = self._proxy.server_address[:2]
        environ = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            # PEP 3333: the bytes of a text, each as the character of that number.
            "PATH_INFO": unquote(split.path).encode().decode("latin-1"),
            "QUERY_STRING": split.query,
            "RAW_URI": path,
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
        }
        for name, value in headers.items():
            # WSGI cannot tell it from a dash, and S3's metadata can.
            assert "_" not in name, name
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        # What it was is settled: the body has been read.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return environ

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        conditional = any(key.lower().startswith("if-") for key in headers)
        with self._conditional if conditional else contextlib.nullcontext():
            return self.ask(method, path, headers, body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store: ObjectServer

    def log_message(self, format: str, *args: Any) -> None:
        """Keep test output clean."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        with self.store._lock:
            self.store.requests.append((self.command, unquote(self.path)))
            self.store.authorizations.add(self.headers.get("Authorization", ""))
        fault = self.store.fault(self.command, path)
        if fault is not None:
            time.sleep(fault.delay)
            if fault.until is not None:
                fault.until.wait()
        if fault is not None and fault.cut:
            self._hang_up()
            return
        if fault is not None and fault.status:
            self._send(fault.status, {}, b"")
            return
        answer = self.store.answer(self.command, self.path, dict(self.headers.items()), body)
        content = answer.content
        if fault is not None and fault.flip and content:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
        self._send(answer.status, answer.headers, content, keep=fault.keep if fault else None)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer

    def _send(self, status: int, headers: dict[str, str], content: bytes, keep: int | None = None) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if key.lower() not in _HOP_BY_HOP:
                self.send_header(key, value)
        length = next((v for k, v in headers.items() if k.lower() == "content-length"), str(len(content)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if keep is None else content[:keep])
        if keep is not None:
            self.wfile.flush()
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
