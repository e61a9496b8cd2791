"""Bounds on what py-rattler fetches of channels, which has none for bytes that drip.

Its client tells nothing of what comes, but it writes what comes into the folder that it was given: that
folder has to grow while we wait.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from conjoin.errors import Unreachable
from conjoin.net.guard import Guard
from conjoin.writing import full_disk, is_full_disk

__all__ = ["LONGEST_REQUEST", "in_time"]

WINDOW = 45.0
"""Seconds; some servers of channels think for half a minute before their first byte."""

LONGEST_REQUEST = 3600
"""Seconds of one request; the largest channel has 0.1 GB to be fetched at once."""

LOOK = 3.0
"""Seconds between two looks at the folder."""

_PAUSE = 0.2
_T = TypeVar("_T")


async def in_time(work: Coroutine[Any, Any, _T], cache: Path, where: str, *, solves: bool = False) -> _T:
    """Return what some work of py-rattler's returns that may fetch repodata.

    :param cache: the folder it keeps repodata in.
    :param where: the channels, for messages.
    :param solves: the work computes as well: silence counts only while a download has begun.
    :raises DiskError: where the disk of that folder is full.
    :raises Unreachable: where the channel does not send, or sends too slowly.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=LOOK)
        began = time.time() - LOOK - 1
        size, guard = _size(cache, began)[0], Guard(where, window=WINDOW)
        while not done:
            guard.left()
            done, _ = await asyncio.wait({task}, timeout=LOOK)
            now, downloads = _size(cache, began)
            if solves and not downloads:
                guard.begin()
            else:
                guard.came(abs(now - size))
            size = now
        return task.result()
    except Exception as error:
        if not isinstance(error, Unreachable):
            if is_full_disk(str(error)):
                raise full_disk(cache) from None
            raise
        # Else the interpreter may end while py-rattler tells it of the end (prefix/link/rattler_bridge.py).
        task.cancel()
        await asyncio.sleep(_PAUSE)
        error.reword(lambda text: f"the channel {text}" if text.startswith("sends") else text)
        raise
    finally:
        task.cancel()


def _size(folder: Path, began: float) -> tuple[int, bool]:
    """Return the bytes below a folder, and whether there is a download that was written to since then."""
    total, downloads = 0, False
    for top, _, names in os.walk(folder):
        for name in names:
            try:
                facts = os.stat(f"{top}/{name}")  # noqa: PTH116
            except OSError:
                continue  # it has its own name now
            total += facts.st_size
            downloads = downloads or (name.startswith(".tmp") and facts.st_mtime >= began)
    return total, downloads
