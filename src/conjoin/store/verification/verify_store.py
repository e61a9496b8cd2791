"""Every object of a store against what its name promises, and all that names others against those.

Packages, and whatever else has its hash in its name, are read whole; locks are decoded, which proves their
ids; aliases are compared with the locks that they mean now and meant before; notes that a platform's packages
are all there, with the packages.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import ConjoinError, IntegrityError, NotFound, Unreachable, UsageError
from conjoin.lock.format import decode, encode
from conjoin.lock.identity import lock_digest
from conjoin.store.aliases import MUTABLE_TAGS, Alias, Move, parse_alias
from conjoin.store.layout import (
    lock_key,
    package_key,
    parse_lock_key,
    parse_pointer_key,
)
from conjoin.store.locks import Pointer
from conjoin.store.transfer.byte_count import ByteCounter
from conjoin.store.transfer.concurrently import map_concurrently
from conjoin.store.transfer.selection import packages_of, places_of
from conjoin.store.verification.finding import Finding, Problem
from conjoin.store.verification.remembered import Remembered
from conjoin.untrusted import decode_json

if TYPE_CHECKING:
    from conjoin.lock.model import Lock, LockedPackage
    from conjoin.store.backend.protocol import Listed
    from conjoin.store.store import Store

__all__ = ["StoreReport", "verify_store"]

Ids = tuple[str, str]

_AT_ONCE = 32
"""Small requests at the same time."""

_CHUNK = 1 << 20

# Whatever stands under its own sha256: packages, files of toolkits, and what is made from packages.
_BY_HASH = re.compile(r"(?:packages|extras|toolkit/[^/]+/files)/(?:([0-9a-f]{2})/)?([0-9a-f]{64})/[^/]+")
_ROOTS = ("packages", "extras", "toolkit")
_COMPLETE = re.compile(r"envs/([0-9a-f]{40})/([0-9a-f]{40})/complete/([^/]+)")


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What a look at a store found.

    :ivar place: the store's address.
    :ivar findings: sorted.
    :ivar objects: whose bytes were read and hashed.
    :ivar bytes_read: of those.
    :ivar known: objects that an earlier look had found right, and that are the same since.
    :ivar locks: that were decoded; ``aliases`` that were compared.
    """

    place: str
    findings: tuple[Finding, ...]
    objects: int
    bytes_read: int
    known: int
    locks: int
    aliases: int


def verify_store(
    store: Store,
    ids: Ids | None = None,
    *,
    repair: bool = False,
    others: Iterable[Store] = (),
    anew: bool = False,
    moved: Callable[[int, int], None] = lambda _done, _total: None,
) -> StoreReport:
    """Return what is wrong in ``store``; an interrupted look goes on where it was.

    :param ids: look at this lock, its packages and its names alone; default: at everything.
    :param repair: fetch damaged packages again, from ``others`` or their origin, and put back damaged locks
        that ``others`` have.
    :param others: stores that may have what is damaged here.
    :param anew: read what was found right before as well.
    :param moved: told how many bytes were hashed, and of how many, from any thread.
    :raises Unreachable: where the store does not answer.
    """
    look = _Look(store, ids, Remembered(store.place, anew=anew))
    findings = look.run(ByteCounter(moved))
    if repair and findings:
        others = [other for other in others if other.place != store.place]
        findings = _Repair(store, look, others).run(findings)
        mended = [each for each in findings if each.kind == "lock" and each.repaired]
        if mended:  # now its packages and its names can be looked at, too
            findings = [*mended, *_Repair(store, look, others).run(look.run(ByteCounter(moved)))]
    return StoreReport(
        place=store.place,
        findings=tuple(sorted(findings)),
        objects=look.hashed,
        bytes_read=look.bytes_read,
        known=look.known,
        locks=len(look.locks),
        aliases=look.aliases,
    )


