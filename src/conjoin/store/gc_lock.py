"""Who collects garbage in a store, so that nobody begins to rely on what is about to go.

Whoever is about to rely on packages *first* announces it (:mod:`conjoin.store.announcements`) and *then*
waits here until nobody collects. Whoever collects *first* holds this lock and *then* reads what is announced.
So one of the two always sees the other (Dekker's algorithm), and those who only pass never wait for each
other.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import msgspec

from conjoin.errors import Conflict, ConjoinError, Unreachable
from conjoin.store.backend.atomic import store_errors
from conjoin.store.backend.protocol import Backend, Object
from conjoin.store.layout import LEASE
from conjoin.store.user import current_user
from conjoin.untrusted import decode_json

__all__ = ["FolderGcLock", "GcLock", "LeaseGcLock", "store_time"]

LEASE_TIME = 300.0
"""Seconds that a lease holds unless it is renewed; more than one request may be tried again for."""

RENEWED_AFTER = 60.0
"""Seconds after which whoever holds a lease renews it, before the next thing it deletes."""

PATIENCE = 900.0
"""Seconds to wait for somebody else's collecting."""

PASSING = 3.0
"""Seconds to try to hold a folder's lock: who passes holds it for microseconds, who collects for longer."""

DEAD_AFTER = LEASE_TIME + RENEWED_AFTER
"""Seconds, by the store's clock, after which a lease that was not renewed is dead."""

_FILE = ".gc.lock"
_PAUSE = 0.02
_REQUEST_PAUSE = 2.0


def store_time(backend: Backend) -> float:
    """Return what time it is by a store's clock: seconds since 1970, as what is written there now is dated.

    Three requests. Clocks of hosts may be days ahead, or behind: what is judged by its age in the store is
    judged by this. Where the store cannot be written, this host's clock has to do.
    """
    folder, _, _ = LEASE.partition("/")
    key = f"{folder}/clock-{os.urandom(8).hex()}"
    try:
        backend.put(key, b"now\n")
        try:
            return next(each.modified for each in backend.objects(folder) if each.key == key)
        finally:
            backend.delete(key)
    except (ConjoinError, StopIteration):
        return time.time()


class GcLock(Protocol):
    """The lock of one store."""

    def wait(self) -> None:
        """Return when nobody collects garbage that was not seen to begin.

        :raises Unreachable: where that takes longer than :data:`PATIENCE`.
        """
        ...

    def held(self) -> AbstractContextManager[Callable[[], None]]:
        """Keep everybody else waiting while the body runs.

        The body is given what it must call before each step that cannot be undone.

        :raises Conflict: where somebody else collects.
        """
        ...


class FolderGcLock:
    """The lock of a folder: flock(2), which dies with its process. Costs two system calls to pass."""

    def __init__(self, root: Path) -> None:
        self._path = root / _FILE

    def wait(self) -> None:
        """Return when nobody collects garbage that was not seen to begin."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return  # nobody ever collected here; or nobody of us may know
        try:
            if not _flock(descriptor, fcntl.LOCK_SH, PATIENCE):
                raise _busy("garbage is being collected here", str(self._path))
        finally:
            os.close(descriptor)

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Keep everybody else waiting while the body runs."""
        with store_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not _flock(descriptor, fcntl.LOCK_EX, PASSING):
                raise Conflict(
                    "somebody else collects garbage here", where=str(self._path), advice="try again later"
                )
            yield lambda: None
        finally:
            os.close(descriptor)


