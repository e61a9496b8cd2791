"""Pages of an index, as rows: out of the disk cache while fresh, else confirmed or fetched anew."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from conjoin.errors import Unreachable
from conjoin.index.pypi.file_rows import FORMAT, Page, parse_page
from conjoin.index.pypi.simple_api import ACCEPT, Link, links
from conjoin.index.pypi.wheel_metadata import refusal
from conjoin.net.client import HttpClient, Response
from conjoin.net.http_cache import Entry, HttpCache
from conjoin.net.urls import without_secrets
from conjoin.spec.names import PypiName

__all__ = ["Pages"]

_GONE = frozenset({404, 410})


class Pages:
    """Fetches pages; what is kept on disk is their rows, so a warm run parses nothing.

    :param http: the client; when it is offline, entries of any age are used.
    :param cache: where rows are kept.
    :ivar newer: indexes that speak a later minor version of the API than is known here, and which (PEP 629).
    """

    def __init__(self, http: HttpClient, cache: HttpCache) -> None:
        self._http = http
        self._cache = cache
        self._page_decoder = msgspec.msgpack.Decoder(Page)
        self._link_decoder = msgspec.msgpack.Decoder(list[Link])
        self.newer: dict[str, str] = {}

    async def project(self, index: str, name: PypiName) -> Page | None:
        """Return the page of a project, or None where the index has no such project.

        :raises Unreachable: where the index cannot be asked, or answers neither yes nor no.
        """
        url = f"{index.rstrip('/')}/{name}/"

        def digest(answer: Response) -> bytes:
            page = parse_page(answer.body, answer.headers.get("content-type", ""), answer.url, name)
            return msgspec.msgpack.encode(page)

        rows = await self._rows(f"page{FORMAT}", url, digest, index=index, name=name)
        if rows is None:
            return None
        try:
            page = self._page_decoder.decode(rows)
        except msgspec.DecodeError as error:
            raise Unreachable(f"its cached page is broken ({error})", where=url) from None
        if page.newer:
            self.newer[index] = page.newer
        return page

    async def links(self, url: str) -> list[Link]:
        """Return all links of one page (find-links).

        :raises Unreachable: where it cannot be fetched.
        """

        def digest(answer: Response) -> bytes:
            found = links(answer.body, answer.headers.get("content-type", ""), answer.url)
            return msgspec.msgpack.encode(list(found))

        rows = await self._rows(f"links{FORMAT}", url, digest)
        if rows is None:
            raise Unreachable("the page does not exist", where=without_secrets(url))
        return self._link_decoder.decode(rows)

    async def _rows(
        self,
        kind: str,
        url: str,
        digest: Callable[[Response], bytes],
        *,
        index: str = "",
        name: PypiName | None = None,
    ) -> bytes | None:
        entry = await self._kept(kind, url)
        if entry is not None and (self._http.offline or entry.is_fresh(time.time())):
            return entry.body if entry.status == 200 else None
        headers = {"accept": ACCEPT, **(entry.validators() if entry else {})}
        answer = await self._http.get(url, headers=headers)
        now = time.time()
        if answer.status == 304 and entry is not None:
            self._cache.confirm(entry, answer.headers, now)
            return entry.body
        if answer.status == 403 and name is not None and await self._unlisted(index, name):
            answer = Response(404, answer.url)
        if answer.status != 200 and answer.status not in _GONE:
            raise refusal(answer, self._http.credentials.trouble(answer.url))
        there = answer.status == 200
        body = digest(answer) if there else b""
        self._cache.store(
            kind,
            url,
            status=200 if there else 404,
            headers=answer.headers,
            body=body,
            now=now,
            seen_by=self._http.credentials.mark(url),
        )
        return body if there else None

    async def _kept(self, kind: str, url: str) -> Entry | None:
        """Return the entry, unless it was shown to somebody else than who we are to that server."""
        entry = self._cache.load(kind, url)
        if entry is None:
            return None
        if entry.seen_by:
            await self._http.ask_keyring(url)
        return entry if entry.seen_by == self._http.credentials.mark(url) else None

    async def _unlisted(self, index: str, name: PypiName) -> bool:
        """Whether an index that says "forbidden" shows a list of its projects without this one.

        Indexes made of static files in a bucket say 403 for whatever is not there.
        """
        root = await self._http.get(f"{index.rstrip('/')}/", headers={"accept": ACCEPT})
        if root.status != 200:
            return False
        return name not in _listed(root)


def _listed(root: Response) -> set[str]:
    """Normalised names of the projects a root page lists (PEP 503)."""
    import re

    text = root.body.decode("utf-8", errors="replace")
    named = re.findall(r">\s*([A-Za-z0-9._-]+)\s*</a", text) + re.findall(r'"name"\s*:\s*"([^"]+)"', text)
    return {re.sub(r"[-_.]+", "-", found).lower() for found in named}
