"""The garbage collector afterwards is as it was before, whatever happened."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from conjoin.cyclic_gc import few_collections, few_collections_to_the_end, no_collection


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_no_collection_leaves_it_as_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with suppress(KeyError), no_collection():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled() is enabled


@pytest.mark.parametrize("before", [(700, 10, 10), (0, 10, 10), (10_000_000, 1, 1)])
def test_few_collections_are_never_more_than_there_were(before: tuple[int, int, int]) -> None:
    gc.set_threshold(*before)
    with suppress(KeyError), few_collections():
        within = gc.get_threshold()
        assert within == before or (before[0] == 700 and within > before)
        raise KeyError
    assert gc.get_threshold() == before


def test_to_the_end_it_looks_rarely_and_not_at_what_is_left() -> None:
    gc.set_threshold(700, 10, 10)
    try:
        with suppress(KeyError), few_collections_to_the_end():
            assert gc.get_threshold() > (700, 10, 10)
            raise KeyError
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
