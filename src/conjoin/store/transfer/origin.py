"""Origins that are no web servers: files of this machine, and channels in a cloud (``s3://bucket/channel``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from conjoin.errors import Unreachable
from conjoin.lock.model import LockedPackage
from conjoin.store.backend.address import Address

if TYPE_CHECKING:
    from conjoin.store.backend.cloud import CloudBackend

__all__ = ["Elsewhere"]

_CHUNK = 1 << 20
_CLOUDS = {"s3": "s3", "gcs": "gs", "gs": "gs"}
"""Schemes of channels, as py-rattler has them, and what stores call them."""


class Elsewhere:
    """Opens packages whose origin is no web server; used from several threads at once."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], CloudBackend] = {}

    def chunks(self, package: LockedPackage) -> Iterator[bytes] | None:
        """Return a package's bytes in chunks, None where its origin is a web server, or of an unknown kind.

        A cloud is asked as for a store there: with its own variables and profiles.

        :raises Unreachable: where it cannot be read, or is not there.
        """
        parts = urlsplit(package.url)
        if parts.scheme == "file":
            return _of_file(package)
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
        return found

    def _bucket(self, scheme: str, name: str) -> CloudBackend:
        from conjoin.store.backend.cloud import CloudBackend

        if (scheme, name) not in self._buckets:
            self._buckets[scheme, name] = CloudBackend(Address(scheme, name, ""))
        return self._buckets[scheme, name]


def _of_file(package: LockedPackage) -> Iterator[bytes]:
    from urllib.request import url2pathname

    try:
        with Path(url2pathname(urlsplit(package.url).path)).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise Unreachable(f"{package.file} cannot be read ({error.strerror})", where=package.url) from None
