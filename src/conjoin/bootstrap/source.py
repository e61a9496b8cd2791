"""Where a store's objects are read from: one face for a folder, a web server and three clouds."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from conjoin.bootstrap.failure import TryAgain
from conjoin.bootstrap.http import Connections
from conjoin.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conjoin.bootstrap.http import Answer

__all__ = ["Body", "FolderSource", "Source", "WebSource", "body_of", "open_source"]

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~=@-]*")
_CHUNK = 1 << 20
_REDIRECTIONS = 4
_EXPECTED = "expected s3://bucket/prefix, gs://, az://, https://, file:// or a folder"


class Body(NamedTuple):
    """An object's bytes.

    :ivar start: where they begin: 0 where the server does not resume.
    """

    start: int
    chunks: Iterator[bytes]


class Source:
    """A store that is only read.

    :ivar place: its address, for people.
    """

    place = ""

    def open(self, key: str, start: int = 0) -> Body | None:
        """Return an object's bytes, from ``start`` on where it can; None where there is none.

        :raises TryAgain: where this try failed, at once or while the bytes are read.
        :raises Unreachable: where the next one would as well.
        """
        raise NotImplementedError

    def where(self, key: str) -> str:
        """Return an object's address, for messages."""
        return f"{self.place}/{key}"


def open_source(place: str, endpoint: str | None = None) -> Source:
    """Return the source that an address means.

    :param endpoint: the URL of the server, where it is not the cloud's own.
    :raises UsageError: where it means none.
    """
    scheme, separator, rest = place.partition("://")
    if not separator and not place.startswith("file:"):
        return FolderSource(os.path.abspath(os.path.expanduser(place)))
    if place.startswith("file:"):
        return FolderSource(unquote(urlsplit(place).path))
    if scheme in ("http", "https"):
        split = urlsplit(place)
        if split.username or split.query or split.fragment:
            raise UsageError("a store's address holds no credentials", where=f"{scheme}://{split.hostname}")
        return WebSource(place.rstrip("/"))
    bucket, *parts = rest.rstrip("/").split("/")
    if "@" in rest or "?" in rest or not all(_PART.fullmatch(part) for part in [bucket, *parts]):
        raise UsageError("this is no address of a store", where=scheme + "://", advice=_EXPECTED)
    prefix = "/".join(parts)
    if scheme == "s3":
        from conjoin.bootstrap.s3 import S3Source

        return S3Source(bucket, prefix, endpoint)
    if scheme in ("gs", "gcs"):
        from conjoin.bootstrap.google import GoogleSource

        return GoogleSource(bucket, prefix, endpoint)
    if scheme in ("az", "azure"):
        from conjoin.bootstrap.azure import AzureSource

        return AzureSource(bucket, prefix, endpoint)
    raise UsageError(f"{scheme}:// is no store", advice=_EXPECTED)


class FolderSource(Source):
    """A folder of this machine, or one that is mounted."""

    def __init__(self, root: str) -> None:
        self.place = root

    def open(self, key: str, start: int = 0) -> Body | None:
        """Return a file's bytes."""
        path = os.path.join(self.place, key)
        if not os.path.isdir(self.place):
            raise Unreachable("there is no such folder", where=self.place, advice="check the store's address")
        try:
            file = open(path, "rb")  # noqa: SIM115 (closed by whoever reads it to its end)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unreachable(f"cannot be read ({error.strerror})", where=path) from None

        def chunks() -> Iterator[bytes]:
            with file:
                file.seek(start)
                while True:
                    try:
                        chunk = file.read(_CHUNK)
                    except OSError as error:
                        raise TryAgain(error.strerror or "cannot be read") from None
                    if not chunk:
                        return
                    yield chunk

        return Body(start, chunks())


class WebSource(Source):
    """What a web server shows: a bucket that everybody may read, a mirror; and the ground of the clouds."""

    def __init__(self, base: str) -> None:
        self.place = base
        self._base = base
        self._connections = Connections()

    def open(self, key: str, start: int = 0) -> Body | None:
        """Return an object's bytes."""
        url = self._base + "/" + quote(key)
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        for _ in range(_REDIRECTIONS):
            answer = self._connections.get(url, headers)
            if answer.status not in (301, 302, 303, 307, 308):
                return body_of(answer, start, self.where(key))
            answer.text()
            from urllib.parse import urljoin

            url = urljoin(url, answer.header("Location"))
        raise Unreachable("the server redirects in circles", where=self.where(key))


def body_of(answer: Answer, start: int, where: str, reasons: Mapping[str, str] | None = None) -> Body | None:
    """Return the body of an answer, None where there is no such object.

    :param start: what was asked for.
    :param reasons: a word of an error's text, and what it means.
    :raises TryAgain: where the server says that it is busy.
    :raises Unreachable: where it refuses.
    """
    if answer.status in (200, 206):
        return Body(start if answer.status == 206 else 0, answer.chunks())
    text = answer.text()
    for word, reason in (reasons or {}).items():
        if word in text:
            raise Unreachable(reason, where=where, advice=_CREDENTIALS)
    if answer.status == 404:
        return None
    if answer.status == 416:
        raise TryAgain("it has less than it had")
    if answer.status in _TRANSIENT:
        raise TryAgain(f"it answers {answer.status}")
    if answer.status in (401, 403):
        raise Unreachable(
            f"the store refuses these credentials (it answers {answer.status})",
            where=where,
            advice=_CREDENTIALS,
        )
    raise Unreachable(
        f"the store answers {answer.status}", where=where, advice="check its address and region"
    )


_CREDENTIALS = (
    "check that they are not expired and may read and list it (who may not list is refused what is missing)"
)
