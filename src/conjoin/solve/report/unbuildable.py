"""What was asked for and cannot be had: found out first, and told without a look at the rest.

Sources are read last, for that may take a build. Those that would be built in vain (see
:mod:`conjoin.solve.candidates.foreign_builds`) take none, and hundreds of other packages need not be looked
at before.
"""

from __future__ import annotations

from dataclasses import replace

from conjoin.index.pypi.project import Sdist
from conjoin.solve.candidates.foreign_builds import ForeignBuilds
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.requirements import PypiRequirement, Requirements

__all__ = ["asked_in_vain"]


async def asked_in_vain(
    asked: Requirements, provider: PypiProvider, builds: ForeignBuilds
) -> Requirements | None:
    """Return the request without those of its PyPI requirements that something may meet.

    Where a single requirement cannot be met, all of them cannot, and the reason is that of the one.

    :returns: None where something may meet each of them.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    if provider.pins is not None:
        return None
    overridden = {item.name for item in asked.overrides}
    wanted = [item for item in asked.pypi if not item.url and not item.marker and item.name not in overridden]
    await provider.projects.get_all(item.name for item in wanted)
    in_vain = [item for item in wanted if await _is_in_vain(item, provider, builds)]
    return replace(asked, pypi=tuple(in_vain)) if in_vain else None


async def _is_in_vain(item: PypiRequirement, provider: PypiProvider, builds: ForeignBuilds) -> bool:
    """Tell whether there are sources alone, all to be built in vain; each is refused with the reason."""
    pool = await provider.projects.get(item.name)
    allowed = pool.ordinals.allowed(item.specifier)
    if not pool.has_unbuilt or pool.bridges or next(pool.downwards(allowed), None) is not None:
        return False
    await provider.specs.specs(item)  # lets its sources take part
    for candidate in pool.downwards(allowed):
        if not isinstance(candidate.file, Sdist) or not await builds.is_in_vain(candidate.file, item.name):
            return False
        await provider.learn([candidate])
    return pool.is_exhausted(item.specifier)
