"""Where a store's objects are read from: a folder, a web server, and what clouds are made of."""

from __future__ import annotations

import os
import stat
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from conjoin.bootstrap.failure import TryAgain
from conjoin.bootstrap.stores.guard import retry_after
from conjoin.bootstrap.stores.http import Connections
from conjoin.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conjoin.bootstrap.stores.http import Answer

__all__ = [
    "EARLY",
    "RETRIED",
    "Body",
    "FolderSource",
    "Source",
    "TokenSource",
    "WebSource",
    "body_of",
    "first_variable",
]

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of this moment: the same request may be answered otherwise a little later."""

EARLY = 300.0
"""Seconds before their end at which credentials are asked for again."""

_CHUNK = 1 << 20
_REDIRECTIONS = 4


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
            # A pipe without a writer must not make us wait, before we see that it is one.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            file = open(descriptor, "rb")  # noqa: SIM115 (closed by whoever reads it to its end)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unreachable(f"cannot be read ({error.strerror})", where=path) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise Unreachable("cannot be read: it is a folder, a pipe or a device, and no file", where=path)

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
        try:
            urlsplit(base).port  # noqa: B018 (it is read to know whether it can be)
        except ValueError as error:
            raise UsageError(
                f"the store's server is no URL ({error})", advice="expected https://host:port"
            ) from None
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

            try:
                url = urljoin(url, answer.header("Location"))
            except ValueError:
                raise Unreachable("the server redirects to what is no URL", where=self.where(key)) from None
        raise Unreachable("the server redirects in circles", where=self.where(key))


class TokenSource(WebSource):
    """A cloud's server, which wants a token in each request."""

    def __init__(self, base: str) -> None:
        super().__init__(base)
        self._lock = threading.Lock()
        self._token = ("", 0.0)

    def bearer(self) -> str:
        """Return the ``Authorization`` with a token that is good for a while.

        :raises Unreachable: where there is none to be had.
        """
        with self._lock:
            token, until = self._token
            if time.time() > until - EARLY:
                token, until = self._token = self.fresh_token()
            return "Bearer " + token

    def fresh_token(self) -> tuple[str, float]:
        """Return a new token, and until when it is good.

        :raises Unreachable: where there is none to be had.
        """
        raise NotImplementedError


def first_variable(*names: str) -> str | None:
    """Return the value of the first of these variables that is set and not empty."""
    return next((value for value in map(os.environ.get, names) if value), None)


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
    if answer.status in RETRIED:
        raise TryAgain(f"it answers {answer.status}", retry_after(answer.header("Retry-After")))
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
