"""How a request is solved, whatever it asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from conjoin.build.built_wheels import KeptBuilds

__all__ = ["Progress", "SolveOptions", "silent"]

Progress: TypeAlias = Callable[[str], None]
"""Told what is being done, one short line each time."""


def silent(_: str) -> None:
    """Say nothing: the :data:`Progress` of those whom nobody listens to."""


class SolveOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where a solve finds and keeps what it reads, and whom it tells what it does.

    :ivar cache_dir: folder for repodata, index pages and metadata.
    :ivar offline: use what the cache has and never the network.
    :ivar progress: told what is being done.
    :ivar kept_builds: where wheels that were built before may be found.
    """

    cache_dir: Path
    offline: bool = False
    progress: Progress = silent
    kept_builds: KeptBuilds | None = None
