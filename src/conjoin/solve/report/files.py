"""Why no file of a project can be used: each refused, with the reason, and what would help.

What was asked for and cannot be had is found out first, and told without a look at the rest. Sources are read
last, for that may take a build. Those that would be built in vain (see
:mod:`conjoin.solve.candidates.foreign_builds`) take none, and hundreds of other packages need not be looked
at before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from packaging.specifiers import SpecifierSet

from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.solve.candidates.foreign_builds import IN_VAIN, ForeignBuilds
from conjoin.solve.candidates.policy import Refusal
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.requirements import PypiRequirement, Requirements

__all__ = ["advice", "asked_in_vain", "could_be_built", "has_usable", "in_words", "refusals"]

_SHOWN = 3


def has_usable(pool: ProjectCandidates, provider: PypiProvider) -> bool:
    """Tell whether anything of a project could be chosen, whatever its version."""
    return bool(pool.bridges) or any(
        provider.metadata.unusable(candidate.file) is None and provider.metadata.mask(candidate)
        for candidate in pool.downwards(pool.ordinals.allowed(""))
    )


def could_be_built(asked: Requirements, provider: PypiProvider) -> bool:
    """Tell whether source distributions that were left aside could make a request solvable.

    Not where it asks for something of which every file was tried in vain, whatever becomes of the rest.
    """
    pools = provider.projects.loaded()
    if not any(pool.has_unbuilt for pool in pools.values()):
        return False
    overridden = {item.name for item in asked.overrides}
    return not any(
        item.name in pools and pools[item.name].is_exhausted(item.specifier)
        for item in asked.pypi
        if not item.marker and not item.url and item.name not in overridden
    )


def refusals(pool: ProjectCandidates, specifier: str, provider: PypiProvider) -> list[Refusal]:
    """Return why no file within a specifier can be used; nothing where one can."""
    accepted = SpecifierSet(specifier, prereleases=True)
    allowed = pool.ordinals.allowed(specifier)
    found = [refusal for refusal in pool.refusals() if refusal.version in accepted]
    found += [_refusal(file, provider) for file in pool.dropped if file.version in accepted]
    for candidate in pool.downwards(allowed):
        if provider.metadata.unusable(candidate.file) is None and provider.metadata.mask(candidate):
            return []
        found.append(_refusal(candidate.file, provider))
    return [*found, *(provider.compatibility.refusal(wheel) for wheel in pool.misfits(allowed))]


def _refusal(file: Wheel | Sdist, provider: PypiProvider) -> Refusal:
    unusable = provider.metadata.unusable(file)
    known = provider.metadata.known(file)
    if unusable is None and known is not None:
        unusable = f"needs Python {known.metadata.requires_python}"
    return Refusal(file.filename, file.version, unusable or "needs another Python")


def in_words(what: str, refused: Sequence[Refusal]) -> str:
    """Return a sentence with the newest files and why each was refused."""
    if not refused:
        return f"{what} has no file at all"
    shown = _newest(refused)[:_SHOWN]
    reasons = "; ".join(f"{refusal.filename} {refusal.reason.removeprefix('it ')}" for refusal in shown)
    more = f"; and {len(refused) - _SHOWN} files more" if len(refused) > _SHOWN else ""
    return f"{what} has no file that can be used: {reasons}{more}"


def _newest(refused: Sequence[Refusal]) -> list[Refusal]:
    # A file for another system tells nobody anything, as long as there is one for this system.
    return sorted(refused, key=lambda each: (each.version, not _is_elsewhere(each)), reverse=True)


def _is_elsewhere(refusal: Refusal) -> bool:
    return refusal.reason.startswith("is for ") and "Python" not in refusal.reason


def advice(name: str, refused: Sequence[Refusal], requirements: Requirements) -> str | None:
    """Return what would help against the reason of the newest file."""
    if not refused:
        return None
    newest = _newest(refused)[0]
    reason, version = newest.reason, newest.version
    _, needs_glibc, glibc = reason.partition("needs glibc ")
    if needs_glibc:
        least = glibc.partition(",")[0]
        return f"if every machine it will run on has it, say --virtual-package __glibc={least}"
    for sign, text in (
        (
            IN_VAIN,
            f"resolve on a machine of that platform, which can build {name}, or look whether conda has it; "
            f"--no-binary {name} builds it here all the same",
        ),
        ("is a pre-release", f"--pre admits pre-releases of everything, {name}>={version} those of {name}"),
        ("was yanked", f"{name}=={version} takes it all the same; better ask for another release"),
        ("--only-binary", f"leave {name} out of --only-binary, and it is built here"),
        ("--no-binary", f"leave {name} out of --no-binary"),
        (
            "none of the hashes",
            "compare the hash with the index: one of them is wrong, or the file was replaced",
        ),
        ("was uploaded after", f"a later --exclude-newer, or an older release of what needs {name}"),
        ("upload time", "drop --exclude-newer, or use an index that gives upload times (PEP 700)"),
        ("free-threaded", "ask for a Python without the GIL: --conda python-freethreading"),
        ("with musl", "environments are for glibc; ask for a release with manylinux wheels"),
        ("depends on a URL", "ask for that URL yourself, with --pypi"),
        ("Python", _other_python(name, requirements)),
        ("is for ", f"resolve for a platform it has files for, or look whether conda has {name}"),
    ):
        if sign in reason:
            return text
    return f"ask for another release of {name}, or look whether conda has it"


def _other_python(name: str, requirements: Requirements) -> str:
    if requirements.python:
        return (
            f"you asked for Python {requirements.python}: ask for one it takes, or another release of {name}"
        )
    return f"ask for another release of {name}, or a channel with a Python it takes"


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
