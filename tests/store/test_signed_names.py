"""Names in a store, against somebody who may write it: what is remembered of them, and what is signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from conjoin.api import Store
from conjoin.errors import Conflict, IntegrityError, NotFound, UsageError
from conjoin.lock.format import encode as encode_lock
from conjoin.lock.identity import lock_digest
from conjoin.lock.model import Lock
from conjoin.store.aliases import Aliases, History, Target, parse_alias
from conjoin.store.layout import alias_key, lock_key, signature_key
from conjoin.store.lookup import named as named_module
from conjoin.store.lookup.reference import find_lock
from conjoin.store.records.memory import met_as
from conjoin.store.transfer.push import push
from conjoin.trust import ssh_keygen
from object_stores import MakeLock
from ssh_keys import SshKey, needs_ssh_keygen

V1, LATEST = parse_alias("team/x:v1"), parse_alias("team/x")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_module, "_PAUSE", 0.0)


@pytest.fixture(params=["folder", "s3"])
def team(request: pytest.FixtureRequest, new_place: Callable[[str], str]) -> str:
    """The address of an empty store of a team."""
    return new_place(request.param)


@pytest.fixture
def locks(make_environment: MakeLock) -> list[Lock]:
    return [make_environment(1, 10, seed) for seed in range(3)]


class Users(NamedTuple):
    """Who uses a store, each with a home of their own."""

    be: Callable[[str], None]


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Users:
    def be(name: str) -> None:
        for variable in ("STORE", "STATE", "CACHE"):
            monkeypatch.setenv(f"CONJOIN_{variable}", str(tmp_path / "homes" / name / variable))
        monkeypatch.setenv("LOGNAME", name)

    be("writer")
    return Users(be)


def put(store: Store, key: str, data: bytes) -> None:
    """Write as somebody does who has the right to, and no manners."""
    store.backend.put(key, data)


def read(store: Store, key: str) -> bytes:
    found = store.backend.get(key)
    assert found is not None
    return found.data


# -- what is remembered ---------------------------------------------------------------------------


def test_a_write_once_name_that_was_rewritten_is_a_conflict_with_both_targets(team, locks, users) -> None:
    one, two = locks[:2]
    store = Store(team)
    for number, lock in enumerate((one, two)):
        push(store, lock, alias=f"team/{'xy'[number]}:v1")
    users.be("reader")
    assert find_lock("team/x:v1", Store(team)) == one
    put(store, alias_key(*V1), read(store, alias_key("team/y", "v1")))
    with pytest.raises(Conflict) as raised:
        find_lock("team/x:v1", Store(team))
    assert f"{one.req_id}:{one.full_id}" in str(raised.value)
    assert f"{two.req_id}:{two.full_id}" in str(raised.value)
    assert f"conjoin show team/x:v1 --store {store.place} --accept-rollback" in str(raised.value)
    # Whoever never met it cannot know; and nobody else is stopped by what this one remembers.
    users.be("newcomer")
    assert find_lock("team/x:v1", Store(team)) == two
    users.be("reader")
    assert find_lock("team/x:v1", Store(team, accept_rollback=True)) == two
    assert find_lock("team/x:v1", Store(team)) == two


def test_a_name_that_moves_only_goes_forward(team, locks, users) -> None:
    one, two, three = locks
    store = Store(team)
    push(store, one, alias="team/x")
    old = read(store, alias_key(*LATEST))
    users.be("reader")
    assert find_lock("team/x", Store(team)) == one
    users.be("writer")
    push(store, two, alias="team/x")
    users.be("reader")
    assert find_lock("team/x", Store(team)) == two
    put(store, alias_key(*LATEST), old)
    with pytest.raises(Conflict, match="an old state was put back"):
        find_lock("team/x", Store(team))
    # Moved back by the book, it goes back all the same: whoever saw the newer one decides.
    users.be("writer")
    push(store, two, alias="team/x")
    push(store, one, alias="team/x")
    users.be("reader")
    with pytest.raises(Conflict, match="not what it was"):
        find_lock("team/x", Store(team))
    assert find_lock("team/x", Store(team, accept_rollback=True)) == one
    users.be("writer")
    push(store, three, alias="team/x")
    users.be("reader")
    assert find_lock("team/x", Store(team)) == three


def test_a_history_that_was_rewritten_is_found(team, locks, users) -> None:
    store = Store(team)
    push(store, locks[0], alias="team/x")
    users.be("reader")
    find_lock("team/x", Store(team))
    users.be("writer")
    push(store, locks[1], alias="team/x")
    document = json.loads(read(store, alias_key(*LATEST)))
    document["earlier"][0]["user"] = "somebody-else"
    put(store, alias_key(*LATEST), json.dumps(document).encode())
    users.be("reader")
    with pytest.raises(Conflict, match="history was rewritten"):
        find_lock("team/x", Store(team))


def test_a_name_that_is_gone_is_not_taken_for_the_beginning_of_an_id(team, locks, users) -> None:
    store = Store(team)
    name = locks[1].req_id[:8]
    push(store, locks[0], alias=f"{name}:latest")
    push(store, locks[1])
    users.be("reader")
    assert find_lock(name, Store(team)) == locks[0]
    store.backend.delete(alias_key(name, "latest"))
    with pytest.raises(NotFound, match=f"no alias {name}:latest any more; it was {locks[0].req_id}"):
        find_lock(name, Store(team))


def test_what_one_names_oneself_is_remembered_as_it_is_made(locks, users) -> None:
    """In the store of one's own, moves to and fro are nobody's attack."""
    store = Store()
    for lock in (*locks, *locks):
        store.alias(lock, "mine")
        assert find_lock("mine", Store()) == lock
    before = read(store, alias_key("mine", "latest"))
    store.alias(locks[0], "mine")
    put(store, alias_key("mine", "latest"), before)
    with pytest.raises(Conflict):
        find_lock("mine", Store())


def test_one_who_moves_a_name_in_two_processes_is_not_stopped(locks, users) -> None:
    """What is remembered of the moves comes in any order, and targets come back."""
    store = Store()
    histories: list[History] = []
    for lock in locks:
        store.locks.put(lock)
        Aliases(store.backend).set(LATEST, lock)
        histories.append(store.aliases.history(LATEST))
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)):
        for number in order:
            store.memory.replace(LATEST, met_as(LATEST, histories[number]))
        assert find_lock("team/x", Store()) == locks[2]


def test_a_name_of_ones_own_that_was_deleted_is_begun_anew(locks, users) -> None:
    store = Store()
    for lock in locks:
        store.alias(lock, "mine")
    store.backend.delete(alias_key("mine", "latest"))
    store.alias(locks[0], "mine")
    assert find_lock("mine", Store()) == locks[0]


def test_a_lock_exchanged_under_the_same_ids_is_found(team, locks, users) -> None:
    lock = locks[0]
    store = Store(team)
    push(store, lock, alias="team/x:v1")
    users.be("reader")
    assert find_lock("team/x:v1", Store(team)) == lock
    put(store, lock_key(lock.req_id, lock.full_id), encode_lock(_tampered(lock)))
    with pytest.raises(IntegrityError):
        find_lock("team/x:v1", Store(team))
    # With a name that says the same of it.
    put(store, alias_key(*V1), _moved_to(read(store, alias_key(*V1)), _tampered(lock)))
    with pytest.raises(Conflict, match="lock was exchanged"):
        find_lock("team/x:v1", Store(team))


def test_bootstrap_finds_by_the_digest_what_was_exchanged(team, locks, users) -> None:
    """A container has no memory and no keys: whoever started it told it the digest."""
    from conjoin.bootstrap.locked import find_locked

    store = Store(team)
    for number, lock in enumerate(locks[:2]):
        push(store, lock, alias=f"team/{'xy'[number]}:v1")

    def fetch(key: str) -> bytes | None:
        found = store.backend.get(key)
        return found.data if found is not None else None

    def located(env: str) -> str:
        return find_locked(fetch, env, "linux-64", store.place).full_id

    pinned = f"team/x:v1@sha256:{lock_digest(locks[0])}"
    ids = f"{locks[0].req_id}:{locks[0].full_id}@sha256:{lock_digest(locks[0])}"
    assert located(pinned) == located(ids) == locks[0].full_id
    before = read(store, alias_key(*V1))
    put(store, alias_key(*V1), read(store, alias_key("team/y", "v1")))
    assert located("team/x:v1") == locks[1].full_id
    with pytest.raises(IntegrityError):
        located(pinned)
    put(store, alias_key(*V1), _moved_to(before, _tampered(locks[0])))
    put(store, lock_key(*_ids(locks[0])), encode_lock(_tampered(locks[0])))
    for env in (pinned, ids):
        with pytest.raises(IntegrityError):
            located(env)


def test_one_store_by_another_path_is_the_same_and_another_store_is_another(
    tmp_path: Path, locks, users
) -> None:
    for lock, folder in zip(locks, ("one", "two"), strict=False):
        push(Store(tmp_path / folder), lock, alias="team/x:v1")
    push(Store(tmp_path / "one"), locks[1])
    users.be("reader")
    for lock, folder in zip(locks, ("one", "two"), strict=False):
        assert find_lock("team/x:v1", Store(tmp_path / folder)) == lock
    (tmp_path / "link").symlink_to(tmp_path / "one")
    put(Store(tmp_path / "one"), alias_key(*V1), read(Store(tmp_path / "two"), alias_key(*V1)))
    with pytest.raises(Conflict):
        find_lock("team/x:v1", Store(tmp_path / "link"))
    with pytest.raises(Conflict):
        find_lock("team/x:v1", Store((tmp_path / "one").as_uri()))


def test_listing_remembers_nothing_and_looking_again_writes_nothing(team, locks, users) -> None:
    store = Store(team)
    push(store, locks[0], alias="team/x:v1")
    users.be("reader")
    reader = Store(team)
    list(reader.aliases.all())
    reader.aliases.get(V1)
    reader.aliases.history(V1)
    state = Path(reader.memory._backend()._root)
    assert not state.exists()
    find_lock("team/x:v1", reader)
    [file] = state.rglob("v1.json")
    made = file.stat().st_mtime_ns, file.stat().st_ino
    find_lock("team/x:v1", reader)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == made
    assert [each.name for each in state.rglob("*") if each.is_file()].count("store.txt") == 1


def test_a_damaged_memory_is_told_and_begun_anew(locks, users, tmp_path: Path) -> None:
    store = Store()
    store.alias(locks[0], "mine:v1")
    [file] = Path(store.memory._backend()._root).rglob("v1.json")
    for damage in (b"", b"[" * 10_000, b'{"schema": 2}'):
        file.write_bytes(damage)
        with pytest.warns(UserWarning, match="is damaged .* remembered anew"):
            assert find_lock("mine:v1", Store()) == locks[0]
        assert find_lock("mine:v1", Store()) == locks[0]


def test_a_state_that_cannot_be_written_stops_nobody(
    locks, users, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    store.alias(locks[0], "mine:v1")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONJOIN_STATE", str(tmp_path / "file" / "state"))
    assert find_lock("mine:v1", Store()) == locks[0]


# -- what is signed -------------------------------------------------------------------------------

_PRINCIPALS = {"alice": "alice@example.org", "bob": "bob@example.org"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SshKey]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: SshKey(folder, name) for name in ("alice", "bob", "mallory")}


@pytest.fixture
def policy(tmp_path: Path, keys, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Names of team must be signed by alice or bob."""
    allowed = tmp_path / "allowed_signers"
    allowed.write_text("".join(keys[name].allowed(who) for name, who in _PRINCIPALS.items()))
    monkeypatch.setenv("CONJOIN_TRUST", f"team={','.join(_PRINCIPALS.values())}")
    monkeypatch.setenv("CONJOIN_ALLOWED_SIGNERS", str(allowed))
    return allowed


