"""What a caller decides about hydrating: where to, by which means, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from conjoin.lock.model import LockedPackage

if TYPE_CHECKING:
    from conjoin.prefix.progress import Progress
    from conjoin.spec.requirements import Credential
    from conjoin.store.transfer.fetch import Fetcher

__all__ = ["FindPython", "HydrateOptions", "MakeFetcher"]

FindPython: TypeAlias = "Callable[[LockedPackage], Path | None]"
"""Returns the path of this host's interpreter of exactly that implementation, version and ABI, or None."""

MakeFetcher: TypeAlias = "Callable[[Callable[[int], None]], Fetcher]"
"""Given what to call with the bytes received, returns what brings packages into the store."""


class HydrateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an environment is hydrated.

    :ivar prefix: where to; default: ``<envs>/metaflow_<req_id>_<full_id>``.
    :ivar name: instead of ``prefix``: ``<envs>/named/<name>``, which changes with the environment.
    :ivar offline: fetch nothing.
    :ivar credentials: for the origins of packages.
    :ivar progress: told what is being done.
    :ivar find_python: finds interpreters of this host, for locks that name one.
    :ivar make_fetcher: brings what is not in the store, in another way than from a shared store and origins.
    """

    prefix: Path | None = None
    name: str | None = None
    offline: bool = False
    credentials: Sequence[Credential] = ()
    progress: Progress | None = None
    find_python: FindPython | None = None
    make_fetcher: MakeFetcher | None = None
