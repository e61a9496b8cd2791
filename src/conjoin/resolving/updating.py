"""An update: what may move, and what stays where it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from conjoin.errors import NotFound, UsageError
from conjoin.resolving.extending import Base

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.solve.preferences.pins import Pins
    from conjoin.solve.preferences.update import Previous

__all__ = ["former_of", "refuse_update"]


def refuse_update(names: Sequence[str], known: Lock | None, base: Base | None) -> None:
    """Refuse an update of nothing, of what is unknown, and of what is pinned.

    :raises NotFound: where nothing was resolved before.
    :raises UsageError: for a name that is not locked, or is pinned.
    """
    from conjoin.lock.changes import refuse_unknown

    if known is None:
        raise NotFound(
            "nothing was resolved for this request yet, so nothing can be updated",
            advice="resolve it first; a request that was changed is another one",
        )
    refuse_unknown(names, known)
    given = {
        name
        for locked in (base.lock.platforms.values() if base else ())
        for package in locked.packages
        for name in (package.name, *package.provides)
    }
    pinned = next((name for name in names if name in given), None)
    if base and pinned:
        raise UsageError(
            f"{pinned} is pinned by {base.name}, which this environment extends",
            advice=f"update it there, then extend {base.name} again",
        )


def former_of(
    names: Sequence[str], known: Lock, platforms: Sequence[str], pins: Mapping[str, Pins]
) -> dict[str, Previous]:
    """Return what was locked before, for each platform that was, as the solver takes it."""
    from conjoin.resolving.from_lock import solution_of
    from conjoin.solve.preferences.update import Previous

    return {
        platform: Previous.of(solution_of(platform, known.platforms[platform]), names, pins.get(platform))
        for platform in platforms
        if platform in known.platforms
    }
