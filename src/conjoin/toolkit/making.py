"""A toolkit into a store: once for each version of Conjoin and platform."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from conjoin.bootstrap import VERSION
from conjoin.bootstrap.archive import bootstrap_archive
from conjoin.config.places import state_dir
from conjoin.errors import ConjoinError, UsageError
from conjoin.spec.build import build_requirements
from conjoin.spec.grammars import is_sha256
from conjoin.store.layout import toolkit_file_key, toolkit_key
from conjoin.store.transfer.fetch import Fetcher
from conjoin.toolkit.packed_python import pack_python, python_closure
from conjoin.toolkit.wheels import PYTHONS, choose_wheels
from conjoin.writing import replace

if TYPE_CHECKING:
    from conjoin.lock.model import Lock, LockedPackage
    from conjoin.spec.requirements import Requirements
    from conjoin.store.store import Store

__all__ = ["BOOTSTRAP_KEY", "KnownToolkit", "Made", "has_toolkits", "make_toolkit"]

BOOTSTRAP_KEY = "toolkit/bootstrap.pyz"

_SCHEMA = 1
_SYSTEMS = ("linux-", "osx-")


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a platform's toolkit.

    :ivar platform: whose it is.
    :ivar files: that were sent; none where all was there.
    :ivar pythons: CPythons whose containers need nothing else; empty where that was not looked at.
    :ivar packed_python: whether the store has a Python for all others.
    :ivar bytes_sent: size of what was sent.
    :ivar descriptions: sha256 of what describes the toolkit in the store (``python -m conjoin.bootstrap
        --toolkit-sha256``): by these, whoever starts a container needs not trust the store.
    :ivar bootstrap_sha256: of this version's ``bootstrap.pyz``; where that was asked for.
    :ivar warnings: one sentence each.
    """

    platform: str
    files: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    packed_python: bool = False
    bytes_sent: int = 0
    descriptions: tuple[str, ...] = ()
    bootstrap_sha256: str = ""
    warnings: tuple[str, ...] = ()


def has_toolkits(platform: str) -> bool:
    """Return whether containers of a platform can be bootstrapped."""
    return platform.startswith(_SYSTEMS)


