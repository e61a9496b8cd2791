"""The front door: data, and what can be done with it as methods."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import conjoin
from conjoin.store.bundle.export import export_bundle
from conjoin.store.bundle.import_bundle import import_bundle
from conjoin.store.store import Store as StoreData
from conjoin.store.transfer.push import push

ADDED = {"alias", "export_bundle", "get", "import_bundle", "push"}


def test_a_store_has_what_can_be_done_with_it(tmp_path: Path) -> None:
    store = conjoin.Store(tmp_path)
    assert isinstance(store, StoreData)
    assert {name for name in vars(conjoin.Store) if not name.startswith("_")} == ADDED
    assert not any(hasattr(StoreData, name) for name in ADDED)


def test_the_stores_of_a_store_are_such_stores(isolated_home: Path) -> None:
    store = conjoin.Store("memory://x")
    for other in (store.local, store.near(), store.local.near()):
        assert type(other) is conjoin.Store


@pytest.mark.parametrize("function", [push, export_bundle, import_bundle])
def test_a_method_takes_what_its_function_does(function: object) -> None:
    method = getattr(conjoin.Store, function.__name__)  # type: ignore[attr-defined]
    ours, theirs = (list(inspect.signature(each).parameters) for each in (method, function))  # type: ignore[arg-type]
    assert ours[1:] == theirs[1:]


def test_a_store_is_opened_without_what_it_is_not_asked_for(tmp_path: Path) -> None:
    heavy = ("httpx", "obstore", "rattler", "conjoin.prefix", "conjoin.resolving", "conjoin.store.transfer")
    code = f"import sys, conjoin; conjoin.Store(sys.argv[1]); print([x for x in {heavy} if x in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_name_in_a_folder_is_given_without_what_transfers_packages() -> None:
    code = (
        "import sys; import conjoin.store.store, conjoin.store.transfer.alias; "
        "print(sorted(x for x in sys.modules if x.startswith('conjoin.store.transfer.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['conjoin.store.transfer.alias', 'conjoin.store.transfer.naming']\n"