def refused(team: str, name: str = "team/x:v1") -> str:
    with pytest.raises(IntegrityError) as raised:
        find_lock(name, Store(team))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@needs_ssh_keygen
def test_what_is_signed_by_whoever_must_is_believed(team, locks, users, keys, policy) -> None:
    store = Store(team)
    push(store, locks[0], alias="team/x:v1", signer=keys["alice"].signer)
    push(store, locks[1], alias="other:v1")
    users.be("reader")
    assert find_lock("team/x:v1", Store(team)) == locks[0]
    assert find_lock("other:v1", Store(team)) == locks[1]  # of which the policy says nothing


@needs_ssh_keygen
@pytest.mark.parametrize("signer", [None, "mallory"])
def test_what_is_unsigned_or_wrongly_signed_is_refused_before_anything_is_fetched(
    team, locks, users, keys, policy, signer: str | None
) -> None:
    store = Store(team)
    push(store, locks[0], alias="team/x:v1", signer=keys[signer].signer if signer else None)
    users.be("reader")
    said = refused(team)
    assert "team/x:v1 must be signed by alice@example.org or bob@example.org (CONJOIN_TRUST)" in said
    assert not list(Store(team).root.rglob("*.whl")) or Store(team).shared is None
    # As long as nobody asked for a signature, it would have been believed.
    assert Store(team).locks.get(locks[0].req_id, locks[0].full_id) == locks[0]


