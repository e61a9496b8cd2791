"""What a name meant before: kept with the name itself, so that no move is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.api import Store
from conjoin.errors import Conflict, IntegrityError, NotFound
from conjoin.store import aliases as aliases_module
from conjoin.store.aliases import Alias, Aliases, Target
from conjoin.store.backend.protocol import Object
from object_stores import S3, MakeLock

LATEST = Alias("team/x", "latest")
V1 = Alias("team/x", "v1")


def ids(number: int) -> Target:
    return Target(f"{number:040x}", f"{number:040x}", f"{number:064x}", f"{number:064x}")


def meant(aliases: Aliases, alias: Alias = LATEST) -> list[int]:
    """Return the numbers of what an alias meant, oldest first."""
    moves, _ = aliases.history(alias)
    assert moves[0].target == aliases.get(alias)
    return [int(move.full_id, 16) for move in reversed(moves)]


def login(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("LOGNAME", name)


def test_a_tag_that_moves_remembers_who_moved_it_when_and_from_where(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = datetime.now(timezone.utc)
    for number, user in enumerate(("ann", "bob", "ann"), 1):
        login(monkeypatch, user)
        assert Store(place).aliases.name_kept(LATEST, ids(number))
    moves, forgotten = Store(place).aliases.history(LATEST)
    assert [(move.target, move.user) for move in moves] == [(ids(3), "ann"), (ids(2), "bob"), (ids(1), "ann")]
    times = [datetime.fromisoformat(move.time.replace("Z", "+00:00")) for move in reversed(moves)]
    times = [started, *times, datetime.now(timezone.utc)]
    assert times == sorted(times)
    assert forgotten == 0


@pytest.mark.parametrize("alias", [LATEST, V1], ids=str)
def test_naming_the_same_lock_again_is_done_and_no_move_whoever_does_it(
    place: str, alias: Alias, monkeypatch: pytest.MonkeyPatch
) -> None:
    login(monkeypatch, "ann")
    assert Store(place).aliases.name_kept(alias, ids(1))
    login(monkeypatch, "bob")
    assert not Store(place).aliases.name_kept(alias, ids(1))
    assert Store(place).aliases.refuse_taken(alias, ids(1))
    assert [move.user for move in Store(place).aliases.history(alias).moves] == ["ann"]


def test_a_tag_that_is_written_once_tells_who_wrote_it(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    login(monkeypatch, "ann")
    Store(place).aliases.name_kept(V1, ids(1))
    login(monkeypatch, "bob")
    with pytest.raises(Conflict):
        Store(place).aliases.name_kept(V1, ids(2))
    assert [(each.target, each.user) for each in Store(place).aliases.history(V1).moves] == [(ids(1), "ann")]


def test_an_environment_comes_back_by_its_id(place: str, make_environment: MakeLock) -> None:
    store = Store(place)
    first, second = make_environment(1, seed=1), make_environment(1, seed=2)
    for lock in (first, second):
        store.push(lock, alias="team/x")
    earlier = store.aliases.history(LATEST).moves[1]
    store.aliases.set(LATEST, store.locks.get(*earlier.target))
    assert store.get("team/x") == first
    assert [move.full_id for move in store.aliases.history(LATEST).moves] == [
        first.full_id,
        second.full_id,
        first.full_id,
    ]


def test_an_alias_that_was_kept_without_history_is_read_and_becomes_the_first_move() -> None:
    store = Store()
    for alias in (LATEST, V1):
        data = json.dumps(ids(1)._asdict()).encode() + b"\n"
        assert store.backend.put_if_absent(f"aliases/team/x/{alias.tag}.json", data)
        assert store.aliases.get(alias) == ids(1)
        assert not store.aliases.name_kept(alias, ids(1))
    store.aliases.name_kept(LATEST, ids(2))
    moves = store.aliases.history(LATEST).moves
    assert [(move.target, bool(move.user), bool(move.time)) for move in moves] == [
        (ids(2), True, True),
        (ids(1), False, False),
    ]
    with pytest.raises(Conflict):
        store.aliases.name_kept(V1, ids(2))


def test_what_a_later_version_adds_is_no_reason_to_refuse() -> None:
    store = Store()
    data = json.dumps({**ids(1)._asdict(), "why": "faster", "earlier": []}).encode()
    store.backend.put_if_absent("aliases/team/x/latest.json", data)
    assert store.aliases.get(LATEST) == ids(1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"req_id":"',
        b'{"req_id":1,"full_id":2,"lock_digest":3,"lock_sha256":4}',
        b'{"req_id":"../x","full_id":"y","lock_digest":"z","lock_sha256":"z"}',
        json.dumps({"req_id": "0" * 40, "full_id": "0" * 40}).encode(),  # which lock, nobody says
    ],
)
def test_a_damaged_alias_is_refused_and_left_alone(data: bytes) -> None:
    store = Store()
    store.backend.put_if_absent("aliases/team/x/latest.json", data)
    for use in (
        lambda: store.aliases.get(LATEST),
        lambda: store.aliases.history(LATEST),
        lambda: store.aliases.name_kept(LATEST, ids(1)),
        lambda: store.aliases.refuse_taken(LATEST, ids(1)),
    ):
        with pytest.raises(IntegrityError, match="damaged"):
            use()
    left = store.backend.get("aliases/team/x/latest.json")
    assert left is not None
    assert left.data == data


def test_the_history_of_what_has_no_name_is_not_found() -> None:
    with pytest.raises(NotFound, match="team/x:latest"):
        Store().aliases.history(LATEST)


class _OneObject:
    """A backend of one object."""

    place = "here"
    data: bytes | None = None

    def get(self, key: str) -> Object | None:
        return None if self.data is None else Object(self.data, str(hash(self.data)))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self.compare_and_swap(key, data, None)

    def compare_and_swap(self, key: str, data: bytes, version: str | None) -> bool:
        present = self.get(key)
        if (present.version if present else None) != version:
            return False
        self.data = data
        return True


@given(numbers=st.lists(st.integers(1, 4), min_size=1, max_size=30), most=st.integers(2, 10))
def test_the_last_moves_are_kept_and_the_others_counted(numbers: list[int], most: int) -> None:
    backend = _OneObject()
    aliases = Aliases(backend)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(aliases_module, "MOST_MOVES", most)
        for number in numbers:
            aliases.name_kept(LATEST, ids(number))
    moved = [each for position, each in enumerate(numbers) if position == 0 or each != numbers[position - 1]]
    assert meant(aliases) == moved[-most:]
    assert aliases.history(LATEST).forgotten == max(0, len(moved) - most)


def test_a_full_history_is_small() -> None:
    backend = _OneObject()
    aliases = Aliases(backend)  # type: ignore[arg-type]
    for number in range(aliases_module.MOST_MOVES + 5):
        aliases.name_kept(LATEST, ids(number))
    assert backend.data is not None
    assert len(backend.data) < 75_000


def test_a_move_whose_answer_was_lost_is_noted_once(
    s3: S3, s3_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = Store(s3_place).aliases
    aliases.name_kept(LATEST, ids(1))
    forward, lost = s3.forward, []

    def losing(
        method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        answer = forward(method, path, headers, body)
        if method == "PUT" and path.endswith("latest.json") and not lost:
            lost.append(path)
            return 503, {}, b""
        return answer

    monkeypatch.setattr(s3, "forward", losing)
    Store(s3_place).aliases.name_kept(LATEST, ids(2))
    assert lost
    assert meant(aliases) == [1, 2]


MOVES = """
import sys
from conjoin.store.aliases import Alias, Target
from conjoin.api import Store
aliases = Store(sys.argv[1]).aliases
for number in range(5):
    number += int(sys.argv[2]) * 100
    assert aliases.name_kept(
        Alias("team/x", "latest"),
        Target(f"{number:040x}", f"{number:040x}", f"{number:064x}", f"{number:064x}"),
    )
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_of_sixteen_processes_that_move_one_tag_every_move_is_remembered_in_order(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path / "team") if kind == "folder" else request.getfixturevalue("s3_place")
    running = [
        subprocess.Popen([sys.executable, "-c", MOVES, place, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(16)
    ]
    assert [process.communicate()[1] for process in running] == [""] * 16
    numbers = meant(Store(place).aliases)
    for process in range(16):
        assert [each for each in numbers if each // 100 == process] == [process * 100 + n for n in range(5)]
    assert len(numbers) == 80
