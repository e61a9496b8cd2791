"""Builds that are under way: each is done once, few at a time, and none waits for itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.net.single_flight import Once

__all__ = ["BuildTurns"]

_T = TypeVar("_T")

_inside: ContextVar[str] = ContextVar("conjoin_build", default="")
"""The build for whose requirements this task works; empty for what was asked for itself."""


class BuildTurns:
    """What is being built, and who waits for whom.

    Build requirements may have to be built themselves, and so on. Two builds that wait for each other would
    wait for ever: the second to ask is told so.
    """

    def __init__(self) -> None:
        self._once = Once(MetadataUnusable)
        self._labels: dict[str, str] = {}
        self._waiting: list[tuple[str, str]] = []

    async def once(self, key: str, label: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something once, whoever asks how often; a failure of the network is not remembered.

        :param label: what it is, for messages.
        :raises MetadataUnusable: where it would have to wait for itself; or as ``work`` does.
        """
        self._labels.setdefault(key, label)
        parent = _inside.get()
        if parent and (chain := self._chain(key, parent)):
            names = " needs ".join(self._labels[each] for each in (*chain, key))
            raise MetadataUnusable(f"cannot be built: {names} to be built")
        edge = (parent, key)
        self._waiting.append(edge)
        try:
            return await self._once.do(key, lambda: _in_turn(key, work))
        finally:
            self._waiting.remove(edge)

    async def stop(self) -> None:
        """Cancel what still runs, and wait for its end."""
        await self._once.stop()

    def _chain(self, key: str, end: str) -> list[str]:
        """Return how ``key`` waits for ``end``: itself, and the builds up to there; empty if it does not."""
        if key == end:
            return [key]
        for waiting, other in self._waiting:
            if waiting == key and (rest := self._chain(other, end)):
                return [key, *rest]
        return []


async def _in_turn(key: str, work: Callable[[], Awaitable[_T]]) -> _T:
    _inside.set(key)  # of this task alone, and of those that it starts
    return await work()
