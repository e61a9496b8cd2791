"""What the caches hold of builds: sources and wheels that nobody used for a time.

All of it can be had again. A wheel that a lock names is in the store as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conjoin.prefix.gc.deletion import Tree, modified
from conjoin.store.gc.collect import LEFTOVER_AGE

__all__ = ["build_garbage"]

_PLACES = (("sources", "sources/*"), ("sources", "sources/git/*"), ("built_wheels", "built/*/*"))


def build_garbage(cache: Path, before: float, now: float) -> Iterator[Tree]:
    """Yield the sources and built wheels below ``cache`` that were not used since.

    :param before: seconds since 1970; what was used after that stays.
    :param now: seconds since 1970.
    """
    for kind, pattern in _PLACES:
        for entry in sorted(cache.glob(pattern)):
            if entry.name.startswith("."):  # where a process works, or was killed
                if now - modified(entry) > LEFTOVER_AGE:
                    yield Tree("leftovers", (entry,))
            elif entry != cache / "sources" / "git" and modified(entry) <= before:
                yield Tree(kind, (entry,))