def make_toolkit(
    store: Store,
    platform: str,
    lock: Lock | None = None,
    *,
    configured: Requirements | None = None,
    force: bool = False,
    offline: bool = False,
    reread: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Made:
    """Make sure that a store has a platform's toolkit; one request if it has, and is known here.

    The host need not be of that platform. Indexes, find-links and credentials are those of the user.

    :param lock: an environment whose Python is packed for containers with another one.
    :param configured: where wheels come from, and credentials for that; default: as configured.
    :param force: make it anew, with the wheels of the versions that are installed now.
    :param offline: use caches alone.
    :param reread: trust what describes the toolkit in the store now, whatever was known of it before; and
        tell what ``bootstrap.pyz`` has to be.
    :raises NotFound: where no index has the wheels.
    :raises Unreachable: where an index or the store cannot be reached.
    """
    if not has_toolkits(platform):
        raise UsageError(f"there are no toolkits for {platform}", advice="expected a linux- or osx- platform")
    making = _Making(store, platform, configured or build_requirements(), offline, force, progress)
    there = frozenset(store.backend.keys(f"toolkit/{platform}"))
    if force or toolkit_key(platform, f"{VERSION}.json") not in there:
        making.wheels()
        store.backend.put(BOOTSTRAP_KEY, bootstrap_archive())
    python_is_there = toolkit_key(platform, "python.json") in there
    if lock is not None and platform in lock.platforms:
        making.python(lock, is_there=python_is_there)
    return making.made(is_there=python_is_there, reread=reread)


class _Making:
    def __init__(
        self,
        store: Store,
        platform: str,
        configured: Requirements,
        offline: bool,
        force: bool,
        progress: Callable[[str], None],
    ) -> None:
        self._store = store
        self._platform = platform
        self._configured = configured
        self._offline = offline
        self._force = force
        self._progress = progress
        self._pythons: set[str] = set()
        self._packed = False
        self._sent: dict[str, int] = {}
        self._warnings: list[str] = []
        self._known = KnownToolkit(store, f"toolkit/{platform}")

    def wheels(self) -> None:
        self._progress(f"{self._platform}: choosing the toolkit")
        chosen = choose_wheels(self._platform, self._configured, offline=self._offline)
        described = []
        self._progress(f"{self._platform}: keeping the toolkit, {len(chosen)} wheels")
        for wheel in chosen:
            data = self._bytes(wheel.package)
            self._send(wheel.package.sha256, wheel.package.file, data)
            described.append(_described(wheel.package, len(data), wheel.pythons))
            self._pythons |= set(wheel.pythons)
        self._describe(f"{VERSION}.json", {"version": VERSION, "files": described})

    def python(self, lock: Lock, *, is_there: bool) -> None:
        """Pack the environment's Python; without one, that is no error: most containers have a new Python."""
        if is_there and not self._force:
            return
        served = sorted(self._pythons) or [f"{major}.{minor}" for major, minor in PYTHONS]
        packages = python_closure(lock.platforms[self._platform].packages, served)
        try:
            packages = packages or self._channel_python(lock, served)
            if packages:
                self._progress(f"{self._platform}: packing Python {packages[0].version}")
                self._keep_python(packages)
        except ConjoinError as error:
            self._warnings.append(f"no Python is packed for {self._platform}: {error}")

    def made(self, *, is_there: bool, reread: bool) -> Made:
        names = [f"{VERSION}.json", *(["python.json"] if self._packed or is_there else [])]
        keys = [toolkit_key(self._platform, name) for name in names]
        digests = [self._known.digest(key, reread=reread) for key in keys]
        return Made(
            platform=self._platform,
            files=tuple(self._sent),
            pythons=tuple(sorted(self._pythons, key=lambda each: int(each.split(".")[1]))),
            packed_python=self._packed or is_there,
            bytes_sent=sum(self._sent.values()),
            descriptions=tuple(filter(None, digests)),
            bootstrap_sha256=hashlib.sha256(bootstrap_archive()).hexdigest() if reread else "",
            warnings=tuple(self._warnings),
        )

    def _keep_python(self, packages: Sequence[LockedPackage]) -> None:
        local = self._store.near().packages
        with self._fetching() as fetcher:
            for package in packages:
                if not local.has(package.sha256, package.file, package.size):
                    fetcher.fetch(package)
        packed = pack_python(packages, self._platform, lambda each: local.get(each.sha256, each.file))
        sha256 = hashlib.sha256(packed.data).hexdigest()
        self._send(sha256, packed.file, packed.data)
        self._describe(
            "python.json",
            {
                "project": "python",
                "file": packed.file,
                "sha256": sha256,
                "size": len(packed.data),
                "pythons": [packed.python],
                "executable": packed.executable,
            },
        )
        self._packed = True

    def _channel_python(self, lock: Lock, served: Sequence[str]) -> list[LockedPackage]:
        """Return a newer Python of the environment's channels; nothing where it has none at all."""
        locked = lock.platforms[self._platform].packages
        channels = lock.requirements.get("channels") or ()
        if not channels or not any(each.kind == "conda" and each.name == "python" for each in locked):
            return []
        from conjoin.resolving import ResolveOptions, resolve_request

        oldest, newest = served[0], served[-1].partition(".")
        asked = build_requirements(
            conda=[f"python >={oldest},<3.{int(newest[2]) + 1}"], channels=[str(each) for each in channels]
        )
        found = resolve_request(
            asked, [self._platform], ResolveOptions(dry_run=True, force=True, offline=self._offline)
        )
        return python_closure(found.lock.platforms[self._platform].packages, served)

    def _bytes(self, package: LockedPackage) -> bytes:
        local = self._store.near().packages
        if not local.has(package.sha256, package.file, package.size):
            with self._fetching() as fetcher:
                fetcher.fetch(package)
        return local.get(package.sha256, package.file).read_bytes()

    def _fetching(self) -> Any:
        import contextlib

        return contextlib.closing(
            Fetcher(
                self._store.near().packages, offline=self._offline, credentials=self._configured.credentials
            )
        )

    def _send(self, sha256: str, file: str, data: bytes) -> None:
        backend = self._store.backend
        key = toolkit_file_key(self._platform, sha256, file)
        if backend.size(key) == len(data):
            return
        if self._store.shared is None:
            backend.put(key, data)
        else:
            from conjoin.store.backend.cloud import CloudBackend

            assert isinstance(backend, CloudBackend), "what is no folder is an object store"
            writer = backend.writer(key)  # which is patient with slow lines
            writer.write(data)
            writer.close()
        self._sent[file] = len(data)

    def _describe(self, name: str, told: dict[str, Any]) -> None:
        """Write what names the files, when they are there."""
        document = {"schema": _SCHEMA, "platform": self._platform, **told}
        data = msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
        key = toolkit_key(self._platform, name)
        if self._force:
            self._store.backend.put(key, data)
        elif not self._store.backend.put_if_absent(key, data):
            return  # of somebody who was faster
        self._known.remember(key, data)


def _described(package: LockedPackage, size: int, pythons: Sequence[str]) -> dict[str, Any]:
    return {
        "project": package.name,
        "file": package.file,
        "sha256": package.sha256,
        "size": size,
        "pythons": list(pythons),
    }


class KnownToolkit:
    """What this user knows of what describes a toolkit: its sha256, since it was made or first seen.

    Whoever may write a store could replace what describes its toolkit, and so the programs that containers
    run first. So it is not asked for at each start: what was remembered is passed on, and a container that
    finds another one refuses it.

    :param prefix: of their keys.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        name = hashlib.sha256(f"{store.place}\n{prefix}".encode()).hexdigest()[:40]
        self._file = state_dir() / "toolkits" / f"{name}.json"

    def digest(self, key: str, *, reread: bool = False) -> str:
        """Return the sha256 of a description: as it is remembered, else as it is in the store now.

        :param reread: look at the store again, and remember that.
        :return: empty where the store has none.
        """
        known = self._read()
        if key in known and not reread:
            return known[key]
        found = self._store.backend.get(key)
        if found is None:
            return ""
        self.remember(key, found.data)
        return hashlib.sha256(found.data).hexdigest()

    def remember(self, key: str, data: bytes) -> None:
        """Remember what describes a toolkit; a home that is read-only is left so."""
        known = {**self._read(), key: hashlib.sha256(data).hexdigest()}
        with suppress(OSError):
            replace(self._file, msgspec.json.encode(known) + b"\n", durable=False)

    def _read(self) -> dict[str, str]:
        try:
            known = msgspec.json.decode(self._file.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return {key: digest for key, digest in known.items() if is_sha256(digest)}
