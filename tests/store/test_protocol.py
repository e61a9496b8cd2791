"""What is made of a back end's own operations."""

from __future__ import annotations

from pathlib import Path

import pytest

from conjoin.errors import Conflict
from conjoin.store.backend import protocol
from conjoin.store.backend.folder import FolderBackend
from conjoin.store.backend.protocol import update_object

BUSY = "it is being changed by others all the time"


def appended(present: bytes | None) -> bytes:
    return (present or b"") + b"x"


def test_an_object_is_made_then_changed_then_left(tmp_path: Path) -> None:
    backend = FolderBackend(tmp_path)
    assert update_object(backend, "a/b", appended, busy=BUSY)
    assert update_object(backend, "a/b", appended, busy=BUSY)
    assert not update_object(backend, "a/b", lambda _present: None, busy=BUSY)
    found = backend.get("a/b")
    assert found is not None
    assert found.data == b"xx"


@pytest.mark.parametrize("present", [None, b"before"])
def test_what_others_wrote_meanwhile_is_looked_at_again(tmp_path: Path, present: bytes | None) -> None:
    backend = FolderBackend(tmp_path)
    if present is not None:
        backend.put("key", present)
    seen = []

    def change(found: bytes | None) -> bytes:
        seen.append(found)
        if len(seen) == 1:
            backend.put("key", b"theirs")
        return appended(found)

    assert update_object(backend, "key", change, busy=BUSY)
    assert seen == [present, b"theirs"]
    found = backend.get("key")
    assert found is not None
    assert found.data == b"theirsx"


def test_who_is_never_fast_enough_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_TRIES", 4)
    backend = FolderBackend(tmp_path)
    others = iter(range(10))

    def change(found: bytes | None) -> bytes:
        backend.put("key", f"theirs {next(others)}".encode())
        return appended(found)

    with pytest.raises(Conflict, match="all the time") as caught:
        update_object(backend, "key", change, busy=BUSY)
    assert caught.value.where == str(tmp_path / "key")
    assert next(others) == 4


def test_what_the_change_raises_is_raised(tmp_path: Path) -> None:
    def refuse(_present: bytes | None) -> bytes:
        raise KeyError("no")

    with pytest.raises(KeyError):
        update_object(FolderBackend(tmp_path), "key", refuse, busy=BUSY)
    assert list(tmp_path.iterdir()) == []
