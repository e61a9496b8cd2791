"""The cyclic garbage collector, kept from looking at what is none.

A hundred thousand objects that all stay make it look at all of them again and again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["THRESHOLDS", "few_collections", "no_collection"]

THRESHOLDS = (200_000, 50, 100)
"""New objects before the youngest are looked at, and how often before the older ones are.

The command line says the same for all of its life, without importing this (``conjoin/cli/main.py``).
"""


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause it altogether: for work that makes no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def few_collections() -> Iterator[None]:
    """Have it look rarely: for minutes of work, whose cycles must not fill the memory."""
    before = gc.get_threshold()
    if 0 < before[0] < THRESHOLDS[0]:  # 0: somebody has switched it off
        gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
