"""The garbage collector afterwards is as it was before, whatever happened."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import conjoin
from conjoin.cyclic_gc import THRESHOLDS, few_collections, no_collection

PACKAGE = Path(conjoin.__file__).parent


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


def test_the_command_line_says_the_same() -> None:
    """It cannot import it: starting up would take longer."""
    said = re.search(r"gc\.set_threshold\((.*)\)", (PACKAGE / "cli" / "main.py").read_text("utf-8"))
    assert said is not None
    assert tuple(int(number) for number in said[1].split(", ")) == THRESHOLDS