class _Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Who collects, and until when unless it is renewed.

    :ivar until: seconds since 1970, by the holder's clock; 0 where nobody collects.
    :ivar turn: makes every lease, and every renewal, different bytes.
    """

    user: str
    until: float
    turn: str

    @property
    def since(self) -> str:
        try:
            moment = datetime.fromtimestamp(self.until - LEASE_TIME, timezone.utc)
        except (ValueError, OverflowError, OSError):
            return "a time that never is"
        return moment.strftime("%Y-%m-%d %H:%M UTC")


class LeaseGcLock:
    """The lock of an object store: a lease that expires, changed by compare-and-swap alone.

    A lease is dead if it was written too long ago by the store's own clock, or if it was seen not to be
    renewed for :data:`LEASE_TIME` by whoever waits; what the holder's clock says of its end is for people.
    Who finds it dead takes it away, so that a holder who only slept finds out before it deletes anything.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def wait(self) -> None:
        """Return when nobody collects garbage that was not seen to begin."""
        started = seen = time.monotonic()
        version, first = "", True
        while (found := self._backend.get(LEASE)) is not None:
            lease = self._decode(found)
            now = time.monotonic()
            if found.version != version:
                version, seen = found.version, now
            if lease.until == 0:
                return
            if now - seen > LEASE_TIME or (first and self._is_dead()):
                if self._backend.compare_and_swap(LEASE, _encode(_free(lease)), found.version):
                    return
                continue
            if now - started > PATIENCE:
                raise _busy(
                    f"garbage is being collected there by {lease.user} since {lease.since}",
                    self._backend.where(LEASE),
                )
            first = False
            time.sleep(_REQUEST_PAUSE)

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Keep everybody else waiting while the body runs."""
        found = self._backend.get(LEASE)
        if found is not None and (present := self._decode(found)).until and not self._is_dead():
            raise Conflict(
                f"{present.user} collects garbage there since {present.since}",
                where=self._backend.where(LEASE),
                advice=f"try again later; if that was killed, in {LEASE_TIME / 60:.0f} minutes",
            )
        holding = _Holding(self._backend, found.version if found else None)
        try:
            yield holding.renew
        finally:
            holding.release()

    def _is_dead(self) -> bool:
        """Return whether the lease was not renewed for so long that nobody holds it."""
        folder, _, _ = LEASE.partition("/")
        written = next((each.modified for each in self._backend.objects(folder) if each.key == LEASE), None)
        return written is None or store_time(self._backend) - written > DEAD_AFTER

    def _decode(self, found: Object) -> _Lease:
        try:
            return decode_json(found.data, _Lease)
        except msgspec.DecodeError:
            raise Conflict(
                "this says who collects garbage, in a form that this version does not know",
                where=self._backend.where(LEASE),
                advice="upgrade conjoin; delete it if nobody collects",
            ) from None


class _Holding:
    """A lease that is ours."""

    def __init__(self, backend: Backend, version: str | None) -> None:
        self._backend = backend
        self._version = version
        self._renewed = 0.0
        self._lost = False
        self._swap(until=time.time() + LEASE_TIME)

    def renew(self) -> None:
        """Renew the lease if it is time to.

        :raises Conflict: where somebody took it for dead.
        """
        if time.monotonic() - self._renewed > RENEWED_AFTER:
            self._swap(until=time.time() + LEASE_TIME)

    def release(self) -> None:
        """Let the others pass; who cannot be told waits until the lease is dead."""
        if not self._lost:
            with suppress(ConjoinError):
                self._swap(until=0)

    def _swap(self, until: float) -> None:
        started = time.monotonic()
        data = _encode(_Lease(user=current_user(), until=until, turn=os.urandom(8).hex()))
        self._backend.compare_and_swap(LEASE, data, self._version)
        # Whose lease it is says the object: the answer to a write may have been lost, and the write not.
        found = self._backend.get(LEASE)
        if found is None or found.data != data:
            self._lost = True
            raise Conflict(
                "somebody else collects garbage there, or took this for dead",
                where=self._backend.where(LEASE),
                advice="nothing more was removed; try again later",
            )
        self._version = found.version
        self._renewed = started


def _encode(lease: _Lease) -> bytes:
    return msgspec.json.encode(lease) + b"\n"


def _free(lease: _Lease) -> _Lease:
    return msgspec.structs.replace(lease, until=0.0, turn=os.urandom(8).hex())


def _busy(what: str, where: str) -> Unreachable:
    return Unreachable(what, where=where, advice="try again when that is done")


def _flock(descriptor: int, operation: int, patience: float) -> bool:
    """Try to get a flock for ``patience`` seconds, and return whether that succeeded."""
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:  # noqa: PERF203 (it waits)
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE)
        else:
            return True
