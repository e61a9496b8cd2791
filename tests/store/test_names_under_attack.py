"""A store whose names somebody rewrites at will, beside those who sign and those who look: a state machine.

The signatures are made and verified without OpenSSH here, thousands of them; the real one is in
``test_signed_names.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from conjoin.errors import Conflict, ConjoinError, IntegrityError, NotFound
from conjoin.lock.format import encode
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.store.aliases import Alias, Target
from conjoin.store.layout import alias_key, lock_key, signature_key
from conjoin.store.lookup import named as named_module
from conjoin.store.lookup.named import find_named
from conjoin.store.store import Store
from conjoin.store.transfer.alias import alias_lock
from conjoin.trust import ssh_keygen

NAMES = (Alias("team/x", "v1"), Alias("team/x", "latest"), Alias("team/y", "latest"))
names = st.sampled_from(NAMES)
numbers = st.integers(0, 3)
serials = st.integers(1, 4)


def _lock(number: int, *, tampered: bool = False) -> Lock:
    package = LockedPackage(
        kind="pypi",
        name=f"p{number}",
        version="1.0",
        file=f"p{number}-1.0-py3-none-any.whl",
        url=f"https://index.example/p{number}-1.0-py3-none-any.whl",
        sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        size=1,
        dependencies=("evil",) if tampered else (),
    )
    asked = {"scheme": 1, "seed": number}
    platforms = {"linux-64": LockedPlatform(virtual_packages={}, packages=(package,))}
    return make_lock(asked, requirements_id(asked), platforms)


LOCKS = [_lock(number) for number in range(4)]


def _mac(data: bytes, namespace: str) -> str:
    return hashlib.sha256(b"a key that the writer has not" + namespace.encode() + data).hexdigest()


def _verified(data: bytes, signature: str, *, namespace: str, **_more: object) -> str:
    if signature != _mac(data, namespace):
        raise IntegrityError("it is signed by nobody")
    return "alice"


class Names(RuleBasedStateMachine):
    """One store; one who signs, one who looks with a policy, one who looks without, one who rewrites."""

    snapshots = Bundle("snapshots")

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.folder = Path(tempfile.mkdtemp(prefix="conjoin-names-"))
        self.patch.setattr(named_module, "_PAUSE", 0.0)
        self.patch.setattr(ssh_keygen, "signed_by", _verified)
        self.patch.setattr(os, "fsync", lambda _descriptor: None)  # thousands of small files
        # What was ever signed: name, serial and ids; and the serial that the careful one met last.
        self.signed: set[tuple[Alias, int, tuple[str, str]]] = set()
        self.met = dict.fromkeys(NAMES, 0)
        self.first: dict[Alias, Lock] = {}

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.folder)

    def be(self, user: str, *, policy: bool = False) -> Store:
        self.patch.setenv("CONJOIN_STATE", str(self.folder / user))
        self.patch.setenv("CONJOIN_STORE", str(self.folder / f"{user}-store"))
        self.patch.setenv("CONJOIN_CONFIG", "/dev/null")
        self.patch.setenv("CONJOIN_TRUST", "team=alice" if policy else "")
        return Store(self.folder / "team")

    @initialize()
    def begin(self) -> None:
        for name in NAMES:
            self.sign(name, 0)

    @rule(name=names, number=numbers)
    def sign(self, name: Alias, number: int) -> None:
        """Name it by the book; where something stands in the way, that is told, and nothing is said."""
        store = self.be("signer", policy=True)
        try:
            alias_lock(store, LOCKS[number], str(name), signer=_mac)
        except ConjoinError:
            return
        ids = LOCKS[number].req_id, LOCKS[number].full_id
        self.signed.add((name, store.signatures.serials(name)[-1], ids))

    @rule(target=snapshots, name=names)
    def take_snapshot(self, name: Alias) -> tuple[Alias, dict[str, bytes]]:
        backend = self.be("writer").backend
        keys = [alias_key(*name), *backend.keys(f"signatures/{name.name}/{name.tag}")]
        found = {key: backend.get(key) for key in keys}
        return name, {key: each.data for key, each in found.items() if each is not None}

    @rule(snapshot=snapshots, only=st.sampled_from(["", "aliases/", "signatures/"]))
    def put_back(self, snapshot: tuple[Alias, dict[str, bytes]], only: str) -> None:
        name, objects = snapshot
        backend = self.be("writer").backend
        if only != "aliases/":
            for key in backend.keys(f"signatures/{name.name}/{name.tag}"):
                backend.delete(key)
        for key, data in objects.items():
            if key.startswith(only):
                backend.put(key, data)

    @rule(name=names, number=numbers)
    def point_elsewhere(self, name: Alias, number: int) -> None:
        """Rewrite what a name means, its history as it was."""
        store = self.be("writer")
        store.locks.put(LOCKS[number])
        if found := store.backend.get(alias_key(*name)):
            document = json.loads(found.data)
            document |= Target.of(LOCKS[number])._asdict()
            store.backend.put(alias_key(*name), json.dumps(document).encode())

    @rule(name=names, number=numbers)
    def move_unsigned(self, name: Alias, number: int) -> None:
        try:
            alias_lock(self.be("writer"), LOCKS[number], str(name))
        except ConjoinError:
            return

    @rule(number=numbers)
    def exchange_lock(self, number: int) -> None:
        lock = LOCKS[number]
        key = lock_key(lock.req_id, lock.full_id)
        self.be("writer").backend.put(key, encode(_lock(number, tampered=True)))

    @rule(name=names, other=names, serial=serials, other_serial=serials)
    def copy_statement(self, name: Alias, other: Alias, serial: int, other_serial: int) -> None:
        backend = self.be("writer").backend
        if found := backend.get(signature_key(*other, other_serial)):
            backend.put(signature_key(*name, serial), found.data)

    @rule(name=names, serial=serials, data=st.sampled_from([None, b"", b"nonsense", b"[" * 9999]))
    def spoil_statement(self, name: Alias, serial: int, data: bytes | None) -> None:
        backend = self.be("writer").backend
        if data is None:
            backend.delete(signature_key(*name, serial))
        else:
            backend.put(signature_key(*name, serial), data)

    @rule(name=names)
    def look_with_a_policy(self, name: Alias) -> None:
        """Whoever asks for signatures gets what was signed, never an older one than before, or an error."""
        store = self.be("careful", policy=True)
        try:
            lock = find_named(name, store)
        except (IntegrityError, Conflict, NotFound):
            return
        assert lock in LOCKS
        remembered = store.memory.get(name)
        assert remembered is not None
        assert (name, remembered.serial, (lock.req_id, lock.full_id)) in self.signed
        assert remembered.serial >= self.met[name]
        self.met[name] = remembered.serial

    @rule(name=names)
    def look_without(self, name: Alias) -> None:
        """Whoever asks for none never sees a write-once name change, nor a lock that was exchanged."""
        try:
            lock = find_named(name, self.be("trusting"))
        except (IntegrityError, Conflict, NotFound):
            return
        assert lock is not None
        if name.tag == "v1":
            assert self.first.setdefault(name, lock) == lock


TestNames = Names.TestCase
TestNames.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
