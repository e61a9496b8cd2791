"""What was resolved before, and still answers the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conjoin.spec.canonical import req_id
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from collections.abc import Callable

    from conjoin.errors import ConjoinError
    from conjoin.lock.model import Lock
    from conjoin.store.lookup.latest import Taken
    from conjoin.store.store import Store

__all__ = ["resolved_before"]


def resolved_before(
    requirements: Requirements,
    store: Store,
    use_latest: str | None = None,
    *,
    changed: bool = False,
    damaged: Callable[[ConjoinError], None] = lambda _error: None,
) -> Taken | None:
    """Return what somebody who counts resolved before for these requirements, None if nobody did.

    :param use_latest: as :func:`resolve_request` takes it.
    :param changed: whether it counts although a local folder or file holds something else by now.
    :param damaged: told of locks that cannot be read, and do not count.
    """
    from conjoin.store.lookup.latest import DEFAULT, find_latest, parse_whose

    if use_latest is None:
        from conjoin.config.load import load_settings

        use_latest = load_settings().text("use-remote-latest") or DEFAULT
    found = find_latest(store, req_id(requirements), parse_whose(use_latest), damaged)
    if found is not None and not changed and any(each.url.startswith("file:") for each in requirements.pypi):
        from conjoin.solve.candidates.direct import changed_since

        if changed_since(requirements.pypi, _direct_hashes(found.lock)):
            return None
    return found


def _direct_hashes(lock: Lock) -> dict[str, str]:
    """Return the hashes of what its packages are made of, by URL; of local folders and files, too."""
    return {
        package.source_url or package.url: package.source_sha256 or package.sha256
        for locked in lock.platforms.values()
        for package in locked.packages
        if package.kind == "pypi"
    }