@needs_ssh_keygen
def test_whoever_has_no_key_is_found_whatever_is_exchanged(team, locks, users, keys, policy) -> None:
    """A writer of the store swaps lock, alias, statement, or plays an old pair again."""
    store = Store(team)
    alice = keys["alice"].signer
    push(store, locks[0], alias="team/x", signer=alice)
    push(store, locks[0], alias="team/y", signer=alice)
    old = read(store, alias_key(*LATEST)), read(store, signature_key(*LATEST, 1))
    push(store, locks[1], alias="team/x", signer=alice)
    push(store, locks[2])
    new = read(store, alias_key(*LATEST)), read(store, signature_key(*LATEST, 2))
    users.be("reader")
    assert find_lock("team/x", Store(team)) == locks[1]

    put(store, alias_key(*LATEST), _moved_to(new[0], locks[2]))
    assert "what is signed is" in refused(team, "team/x")
    put(store, alias_key(*LATEST), new[0])

    put(store, lock_key(*_ids(locks[1])), encode_lock(_tampered(locks[1])))
    assert "is asked for" in refused(team, "team/x")
    put(store, alias_key(*LATEST), _moved_to(new[0], _tampered(locks[1])))
    assert "digest" in refused(team, "team/x")
    put(store, alias_key(*LATEST), new[0])
    put(store, lock_key(*_ids(locks[1])), encode_lock(locks[1]))

    # A statement whose text was changed, one of another name, one of an earlier serial.
    put(store, signature_key(*LATEST, 2), new[1].replace(_ids(locks[1])[1].encode(), b"0" * 40))
    with pytest.raises((IntegrityError, Conflict)):
        find_lock("team/x", Store(team))
    put(store, signature_key(*LATEST, 2), new[1])
    put(store, signature_key(*LATEST, 3), read(store, signature_key("team/y", "latest", 1)))
    assert "does not follow" in refused(team, "team/x") or "was signed for" in refused(team, "team/x")
    put(store, signature_key(*LATEST, 3), old[1])
    refused(team, "team/x")
    store.backend.delete(signature_key(*LATEST, 3))
    assert find_lock("team/x", Store(team)) == locks[1]

    # The whole old pair, as it was: nobody who met the newer one believes it.
    store.backend.delete(signature_key(*LATEST, 2))
    put(store, alias_key(*LATEST), old[0])
    with pytest.raises((IntegrityError, Conflict)):
        find_lock("team/x", Store(team))
    put(store, signature_key(*LATEST, 2), new[1])
    put(store, alias_key(*LATEST), new[0])
    assert find_lock("team/x", Store(team)) == locks[1]

    # A statement in between that is missing, or was exchanged.
    users.be("newcomer")
    put(store, signature_key(*LATEST, 1), read(store, signature_key("team/y", "latest", 1)))
    assert "does not follow the one before" in refused(team, "team/x")
    put(store, signature_key(*LATEST, 1), old[1])
    users.be("writer")
    push(store, locks[2], alias="team/x", signer=alice)
    store.backend.delete(signature_key(*LATEST, 2))
    users.be("newcomer")
    assert "2. signed statement about team/x:latest is missing" in refused(team, "team/x")


