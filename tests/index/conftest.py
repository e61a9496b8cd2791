"""A small index on loopback, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from conjoin.index.pypi.indexes import PypiIndexes
from loopback import LoopbackServer
from worlds import make_index, make_sdist, make_wheel

T = TypeVar("T")

Ask = Callable[[Callable[[PypiIndexes], Awaitable[T]]], T]


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    """``tiny`` 1.0 and 2.0 (wheels; 2.0 also as sdist) and ``other`` 1.0."""
    folder = tmp_path / "dist"
    return [
        make_wheel(folder, "tiny", "1.0", ["other<2"], requires_python=">=3.8", extras={"fast": ["speed"]}),
        make_wheel(folder, "tiny", "2.0", files={"tiny/big.bin": bytes(range(256)) * 2000}),
        make_sdist(folder, "tiny", "2.0"),
        make_wheel(folder, "other", "1.0"),
    ]


@pytest.fixture
def index(tmp_path: Path, wheels: list[Path]) -> Iterator[LoopbackServer]:
    """Serve them as HTML without PEP 658, as simple mirrors do."""
    with LoopbackServer(make_index(tmp_path / "index", wheels, pep658=False)) as server:
        yield server


@pytest.fixture
def ask(index: LoopbackServer, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that runs one question on fresh ``PypiIndexes`` with a cache that stays."""

    def ask(question: Callable[[PypiIndexes], Awaitable[T]], *indexes: str, **options: Any) -> T:
        options.setdefault("cache_dir", tmp_path / "cache")

        async def run() -> T:
            asked = PypiIndexes(indexes or [f"{index.url}/"], backoff=0.01, **options)
            try:
                return await question(asked)
            finally:
                await asked.aclose()

        return asyncio.run(run())

    return ask