class _Look:
    """One look at a store.

    :ivar ids: of all locks.
    :ivar locks: those that are right.
    :ivar damaged: keys of objects whose bytes are not what their names say.
    """

    def __init__(self, store: Store, only: Ids | None, remembered: Remembered) -> None:
        self.store = store
        self.backend = store.backend
        self.only = only
        self.remembered = remembered
        self.ids: list[Ids] = []
        self.locks: dict[Ids, Lock] = {}
        self.damaged: set[str] = set()
        self.hashed = self.bytes_read = self.known = self.aliases = 0
        self._data: dict[Ids, str] = {}
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def run(self, progress: ByteCounter) -> list[Finding]:
        """Return what is wrong."""
        self.locks.clear()
        self.damaged.clear()
        self.aliases = 0
        present = {each.key: each for each in self._names()}
        findings = self._read_locks(present)
        present |= {each.key: each for each in self._objects()}
        findings += self._hash(present, progress)
        findings += self._read_aliases(present)
        findings += self._complete(present)
        findings += self._pointers(present)
        return findings

    def where(self, key: str) -> str:
        return self.backend.where(key)

    # -- what there is ----------------------------------------------------------------------------

    def _names(self) -> Iterator[Listed]:
        roots = ("envs",) if self.only is None else (f"envs/{self.only[0]}/{self.only[1]}",)
        for root in (*roots, "aliases"):
            yield from self.backend.objects(root)

    def _objects(self) -> Iterator[Listed]:
        if self.only is None:
            for root in _ROOTS:
                yield from self.backend.objects(root)
            return
        keys = [
            package_key(package.sha256, package.file)
            for lock in self.locks.values()
            for package in packages_of(lock, list(lock.platforms))
        ]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for found in pool.map(self.backend.objects, [key.rpartition("/")[0] for key in keys]):
                yield from found

    # -- locks ------------------------------------------------------------------------------------

    def _read_locks(self, present: Mapping[str, Listed]) -> list[Finding]:
        self.ids = [ids for key in present if (ids := parse_lock_key(key)) is not None]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [found for found in pool.map(self._one_lock, self.ids) if found is not None]

    def _one_lock(self, ids: Ids) -> Finding | None:
        key = lock_key(*ids)
        found = self.backend.get(key)
        if found is None:
            return None  # collected meanwhile
        try:
            lock = decode(found.data, self.where(key))
        except (IntegrityError, UsageError) as error:
            return Finding(self.where(key), "lock", "changed", detail=error.what)
        if (lock.req_id, lock.full_id) != ids:
            detail = f"this is the lock {lock.req_id}:{lock.full_id}, another than its name says"
            return Finding(self.where(key), "lock", "changed", detail=detail)
        if encode(lock) != found.data:
            detail = "its bytes are not those in which this lock is written"
            return Finding(self.where(key), "lock", "changed", detail=detail)
        self.learn(ids, lock)
        return None

    def learn(self, ids: Ids, lock: Lock) -> None:
        """Note a lock that is right."""
        with self._lock:
            self.locks[ids] = lock
            self._data[ids] = hashlib.sha256(encode(lock)).hexdigest()

    # -- what has its hash in its name --------------------------------------------------------------

    def _hash(self, present: Mapping[str, Listed], progress: ByteCounter) -> list[Finding]:
        findings = []
        todo = []
        for key, listed in present.items():
            match = _BY_HASH.fullmatch(key)
            if match is None:
                if key.startswith("packages/"):
                    findings.append(Finding(self.where(key), "package", "foreign", detail="no package's key"))
            elif match[1] is not None and match[1] != match[2][:2]:
                findings.append(Finding(self.where(key), "package", "foreign", detail="no package's key"))
            elif self.remembered.knows(listed):
                self.known += 1
            else:
                todo.append(listed)
        # The small ones first: whoever interrupts has most of them behind.
        todo.sort(key=lambda each: (each.size, each.key))
        progress.begin(sum(each.size for each in todo))

        def one(listed: Listed) -> Finding | None:
            return self._one_object(listed, progress)

        try:
            results = map_concurrently(one, todo, stop=self._stopped.set)
        except BaseException:
            self.remembered.close()
            raise
        self.remembered.close(set(present) if self.only is None else None)
        return findings + [found for found in results if found is not None]

    def _one_object(self, listed: Listed, progress: ByteCounter) -> Finding | None:
        sha256 = listed.key.split("/")[-2]
        try:
            found = self.digest(listed.key, listed.size, progress.add)
        except Unreachable as error:
            if self.store.shared is not None:
                raise
            return Finding(self.where(listed.key), "package", "changed", _name(listed.key), detail=error.what)
        if found is None:
            return None  # collected meanwhile
        with self._lock:
            self.hashed += 1
            self.bytes_read += listed.size
        if found == sha256:
            self.remembered.add(listed)
            return None
        self.damaged.add(listed.key)
        detail = f"its sha256 is {found}"
        return Finding(self.where(listed.key), "package", "changed", _name(listed.key), detail=detail)

    def digest(self, key: str, size: int, read: Callable[[int], None] = lambda _bytes: None) -> str | None:
        """Return the sha256 of an object's bytes, None where it is gone."""
        digest = hashlib.sha256()
        chunks = self._chunks(key, size)
        if chunks is None:
            return None
        for chunk in chunks:
            if self._stopped.is_set():
                raise Unreachable("given up, as another object could not be read")
            digest.update(chunk)
            read(len(chunk))
        return digest.hexdigest()

    def _chunks(self, key: str, size: int) -> Iterator[bytes] | None:
        if self.store.shared is not None:
            return self.store.shared.chunks(key, size)
        return _file_chunks(self.store, key)

    # -- names ------------------------------------------------------------------------------------

    def _read_aliases(self, present: Mapping[str, Listed]) -> list[Finding]:
        wanted = []
        findings = []
        for key in present:
            if not key.startswith("aliases/"):
                continue
            name, _, file = key.removeprefix("aliases/").rpartition("/")
            try:
                wanted.append(parse_alias(f"{name}:{file.removesuffix('.json')}"))
            except UsageError:
                if self.only is None:
                    findings.append(Finding(self.where(key), "alias", "foreign", detail="nobody can name it"))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for found in pool.map(self.one_alias, wanted):
                findings += found
        return findings

    def one_alias(self, alias: Alias) -> list[Finding]:
        key = f"aliases/{alias.name}/{alias.tag}.json"
        where = self.where(key)
        try:
            history = self.store.aliases.history(alias)
        except NotFound:
            return []  # removed meanwhile
        except (IntegrityError, UsageError) as error:
            if self.only is not None:
                return []  # it may mean anything
            return [Finding(where, "alias", "changed", str(alias), detail=error.what)]
        if self.only is not None and history.moves[0].target.ids != self.only:
            return []
        with self._lock:
            self.aliases += 1
        findings = []
        if alias.tag not in MUTABLE_TAGS and (len(history.moves) > 1 or history.forgotten):
            detail = f"its tag is written once, and meant {len(history.moves) + history.forgotten} things"
            findings.append(Finding(where, "alias", "changed", str(alias), detail=detail))
        for place, move in enumerate(history.moves):
            if (wrong := self._wrong_target(move, is_now=place == 0)) is not None:
                problem, detail = wrong
                findings.append(Finding(where, "alias", problem, str(alias), detail=detail))
        return findings

    def _wrong_target(self, move: Move, *, is_now: bool) -> tuple[Problem, str] | None:
        ids = move.target.ids
        lock = self.locks.get(ids)
        when = "means" if is_now else f"meant ({move.time or 'once'})"
        if lock is None:
            # What it meant before may have been collected since; what is damaged is told of by itself.
            if is_now and self.backend.size(lock_key(*ids)) is None:
                return "missing", f"it {when} {':'.join(ids)}, which is not there"
            return None
        found = lock_digest(lock)
        if found != move.target.lock_digest:
            return "changed", f"it {when} the lock sha256:{move.target.lock_digest}, there is sha256:{found}"
        if self._data[ids] != getattr(move.target, "lock_sha256", self._data[ids]):
            return "changed", f"it {when} another lock of the same ids: of other origins than the one there"
        return None

    # -- notes ------------------------------------------------------------------------------------

    def _complete(self, present: Mapping[str, Listed]) -> list[Finding]:
        findings: dict[str, Finding] = {}
        for key in present:
            match = _COMPLETE.fullmatch(key)
            if match is None or (lock := self.locks.get((match[1], match[2]))) is None:
                continue
            if match[3] not in lock.platforms:
                detail = f"the lock has no environment for {match[3]}"
                findings[key] = Finding(self.where(key), "note", "changed", detail=detail)
                continue
            for package in packages_of(lock, [match[3]]):
                own = package_key(package.sha256, package.file)
                found = present.get(own)
                if found is not None and package.size in (0, found.size):
                    continue
                if own in self.damaged or own in findings:
                    continue
                problem: Problem = "missing" if found is None else "changed"
                detail = f"{match[1]}:{match[2]} needs it for {match[3]}, which is noted as complete"
                findings[own] = Finding(self.where(own), "package", problem, package.file, detail=detail)
                self.damaged.add(own)
        return list(findings.values())

    def _pointers(self, present: Mapping[str, Listed]) -> list[Finding]:
        wanted = [key for key in present if parse_pointer_key(key) is not None]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [found for found in pool.map(self._one_pointer, wanted) if found is not None]

    def _one_pointer(self, key: str) -> Finding | None:
        told = parse_pointer_key(key)
        found = self.backend.get(key)
        if told is None or found is None:
            return None
        try:
            pointer = decode_json(found.data, Pointer)
        except msgspec.DecodeError as error:
            return Finding(self.where(key), "pointer", "changed", detail=f"it cannot be read ({error})")
        if (pointer.req_id, pointer.full_id, pointer.user) != (told.req_id, told.full_id, told.user):
            detail = f"it tells of {pointer.req_id}:{pointer.full_id} of {pointer.user}, its name does not"
            return Finding(self.where(key), "pointer", "changed", detail=detail)
        return None