@needs_ssh_keygen
def test_a_signed_move_back_is_believed(team, locks, users, keys, policy) -> None:
    store = Store(team)
    for lock in (locks[0], locks[1], locks[0]):
        users.be("writer")
        push(store, lock, alias="team/x", signer=keys["bob"].signer)
        users.be("reader")
        assert find_lock("team/x", Store(team)) == lock


@needs_ssh_keygen
def test_signing_again_mends_a_name_over_which_nonsense_was_put(team, locks, users, keys, policy) -> None:
    store = Store(team)
    push(store, locks[0], alias="team/x:v1", signer=keys["alice"].signer)
    put(store, signature_key(*V1, 2), b"nonsense")
    users.be("reader")
    assert "no signed statement" in refused(team)
    users.be("writer")
    push(store, locks[0], alias="team/x:v1", signer=keys["alice"].signer)
    users.be("reader")
    assert find_lock("team/x:v1", Store(team)) == locks[0]


@needs_ssh_keygen
def test_what_was_got_is_no_less_signed_here(team, locks, users, keys, policy) -> None:
    push(Store(team), locks[0], alias="team/x:v1", signer=keys["alice"].signer)
    users.be("reader")
    Store(team).get("team/x:v1")
    assert find_lock("team/x:v1", Store()) == locks[0]


