"""References of kinds that others register: ``kind:rest``, answered by an entry point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conjoin.api import Store
from conjoin.errors import NotFound, UsageError
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.store.lookup.reference import find_lock

MODULE = """
from conjoin.errors import NotFound

def answer(rest):
    if rest == "there/it/is":
        return IDS
    raise NotFound(f"there is no {rest}")
"""


@pytest.fixture
def lock() -> Lock:
    package = LockedPackage(kind="pypi", name="a", version="1", file="a.whl", sha256="0" * 64)
    canonical = {"pypi": ["a"]}
    platforms = {"linux-64": LockedPlatform(virtual_packages={}, packages=(package,))}
    return make_lock(canonical, requirements_id(canonical), platforms)


@pytest.fixture
def store(lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with the lock, while the kind ``mine`` is registered."""
    info = tmp_path / "site" / "mine-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[conjoin.references]\nmine = kind_of_mine:answer\n")
    (tmp_path / "site" / "kind_of_mine.py").write_text(f"IDS = '{lock.req_id}:{lock.full_id}'\n{MODULE}")
    monkeypatch.syspath_prepend(tmp_path / "site")
    made = Store(tmp_path / "store")
    made.locks.put(lock)
    yield made
    import sys

    sys.modules.pop("kind_of_mine", None)


def test_the_one_who_registered_a_kind_answers(store: Store, lock: Lock) -> None:
    assert find_lock("mine:there/it/is", store) == lock


def test_what_it_says_is_missing_is_missing(store: Store) -> None:
    with pytest.raises(NotFound, match="there is no not/there"):
        find_lock("mine:not/there", store)


@pytest.mark.parametrize("text", ["mine:v1", "mine"])
def test_an_alias_of_that_name_is_an_alias(store: Store, lock: Lock, text: str) -> None:
    store.alias(lock, text)
    assert find_lock(text, store) == lock


@pytest.mark.parametrize("text", ["nobody:knows/it", "http://x.example/y"])
def test_a_kind_that_nobody_registered_is_none(store: Store, text: str) -> None:
    with pytest.raises((NotFound, UsageError)):
        find_lock(text, store)


def test_metaflow_s_steps_are_such_a_kind(store: Store) -> None:
    pytest.importorskip("metaflow")
    with pytest.raises(UsageError, match="expected Flow/run/step"):
        find_lock("step:Flow/1", store)
