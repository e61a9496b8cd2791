"""Things that are done once, whoever asks how often: concurrent calls for one thing share its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

__all__ = ["Once"]

_T = TypeVar("_T")


class Once:
    """What was done, and what is being done, in one event loop.

    :param answers: exceptions that are answers, and remembered as such: asking again would not help.
    """

    def __init__(self, *answers: type[Exception]) -> None:
        self._answers = answers
        self._tasks: dict[Hashable, asyncio.Task[Any]] = {}

    async def do(self, key: Hashable, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something, or return what it gave; a failure (of the network, say) is not remembered."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(_as_coroutine(work))
        try:
            # Shielded: one caller that is cancelled does not take the answer from the others.
            answer: _T = await asyncio.shield(task)
        except self._answers:
            raise
        except BaseException:
            if task.done():
                self._tasks.pop(key, None)
            raise
        return answer

    async def stop(self) -> None:
        """Cancel what still runs, and wait for its end."""
        running = [task for task in self._tasks.values() if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _as_coroutine(work: Callable[[], Awaitable[_T]]) -> _T:
    return await work()
