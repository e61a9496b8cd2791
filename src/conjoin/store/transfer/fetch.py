"""Packages into a store, from where the lock says they came: streamed, hashed on the way, resumed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from conjoin.errors import IntegrityError, NotFound, Unreachable
from conjoin.lock.model import LockedPackage
from conjoin.net.guard import Guard, chunks_of_file, guarded
from conjoin.net.retries import RETRIED, retry_after
from conjoin.net.urls import without_secrets
from conjoin.spec.requirements import Credential
from conjoin.store.backend.address import Address
from conjoin.store.packages import Packages
from conjoin.untrusted import path_of, split_url

if TYPE_CHECKING:
    import httpx

    from conjoin.net.transport import Downloads
    from conjoin.store.backend.cloud import CloudBackend
    from conjoin.store.shared_packages import SharedPackages

__all__ = ["Fetcher", "PackageTarget", "Receiving"]

_TRIES = 5
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 20.0
# What servers answer to whom they do not know; some do not even say that there is something.
_REFUSED = frozenset({401, 403, 404})
_CLOUDS = {"s3": "s3", "gcs": "gs", "gs": "gs"}
"""Schemes of channels, as py-rattler has them, and what stores call them."""


class _TryAgain(Exception):
    """Raised by a try that failed in a way that the next one may not."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class Receiving(Protocol):
    """A place to write a package's bytes to, which keeps only the right ones."""

    @property
    def received(self) -> int:
        """Bytes written so far."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""
        ...

    def restart(self) -> None:
        """Forget what was written."""
        ...

    def commit(self) -> object:
        """Verify and keep the bytes."""
        ...


class PackageTarget(Protocol):
    """Packages by content, in a folder or in an object store, as far as more are brought there."""

    def has(self, sha256: str, file: str, size: int = 0) -> bool:
        """Return whether a package is there."""
        ...

    def receive(self, sha256: str, file: str, size: int = 0) -> AbstractContextManager[Receiving]:
        """Give a place to write a package's bytes to."""
        ...


