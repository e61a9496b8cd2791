"""A static http server on 127.0.0.1 for channels and indexes, with the faults that real ones have.

Real clients talk to it over real sockets; what a test changes is how well the server behaves.

    with LoopbackServer(folder) as server:
        server.fail("/noarch/repodata.json*", status=503, times=2)
        ...
        assert [r.path for r in server.requests] == [...]
"""

from __future__ import annotations

import base64
import email.utils
import fnmatch
import mimetypes
import re
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

__all__ = ["PYPI_JSON", "LoopbackServer", "Ranges", "Request"]

Ranges = Literal["full", "no-suffix", "none"]
"""``full``: RFC 9110 ranges; ``no-suffix``: ``bytes=-N`` is ignored (200, whole body); ``none``: all are."""

PYPI_JSON = "application/vnd.pypi.simple.v1+json"
_EXPLICIT = re.compile(r"bytes=(\d+)-(\d*)")
_SUFFIX = re.compile(r"bytes=-(\d+)")


@dataclass(frozen=True)
class Request:
    """One request as it arrived; ``path`` is unquoted and has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str = ""

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass
class _Fault:
    pattern: str
    times: int | None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    keep: int | None = None
    flip: bool = False
    delay: float = 0.0
    methods: tuple[str, ...] = ("GET", "HEAD")


class LoopbackServer:
    """Serve ``root`` over http on a free port of 127.0.0.1.

    :param root: folder whose files are served; a path that ends in ``/`` serves ``index.json`` (as PEP 691
        JSON, where the client accepts it or no ``index.html`` exists) or ``index.html``.
    :param ranges: see :data:`Ranges`.
    :param validators: send ``ETag`` and ``Last-Modified`` and answer 304 where they match; without, there is
        never a 304 (http.server's 304 without validators breaks rattler's shard cache).
    :param auth: ``(user, password)`` asked for by HTTP basic authentication.
    :param latency: seconds that each answer waits.
    :ivar logins: what parts of it ask for, by the beginning of their paths: ``(user, password)``, the text of
        a bearer token, or ``/t/token``, which then stands before the path.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        ranges: Ranges = "full",
        validators: bool = True,
        auth: tuple[str, str] | None = None,
        latency: float = 0.0,
    ) -> None:
        self.root = Path(root)
        self.ranges: Ranges = ranges
        self.validators = validators
        self.auth = auth
        self.logins: dict[str, tuple[str, str] | str] = {}
        self.latency = latency
        self.requests: list[Request] = []
        self.bodies_sent = 0
        self._pages: dict[str, tuple[str, bytes]] = {}
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> LoopbackServer:
        handler = type("Handler", (_Handler,), {"world": self})
        self._http = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def __enter__(self) -> LoopbackServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        assert self._http is not None, "not started"
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Base URL, without credentials and without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_with_credentials(self) -> str:
        """Base URL with the user and password of ``auth`` in it."""
        assert self.auth is not None, "the server asks for no credentials"
        user, password = (urllib.parse.quote(part, safe="") for part in self.auth)
        return f"http://{user}:{password}@127.0.0.1:{self.port}"

    # -- log ------------------------------------------------------------------------------------

    def paths(self, method: str | None = None, pattern: str = "*") -> list[str]:
        """Return the paths asked for so far, in order, that match."""
        with self._lock:
            return [
                r.path
                for r in self.requests
                if (method is None or r.method == method) and fnmatch.fnmatchcase(r.path, pattern)
            ]

    def forget(self) -> None:
        """Empty the request log."""
        with self._lock:
            self.requests.clear()
            self.bodies_sent = 0

    # -- contents -------------------------------------------------------------------------------

    def page(self, path: str, body: bytes | str, content_type: str = "text/html; charset=utf-8") -> None:
        """Serve ``body`` at ``path``, before any file of the folder."""
        self._pages[path] = (content_type, body.encode() if isinstance(body, str) else body)

    # -- faults: each for paths that match a glob pattern, N times or (times=None) for ever ------

    def fail(
        self,
        pattern: str,
        status: int = 503,
        times: int | None = 1,
        *,
        headers: Mapping[str, str] | None = None,
        methods: tuple[str, ...] = ("GET", "HEAD"),
    ) -> None:
        """Answer with ``status`` and a short text."""
        body = f"injected {status}\n".encode()
        self._faults.append(
            _Fault(pattern, times, status=status, headers=dict(headers or {}), body=body, methods=methods)
        )

    def redirect(self, pattern: str, to: str, times: int | None = None, status: int = 302) -> None:
        """Answer with a redirection to ``to``."""
        self._faults.append(_Fault(pattern, times, status=status, headers={"Location": to}, body=b""))

    def truncate(self, pattern: str, keep: int, times: int | None = 1) -> None:
        """Announce the whole length, send ``keep`` bytes, close the connection."""
        self._faults.append(_Fault(pattern, times, keep=keep, methods=("GET",)))

    def corrupt(self, pattern: str, times: int | None = 1) -> None:
        """Send as many bytes as expected, with the one in the middle changed."""
        self._faults.append(_Fault(pattern, times, flip=True, methods=("GET",)))

    def replace(self, pattern: str, body: bytes, times: int | None = None) -> None:
        """Send other bytes than the file's."""
        self._faults.append(_Fault(pattern, times, body=body, status=200))

    def delay(self, pattern: str, seconds: float, times: int | None = None) -> None:
        """Answer late."""
        self._faults.append(_Fault(pattern, times, delay=seconds))

    def heal(self) -> None:
        """Drop all faults."""
        with self._lock:
            self._faults.clear()

    # -- used by the handler --------------------------------------------------------------------

    def _fault_for(self, method: str, path: str) -> _Fault | None:
        with self._lock:
            for fault in self._faults:
                if method in fault.methods and fnmatch.fnmatchcase(path, fault.pattern):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._faults.remove(fault)
                    return fault
        return None

    def _content(self, path: str, accept: str) -> tuple[str, bytes, float] | None:
        if path in self._pages:
            kind, body = self._pages[path]
            return kind, body, 0.0
        relative = path.lstrip("/")
        if ".." in relative.split("/"):
            return None
        file = self.root / relative
        if path.endswith("/"):
            page, listing = file / "index.html", file / "index.json"
            if listing.is_file() and ("json" in accept or not page.is_file()):
                return PYPI_JSON, listing.read_bytes(), listing.stat().st_mtime
            file = page
        if not file.is_file():
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return kind, file.read_bytes(), file.stat().st_mtime


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: without this, Nagle's algorithm adds 40 ms to each answer.
    disable_nagle_algorithm = True
    world: LoopbackServer

    def log_message(self, format: str, *args: Any) -> None:
        """Keep test output clean: the log is ``LoopbackServer.requests``."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        world = self.world
        split = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(split.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        with world._lock:
            world.requests.append(Request(self.command, path, headers, split.query))
        fault = world._fault_for(self.command, path)
        pause = world.latency + (fault.delay if fault else 0.0)
        if pause:
            time.sleep(pause)
        authorised = self._authorised(headers)
        for prefix, login in world.logins.items():
            if isinstance(login, str) and login.startswith("/t/"):
                if path.startswith(f"{login}{prefix}/"):
                    path = path.removeprefix(login)
                    break
                authorised = authorised and not path.startswith(f"{prefix}/")
            elif path.startswith(f"{prefix}/"):
                wanted = f"Bearer {login}" if isinstance(login, str) else _basic(login)
                authorised = authorised and headers.get("authorization") == wanted
        if not authorised:
            self._send(401, b"credentials, please\n", {"WWW-Authenticate": 'Basic realm="loopback"'})
            return
        if fault is not None and fault.status is not None:
            self._send(fault.status, fault.body or b"", fault.headers)
            return
        found = world._content(path, headers.get("accept", ""))
        if found is None:
            folder = not path.endswith("/") and world._content(f"{path}/", headers.get("accept", ""))
            if folder:
                self._send(301, b"", {"Location": f"{split.path}/"})
            else:
                self._send(404, b"not found\n")
            return
        self._send_content(*found, headers, fault)

    def _authorised(self, headers: Mapping[str, str]) -> bool:
        if self.world.auth is None:
            return True
        return headers.get("authorization") == _basic(self.world.auth)

    def _send_content(
        self, kind: str, body: bytes, mtime: float, headers: Mapping[str, str], fault: _Fault | None
    ) -> None:
        extra = {"Content-Type": kind}
        if self.world.validators:
            extra["ETag"] = etag = f'"{mtime:.6f}-{len(body)}"'
            extra["Last-Modified"] = email.utils.formatdate(mtime, usegmt=True)
            if headers.get("if-none-match") == etag:
                self._send(304, b"", extra)
                return
        status = 200
        if self.world.ranges != "none":
            extra["Accept-Ranges"] = "bytes"
            span = self._span(headers.get("range", ""), len(body))
            if span is not None:
                start, end = span
                if start >= len(body):
                    self._send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                    return
                extra["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
                body, status = body[start:end], 206
        if fault is not None and fault.flip and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]
        self._send(status, body, extra, keep=fault.keep if fault else None)

    def _span(self, wanted: str, size: int) -> tuple[int, int] | None:
        explicit = _EXPLICIT.fullmatch(wanted)
        if explicit:
            end = int(explicit[2]) + 1 if explicit[2] else size
            return int(explicit[1]), min(end, size)
        suffix = _SUFFIX.fullmatch(wanted)
        if suffix and self.world.ranges == "full":
            return max(0, size - int(suffix[1])), size
        return None

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, keep: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or status == 304:
            return
        sent = body if keep is None else body[:keep]
        self.wfile.write(sent)
        with self.world._lock:
            self.world.bodies_sent += len(sent)
        if keep is not None:
            self.close_connection = True