@needs_ssh_keygen
def test_a_key_that_was_taken_from_the_list_signs_no_more(team, locks, users, keys, policy: Path) -> None:
    push(Store(team), locks[0], alias="team/x:v1", signer=keys["alice"].signer)
    policy.write_text(keys["bob"].allowed("bob@example.org"))
    assert "signed by nobody who is in" in refused(team)
    policy.unlink()
    assert "is not there" in refused(team)


@needs_ssh_keygen
def test_without_ssh_keygen_a_policy_refuses(
    team, locks, users, keys, policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(Store(team), locks[0], alias="team/x:v1", signer=keys["alice"].signer)
    monkeypatch.setattr(ssh_keygen, "PROGRAM", "no-such-program")
    assert "no no-such-program here to verify it with; install OpenSSH's client" in refused(team)


@needs_ssh_keygen
def test_what_cannot_be_signed_is_not_named(team, locks, users, keys, policy) -> None:
    store = Store(team)
    store_lock = locks[0]

    def broken(_data: bytes, _namespace: str) -> str:
        raise UsageError("no key")

    with pytest.raises(UsageError, match="no key"):
        push(store, store_lock, alias="team/x:v1", signer=broken)
    assert store.aliases.find(V1) is None
    push(store, store_lock, alias="team/x:v1", signer=keys["alice"].signer)
    assert store.signatures.serials(V1) == [1]


@needs_ssh_keygen
def test_a_damaged_memory_under_a_policy_refuses(team, locks, users, keys, policy) -> None:
    store = Store(team)
    push(store, locks[0], alias="team/x:v1", signer=keys["alice"].signer)
    [file] = Path(store.memory._backend()._root).rglob("v1.json")
    file.write_bytes(b"")
    assert "--accept-rollback" in refused(team)
    with pytest.warns(UserWarning, match="remembered anew"):
        assert find_lock("team/x:v1", Store(team, accept_rollback=True)) == locks[0]
    assert find_lock("team/x:v1", Store(team)) == locks[0]


@needs_ssh_keygen
def test_two_who_sign_at_once_have_serials_of_their_own(team, locks, users, keys, policy) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store = Store(team)
    push(store, locks[0], alias="team/x:v1")

    def one(number: int) -> None:
        push(Store(team), locks[0], alias="team/x:v1", signer=keys[("alice", "bob")[number % 2]].signer)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    assert store.signatures.serials(V1) == [1, 2, 3, 4]
    assert find_lock("team/x:v1", Store(team)) == locks[0]


def _ids(lock: Lock) -> tuple[str, str]:
    return lock.req_id, lock.full_id


def _moved_to(alias: bytes, lock: Lock) -> bytes:
    document = json.loads(alias)
    document |= Target.of(lock)._asdict()
    return json.dumps(document).encode()


def _tampered(lock: Lock) -> Lock:
    """The lock with another dependency, which its ids do not cover."""
    (platform, locked), *_ = lock.platforms.items()
    package = msgspec.structs.replace(locked.packages[0], dependencies=("evil>=1",))
    packages = (package, *locked.packages[1:])
    return msgspec.structs.replace(
        lock, platforms={**lock.platforms, platform: msgspec.structs.replace(locked, packages=packages)}
    )