class _Repair:
    """Puts right what others have right."""

    def __init__(self, store: Store, look: _Look, others: list[Store]) -> None:
        self._store = store
        self._look = look
        self._others = others

    def run(self, findings: list[Finding]) -> list[Finding]:
        """Return the findings with what became of them."""
        keys = {self._look.where(lock_key(*ids)): ids for ids in self._look.ids}
        mended = [self._lock(each, keys[each.where]) for each in findings if each.kind == "lock"]
        owners = self._owners()
        packages = [each for each in findings if each.kind == "package" and each.problem != "foreign"]
        others = [each for each in findings if each not in packages and each.kind != "lock"]
        fetched = [self._package(each, owners) for each in packages]
        return [*mended, *fetched, *map(self._again, others)]

    def _lock(self, finding: Finding, ids: Ids) -> Finding:
        digests = self._named(ids)
        for other in self._others:
            try:
                lock = other.locks.get(*ids)
                if digests and lock_digest(lock) not in digests:
                    continue  # a true lock of these ids, but not the one that was named
                self._store.locks.put(lock)
                kept = self._store.locks.get(*ids)
            except ConjoinError:
                continue
            self._look.learn(ids, kept)
            return replace(finding, repaired=True)
        return finding

    def _named(self, ids: Ids) -> set[str]:
        """Return the digests that names of this store give for a lock."""
        found = set()
        for alias in self._store.aliases.all():
            try:
                target = self._store.aliases.find(alias)
            except ConjoinError:
                continue
            if target is not None and target.ids == ids:
                found.add(target.lock_digest)
        return found

    def _owners(self) -> dict[str, tuple[LockedPackage, Lock]]:
        """Return for each package's address where a lock says that it comes from."""
        found = {}
        for lock in self._look.locks.values():
            for package in packages_of(lock, list(lock.platforms)):
                found[self._look.where(package_key(package.sha256, package.file))] = package, lock
        return found

    def _package(self, finding: Finding, owners: Mapping[str, tuple[LockedPackage, Lock]]) -> Finding:
        if finding.where not in owners:
            return replace(finding, detail=f"{finding.detail}; no lock tells where it comes from")
        package, lock = owners[finding.where]
        try:
            self._bring(package, lock)
        except ConjoinError as error:
            return replace(finding, detail=f"{finding.detail}; it cannot be had elsewhere: {error.what}")
        return replace(finding, repaired=True)

    def _bring(self, package: LockedPackage, lock: Lock) -> None:
        from conjoin.store.transfer.fetch import Fetcher

        target = self._store.shared or self._store.packages
        sources: list[Callable[[], Iterator[bytes] | None]] = []
        for other in self._others:
            key = package_key(package.sha256, package.file)
            if other.shared is not None:
                sources.append(partial(other.shared.stream, package.sha256, package.file))
            else:
                sources.append(partial(_file_chunks, other, key))
        for source in sources:
            try:
                with target.receive(package.sha256, package.file, package.size) as receiving:
                    if (chunks := source()) is None:
                        continue
                    for chunk in chunks:
                        receiving.write(chunk)
                    receiving.commit()
            except ConjoinError:
                continue
            return
        fetcher = Fetcher(self._store.near().packages, places=places_of(lock))
        try:
            with target.receive(package.sha256, package.file, package.size) as receiving:
                fetcher.fill(package, receiving)
                receiving.commit()
        finally:
            fetcher.close()

    def _again(self, finding: Finding) -> Finding:
        """Look again at what is right as soon as what it names is."""
        if finding.kind == "alias" and finding.package:
            now = self._look.one_alias(parse_alias(finding.package))
            return finding if now else replace(finding, repaired=True)
        return finding


def _file_chunks(store: Store, key: str) -> Iterator[bytes] | None:
    from conjoin.store.backend.atomic import store_errors

    path = store.root / key
    if not path.is_file():
        return None

    def read() -> Iterator[bytes]:
        with store_errors(path), path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    return read()


def _name(key: str) -> str:
    return key.rpartition("/")[2]
