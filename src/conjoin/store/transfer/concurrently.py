"""Work on several packages at once, until one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["map_concurrently"]

_AT_ONCE = 8
"""On their way to an object store, each holds a few parts of 8 MiB in memory."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def map_concurrently(
    work: Callable[[_Item], _Result], items: Sequence[_Item], *, stop: Callable[[], None]
) -> list[_Result]:
    """Return what ``work`` makes of each item, in their order; up to eight are worked on at the same time.

    What is raised is the first failure in time, not in line: the others are then told to give up.

    :param stop: called where one failed, or the user interrupts; makes those at work give up soon.
    """
    if not items:
        return []
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="conjoin-packages") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            stop()
            for future in futures:
                future.cancel()
            raise
