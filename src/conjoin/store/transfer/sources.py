"""Where packages come from: stores that have them, else their origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conjoin.errors import IntegrityError, Unreachable
from conjoin.lock.model import LockedPackage
from conjoin.spec.requirements import Credential
from conjoin.store.backend.atomic import store_errors
from conjoin.store.layout import package_key
from conjoin.store.transfer.fetch import Fetcher, Receiving

if TYPE_CHECKING:
    from conjoin.store.packages import Packages
    from conjoin.store.store import Store

__all__ = ["Sources"]

_CHUNK = 1 << 20


class Sources:
    """The local store, the one that is named, and origins; used from several threads at once.

    :param offline: leave origins alone.
    :param credentials: for origins.
    :param places: indexes and channels that packages come from.
    :param received: told how many bytes came, from any thread.
    :ivar stop: make those that are at work give up soon.
    :ivar close: close connections.
    """

    def __init__(
        self,
        store: Store,
        *,
        offline: bool = False,
        credentials: Sequence[Credential] = (),
        places: Iterable[str] = (),
        received: Callable[[int], None],
    ) -> None:
        near = store.near().packages
        self._folders: list[Packages] = [near, store.packages]
        self._backend = store.backend
        self._shared = store.shared
        self._offline = offline
        self._fetcher = Fetcher(
            near,
            shared=store.shared,
            offline=offline,
            credentials=credentials,
            places=places,
            received=received,
        )
        self.stop = self._fetcher.stop
        self.close = self._fetcher.close

    def measure(self, package: LockedPackage) -> tuple[str, int]:
        """Return the key and the bytes of a package whose size the lock does not tell."""
        key = package_key(package.sha256, package.file)
        path = self._local(package)
        if path is None and self._shared is not None and (size := self._backend.size(key)) is not None:
            return key, size
        if path is None:
            path = self._fetcher.fetch(package)  # how long it is shows when it is here
        return key, path.stat().st_size

    def copy(self, package: LockedPackage, receiving: Receiving) -> None:
        """Write a package's bytes to ``receiving`` and commit them.

        :raises IntegrityError: where they are not the locked ones.
        """
        where, advice = package.url or None, "ask whoever runs the origin"
        shared = self._shared
        try:
            if (path := self._local(package)) is not None:
                where, advice = str(path), "delete the damaged file"
                with store_errors(path), path.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        self._fetcher.take(receiving, chunk)
            elif shared and (chunks := shared.stream(package.sha256, package.file, package.size)) is not None:
                where, advice = shared.where(package.sha256, package.file), "delete the damaged object"
                for chunk in chunks:
                    self._fetcher.take(receiving, chunk)
            elif self._offline:
                raise Unreachable(
                    f"{package.file} is not in the store and nothing may be fetched offline",
                    advice="drop --offline",
                )
            else:
                self._fetcher.fill(package, receiving)
            receiving.commit()
        except IntegrityError as error:
            raise IntegrityError(
                f"{package.file} is not the file that was locked: {error.what}",
                where=where,
                advice=f"it was not taken; {advice}",
            ) from None

    def _local(self, package: LockedPackage) -> Path | None:
        for folder in self._folders:
            if folder.has(package.sha256, package.file, package.size):
                return folder.path(package.sha256, package.file)
        return None
