"""HTTP for index pages and distribution files: HTTP/2, retries, redirects, credentials, offline.

httpx is imported when the first request is made: a run that the disk cache answers never pays for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

import msgspec

from conjoin.errors import Unreachable
from conjoin.net.credentials import Credentials
from conjoin.net.retries import RETRIED, retry_after
from conjoin.net.transport import Sink, Transport, pour
from conjoin.net.urls import as_asked, without_secrets

__all__ = ["HttpClient", "Response", "Sink", "content_length"]

_REFUSED = frozenset({401, 403, 404})
"""What servers answer to whom they do not know; some do not even say that there is something."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 10
_MAX_WAIT = 30.0  # seconds; the longest Retry-After that is honoured
_MAX_BODY = 64 * 1024 * 1024  # the largest page of a project is a fifth of it
_LARGEST = 2**60  # bytes


class Response(msgspec.Struct, frozen=True):
    """An answer.

    :ivar url: after redirects, without credentials.
    :ivar headers: names in lower case.
    :ivar body: empty where a sink took it.
    """

    status: int
    url: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""


class HttpClient:
    """One client for all indexes of one resolve; belongs to one event loop.

    :param credentials: who to be where.
    :param offline: refuse every request.
    :param attempts: how often a request is tried, with exponential back-off, where the failure may pass.
    :param backoff: seconds before the second attempt.
    :param timeout: seconds without a byte.
    :ivar credentials: who to be where.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        offline: bool = False,
        attempts: int = 4,
        backoff: float = 0.3,
        timeout: float = 30.0,
    ) -> None:
        self.offline = offline
        self.requests = 0
        self.credentials = credentials or Credentials()
        self._attempts = attempts
        self._backoff = backoff
        self._transport = Transport(timeout)

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, limit: int = _MAX_BODY
    ) -> Response:
        """Return the answer with its body.

        :param limit: bytes the body may have.
        :raises Unreachable: no answer, or one that says to come back later.
        """
        body = bytearray()

        def sink(chunk: bytes) -> None:
            body.extend(chunk)
            if len(body) > limit:
                raise Unreachable(
                    f"the answer is larger than {limit} bytes",
                    where=without_secrets(url),
                    advice="check the index's URL",
                )

        def start(_: Response) -> Sink:
            body.clear()
            return sink

        answer = await self.request("GET", url, headers=headers, receive=start)
        return Response(answer.status, answer.url, answer.headers, bytes(body))

    async def head(self, url: str) -> Response:
        """Return an answer without its body.

        :raises Unreachable: as :meth:`get`.
        """
        return await self.request("HEAD", url, headers={"accept-encoding": "identity"})

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        receive: Callable[[Response], Sink | None] | None = None,
    ) -> Response:
        """Make a request, following redirects; try again where the failure may pass.

        :param receive: called with every final answer's head, returns where its body goes, or None where
            it is not wanted; called anew where a body broke off and the request is made again.
        :raises Unreachable: no answer, or one that says to come back later.
        """
        shown = without_secrets(url)
        if self.offline:
            raise Unreachable(
                "not in the cache, and the network is switched off",
                where=shown,
                advice="run without --offline",
            )
        import httpx

        failure = ""
        for attempt in range(self._attempts):
            wait = self._backoff * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
            learned = self.credentials.learned
            try:
                answer = await self._follow(method, url, headers, receive)
                if answer.status in _REFUSED:
                    await self.ask_keyring(answer.url)
                    if self.credentials.learned != learned:  # by us, or by another request meanwhile
                        answer = await self._follow(method, url, headers, receive)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
                raise Unreachable(f"not a usable URL ({error})", where=shown) from None
            except httpx.TransportError as error:
                failure = str(error) or type(error).__name__
                if "CERTIFICATE_VERIFY_FAILED" in failure:
                    raise Unreachable(
                        f"the server's certificate is not trusted ({failure})",
                        where=shown,
                        advice="name your organisation's certificates in SSL_CERT_FILE",
                    ) from None
            else:
                if answer.status not in RETRIED:
                    return answer
                failure = f"HTTP status {answer.status}"
                wait = max(wait, retry_after(answer.headers))
            if attempt + 1 < self._attempts:
                await asyncio.sleep(min(wait, _MAX_WAIT))
        raise Unreachable(
            f"could not be reached: {failure}",
            where=shown,
            advice="check the URL, the network and any proxy, or run with --offline to use the cache alone",
        )

    async def ask_keyring(self, url: str) -> bool:
        """Ask the keyring for a login that is not known yet; return whether there is one now."""
        if not self.credentials.may_ask_keyring(url):
            return False
        return await asyncio.to_thread(self.credentials.ask_keyring, url)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        receive: Callable[[Response], Sink | None] | None,
    ) -> Response:
        """One attempt. Redirects are followed here: each hop gets the credentials of its own host alone."""
        for _ in range(_MAX_REDIRECTS):
            sent = dict(headers or {})
            authorization = self.credentials.authorization(url)
            if authorization:
                sent["authorization"] = authorization
            self.requests += 1
            shown = without_secrets(url)
            raw = await self._transport.send(method, self.credentials.address(as_asked(url)), sent)
            try:
                answer = Response(raw.status_code, shown, dict(raw.headers.items()))
                location = raw.headers.get("location")
                if raw.status_code not in _REDIRECTS or not location:
                    if receive is not None and raw.status_code not in RETRIED and method != "HEAD":
                        sink = receive(answer)
                        if sink is not None:
                            await pour(raw, sink, shown)
                    return answer
            finally:
                await raw.aclose()
            target = urljoin(url, location)
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise Unreachable("redirects from https to an insecure URL", where=without_secrets(url))
            url = self.credentials.bare(target)
        raise Unreachable(f"more than {_MAX_REDIRECTS} redirects", where=without_secrets(url))


def content_length(answer: Response) -> int | None:
    """Return how many bytes an answer announces (RFC 9110), None where it does not say."""
    text = answer.headers.get("content-length", "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    length = int(text)
    return length if length <= _LARGEST else None