class Fetcher:
    """Fetches packages into a local store; used from several threads at once.

    :param shared: asked before the origin.
    :param offline: refuse to, naming what is missing.
    :param credentials: sent to the URLs they belong to, and named nowhere; see
        :mod:`conjoin.net.credentials` for where others come from. What is kept for a host (``.netrc``, a
        keyring) is sent where these or the configuration name something of the same origin, and nowhere else:
        a lock may be anybody's.
    :param places: indexes and channels that packages come from, by which a keyring may know them.
    :param received: told how many bytes came in, from any thread.
    """

    def __init__(
        self,
        packages: Packages,
        *,
        shared: SharedPackages | None = None,
        offline: bool = False,
        credentials: Sequence[Credential] = (),
        places: Iterable[str] = (),
        received: Callable[[int], None] = lambda _bytes: None,
    ) -> None:
        self._packages = packages
        self._shared = shared
        self._offline = offline
        # Imported here: where containers are bootstrapped nobody fetches, and it takes its time.
        from conjoin.net.credentials import Credentials

        self._credentials = Credentials(credentials, places, of_lock=True)
        self._other_origins = _OtherOrigins()
        self._received = received
        self._stopped = threading.Event()
        self._client_lock = threading.Lock()
        self._downloads: Downloads | None = None

    def fetch(self, package: LockedPackage) -> Path:
        """Fetch a package into the store and return its path; its bytes are the locked ones.

        :raises IntegrityError: where the origin has other bytes; nothing is kept.
        :raises Unreachable: where the origin does not answer, has no such file, or we are offline.
        :raises NotFound: where it was built elsewhere, so that no origin has it.
        """
        if self._offline:
            raise Unreachable(
                f"{package.file} is not in the store and nothing may be fetched offline",
                advice="run once without --offline",
            )
        # Opened first: a store that does not answer is noticed before anything is made.
        shared = self._shared
        kept = shared.stream(package.sha256, package.file, package.size) if shared else None
        with self._packages.receive(package.sha256, package.file, package.size) as incoming:
            try:
                if kept is None:
                    self.fill(package, incoming)
                else:
                    place = self._shared.where(package.sha256, package.file) if self._shared else ""
                    for chunk in guarded(kept, Guard(place, package.size)):
                        self.take(incoming, chunk)
                return incoming.commit()
            except IntegrityError as error:
                raise IntegrityError(
                    f"{package.file} is not the file that was locked: {error.what}",
                    where=self._shared.where(package.sha256, package.file)
                    if kept and self._shared
                    else package.url,
                    advice="nothing was installed; it was changed there or on the way",
                ) from None

    def fill(self, package: LockedPackage, receiving: Receiving) -> None:
        """Write a package's bytes, as its origin has them, to ``receiving``; the caller commits.

        :raises IntegrityError: where there are more of them than were locked.
        :raises Unreachable: where the origin does not answer, or has no such file.
        :raises NotFound: where it was built elsewhere, so that no origin has it.
        """
        if not package.url:
            raise NotFound(
                f"{package.file} was built where it was resolved, and is not in this store",
                where=package.source_url or None,
                advice="use the store it was resolved to, or resolve again with --force",
            )
        self._receive(package, receiving)

    def take(self, receiving: Receiving, chunk: bytes) -> None:
        """Pass a chunk on, unless :meth:`stop` was called.

        :raises Unreachable: where it was.
        """
        if self._stopped.is_set():
            raise Unreachable("given up, as another package failed")
        receiving.write(chunk)
        self._received(len(chunk))

    def stop(self) -> None:
        """Make the threads that are still fetching give up soon: another package failed."""
        self._stopped.set()

    def close(self) -> None:
        """Close connections."""
        if self._downloads is not None:
            self._downloads.close()

    def _receive(self, package: LockedPackage, incoming: Receiving) -> None:
        chunks = self._other_origins.chunks(package)
        if chunks is not None:
            for chunk in chunks:
                self.take(incoming, chunk)
            return
        guard = Guard(without_secrets(package.url), package.size)
        for attempt in range(1, _TRIES + 1):
            try:
                self._download(package, incoming, guard)
            except _TryAgain as error:  # noqa: PERF203 (tries cost far more)
                if attempt == _TRIES or self._stopped.is_set():
                    raise Unreachable(
                        f"{package.file} cannot be fetched ({error})",
                        where=package.url,
                        advice="check the network and try again",
                    ) from None
                backoff = _FIRST_PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311
                self._stopped.wait(min(_LONGEST_PAUSE, max(backoff, error.pause)))
            else:
                return

    def _download(self, package: LockedPackage, incoming: Receiving, guard: Guard) -> None:
        learned = self._credentials.learned
        with self._answer(package, incoming.received, guard) as answer:
            if answer.status_code == 416 or (incoming.received and answer.status_code != 206):
                # The origin cannot resume, or has less than we believed.
                incoming.restart()
                if answer.status_code == 416:
                    raise _TryAgain("the origin cannot resume")
            if answer.status_code in _REFUSED:
                self._credentials.ask_keyring(package.url)
                if self._credentials.learned != learned:  # by us, or by another download meanwhile
                    raise _TryAgain(f"the server answered {answer.status_code}")
            if answer.status_code in RETRIED:
                raise _TryAgain(f"the server answered {answer.status_code}", retry_after(answer.headers))
            if answer.status_code >= 400:
                trouble = self._credentials.trouble(package.url) if answer.status_code in (401, 403) else ""
                advice = {
                    401: "put a user name and password into CONJOIN_CREDENTIALS or into ~/.netrc",
                    403: "put a user name and password into CONJOIN_CREDENTIALS or into ~/.netrc",
                    404: "it was removed there: resolve again",
                }
                raise Unreachable(
                    f"{package.file} cannot be fetched: the server answered {answer.status_code}"
                    f"{f'; {trouble}' if trouble else ''}",
                    where=package.url,
                    advice=advice.get(answer.status_code, "ask whoever runs that server"),
                )
            for chunk in answer.iter_raw():
                self.take(incoming, chunk)

    @contextmanager
    def _answer(self, package: LockedPackage, resume_at: int, guard: Guard) -> Iterator[httpx.Response]:
        import httpx

        # Identity: what is hashed is the file, and some servers would gzip it on the fly.
        headers = {"Accept-Encoding": "identity"}
        if resume_at:
            headers["Range"] = f"bytes={resume_at}-"
        if authorization := self._credentials.authorization(package.url):
            headers["Authorization"] = authorization
        address = self._credentials.address(package.url)
        try:
            with self._opened().get(address, headers, guard) as answer:
                yield answer
        except httpx.UnsupportedProtocol as error:
            raise Unreachable(f"{package.file} cannot be fetched ({error})", where=package.url) from None
        except httpx.TransportError as error:
            raise _TryAgain(str(error) or type(error).__name__) from None
        except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise Unreachable(f"{package.file} cannot be fetched ({error})", where=package.url) from None

    def _opened(self) -> Downloads:
        from conjoin.net.transport import Downloads

        with self._client_lock:
            if self._downloads is None:
                self._downloads = Downloads()
            return self._downloads


class _OtherOrigins:
    """Opens packages whose origin is no web server; used from several threads at once."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], CloudBackend] = {}

    def chunks(self, package: LockedPackage) -> Iterator[bytes] | None:
        """Return a package's bytes in chunks, None where its origin is a web server, or of an unknown kind.

        A cloud is asked as for a store there: with its own variables and profiles.

        :raises Unreachable: where it cannot be read, or is not there.
        """
        parts = split_url(package.url)
        if parts.scheme == "file":
            from urllib.request import url2pathname

            path = path_of(url2pathname(parts.path), home=False)
            return chunks_of_file(path, without_secrets(package.url), package.file)
        if parts.scheme not in _CLOUDS:
            return None
        found = self._bucket(_CLOUDS[parts.scheme], parts.netloc).stream(
            unquote(parts.path.lstrip("/")), package.size
        )
        if found is None:
            raise Unreachable(
                f"{package.file} cannot be fetched: there is no such object",
                where=package.url,
                advice="it was removed there: resolve again",
            )
        return guarded(found, Guard(without_secrets(package.url), package.size))

    def _bucket(self, scheme: str, name: str) -> CloudBackend:
        from conjoin.store.backend.cloud import CloudBackend

        if (scheme, name) not in self._buckets:
            self._buckets[scheme, name] = CloudBackend(Address(scheme, name, ""))
        return self._buckets[scheme, name]
