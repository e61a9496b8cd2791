"""The prefixes that are known: none is lost, none is torn, and what a prefix holds says the prefix."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from conjoin.lock.identity import environment_name
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.prefix import Marker
from conjoin.prefix.registry import Registration, Registry
from hydrating import conda_packages, lock_of


def marker(number: int = 0, *, complete: bool = True) -> Marker:
    return Marker(
        req_id=f"{number:040x}",
        full_id="f" * 40,
        platform="linux-64",
        platform_digest="d" * 40,
        complete=complete,
    )


def fake_prefix(path: Path, what: Marker) -> Path:
    (path / "conda-meta").mkdir(parents=True)
    (path / "conda-meta" / "conjoin").write_bytes(msgspec.json.encode(what))
    return path


def test_a_prefix_is_known_with_what_it_holds_and_when_it_was_used(tmp_path: Path) -> None:
    path = fake_prefix(tmp_path / "env", marker(1))
    Registry().add(path, marker(1))
    [known] = Registry().all()
    assert known.file is not None
    os.utime(known.file, (1e9, 1e9))
    [known] = Registry().all()
    assert (known.path, known.marker, known.last_used) == (path, marker(1), 1e9)
    assert (known.host, known.made[-1], known.is_at_default_place) == (socket.gethostname(), "Z", False)
    assert Registry().use(path)
    [known] = Registry().all()
    assert time.time() - known.last_used < 60
    assert not Registry().use(tmp_path / "another")


def test_a_prefix_that_holds_something_else_now_is_known_by_what_it_holds(tmp_path: Path) -> None:
    path = fake_prefix(tmp_path / "env", marker(1))
    Registry().add(path, marker(1))
    shutil.rmtree(path)
    assert Registry().all()[0].ids is None
    fake_prefix(path, marker(2))
    assert Registry().all()[0].ids == (marker(2).req_id, "f" * 40)


def test_prefixes_where_we_make_them_are_known_although_nobody_registered_them(isolated_home: Path) -> None:
    named = fake_prefix(isolated_home / "envs" / "named" / "x", marker(1))
    by_id = fake_prefix(isolated_home / "envs" / environment_name(marker(2).req_id, "f" * 40), marker(2))
    (isolated_home / "envs" / "something-else").mkdir()
    fake_prefix(isolated_home / "envs" / ".x.trash-123", marker(3))
    assert [(each.path, each.is_at_default_place) for each in Registry().all()] == [
        (by_id, True),
        (named, False),
    ]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"path": 1}'])
def test_a_registration_that_is_damaged_is_written_anew_when_it_matters(
    tmp_path: Path, damage: bytes
) -> None:
    path = fake_prefix(tmp_path / "env", marker(1))
    Registry().add(path, marker(1))
    [known] = Registry().all()
    assert known.file is not None
    known.file.write_bytes(damage)
    assert [each.marker for each in Registry().all()] == [None]
    if damage == b"":  # what a power cut leaves
        assert not Registry().use(path)


def test_a_state_folder_that_cannot_be_written_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONJOIN_STATE", str(tmp_path / "file" / "state"))
    Registry().add(tmp_path / "x", marker(1))
    assert not Registry().use(tmp_path / "x")
    assert Registry().all() == []


def test_hydrating_registers_each_kind_of_prefix_and_notes_each_use(
    forged_channel: Path, isolated_home: Path, tmp_path: Path
) -> None:
    from conjoin.store.store import Store

    lock = lock_of(conda_packages(forged_channel, names=("python_abi",)))
    made = [
        hydrate(lock),
        hydrate(lock, options=HydrateOptions(name="mine")),
        hydrate(lock, options=HydrateOptions(prefix=tmp_path / "somewhere" / "else")),
    ]
    known = Registry().all()
    assert sorted(each.path for each in known) == sorted(made)
    assert {each.ids for each in known} == {(lock.req_id, lock.full_id)}
    # Who has a prefix has its lock: what the prefix needs is known to whoever collects garbage.
    assert Store().lock(lock.req_id, lock.full_id) == lock
    [note] = (isolated_home / "store" / "envs").rglob("used/*")
    for file in (note, *(each.file for each in known if each.file)):
        os.utime(file, (1e9, 1e9))
    hydrate(lock, options=HydrateOptions(prefix=made[2]))
    assert {each.path: each.last_used > 1e9 for each in Registry().all()} == {
        path: path == made[2] for path in made
    }
    assert note.stat().st_mtime > 1e9
    shutil.rmtree(isolated_home / "state")
    hydrate(lock, options=HydrateOptions(prefix=made[2]))
    assert made[2] in [each.path for each in Registry().all()]
    assert list((isolated_home / "store" / "announced").iterdir()) == []
    assert list((isolated_home / "cache" / "announced").iterdir()) == []


MANY = """
import sys
from pathlib import Path
from conjoin.prefix.prefix import Marker
from conjoin.prefix.registry import Registry
number, folder = sys.argv[1:]
for each in range(20):
    marker = Marker(
        req_id=f"{each:040x}",
        full_id="f" * 40,
        platform="linux-64",
        platform_digest="d" * 40,
        complete=True,
    )
    Registry().add(Path(folder, f"{number}-{each}"), marker)
    assert Registry().use(Path(folder, f"{number}-{each}"))
    Registry().add(Path(folder, f"shared-{each}"), marker)
print("done", flush=True)
while len(sys.argv) > 3: pass
"""


def test_sixteen_processes_that_register_twenty_prefixes_each_lose_none(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MANY]
    running = [subprocess.Popen([*command, str(number), str(tmp_path)]) for number in range(16)]
    assert [process.wait() for process in running] == [0] * 16
    expected = {str(tmp_path / f"{who}-{each}") for who in [*range(16), "shared"] for each in range(20)}
    assert {str(each.path) for each in Registry().all()} == expected


def test_a_kill_at_any_moment_tears_no_registration(tmp_path: Path, isolated_home: Path) -> None:
    chance = random.Random(5)
    for round_ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", MANY, f"r{round_}", str(tmp_path)], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 300
        while not any(f"r{round_}-" in str(each.path) for each in Registry().all()):
            assert time.monotonic() < deadline
        time.sleep(chance.uniform(0, 0.004))
        process.send_signal(signal.SIGKILL)
        process.wait()
        for file in (isolated_home / "state" / "prefixes").glob("*.json"):
            msgspec.json.decode(file.read_bytes(), type=Registration)
