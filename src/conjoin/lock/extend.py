"""A request on top of a locked environment (``--using``): what it takes over from there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from conjoin.errors import UsageError
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.spec.canonical import from_canonical
from conjoin.spec.requirements import PypiRequirement, PythonSource, Requirements

__all__ = ["extended", "missing_pins"]


def extended(requirements: Requirements, base: Lock) -> Requirements:
    """Return ``requirements`` as a request on top of ``base``, with whose identity they are bound up.

    What the base was resolved with goes on to hold: its channels and indexes come after those that the
    request itself names, and its constraints, overrides, binary and pre-release rules, priority, strategy and
    cut-off date apply where the request says nothing else. What it asked for is not asked again: its packages
    are given.

    :raises UsageError: where the request sets a virtual package that the base assumed to be another.
    """
    before = from_canonical(base.requirements)
    named = sorted({item.channel for item in requirements.conda if item.channel})
    channels = _joined(requirements.named_channels, before.channels, named)
    aliases = {**dict(requirements.channel_aliases), **dict(before.channel_aliases)}
    flexible = named and before.channel_priority == "strict"
    priority = "flexible" if flexible else before.channel_priority
    return replace(
        requirements,
        base=f"{base.req_id}:{base.full_id}",
        constraints=tuple(sorted({*requirements.constraints, *before.constraints})),
        overrides=_overrides(requirements.overrides, before.overrides),
        channels=channels,
        channel_aliases=tuple(sorted((name, urls) for name, urls in aliases.items() if name in channels)),
        channels_given=True,
        channel_priority=(
            requirements.channel_priority if requirements.channel_priority != "strict" else priority
        ),
        # None at all is what `--no-index` asks for.
        indexes=_joined(requirements.named_indexes, before.indexes) if requirements.indexes else (),
        find_links=_joined(requirements.find_links, before.find_links),
        prereleases=requirements.prereleases or before.prereleases,
        only_binary=tuple(sorted({*requirements.only_binary, *before.only_binary})),
        no_binary=tuple(sorted({*requirements.no_binary, *before.no_binary})),
        strategy=requirements.strategy if requirements.strategy != "highest" else before.strategy,
        same_versions=requirements.same_versions or before.same_versions,
        prefer_conda=requirements.prefer_conda or before.prefer_conda,
        exclude_newer=requirements.exclude_newer or before.exclude_newer,
        virtual_packages=_virtual_packages(requirements, base),
        python_source=_python_source(requirements, base),
    )


def missing_pins(base: LockedPlatform, made: LockedPlatform) -> list[str]:
    """Return the files of ``base`` that ``made`` does not have, exactly; none if every pin was kept."""
    there = {_identity(package) for package in made.packages}
    return [package.file for package in base.packages if _identity(package) not in there]


def _identity(package: LockedPackage) -> tuple[str, ...]:
    return package.kind, package.name, package.version, package.build, package.file, package.sha256


def _joined(*lists: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for listed in lists for item in listed))


def _overrides(
    asked: Iterable[PypiRequirement], before: Iterable[PypiRequirement]
) -> tuple[PypiRequirement, ...]:
    mine = tuple(asked)
    names = {item.name for item in mine}
    return tuple(sorted({*mine, *(item for item in before if item.name not in names)}))


def _virtual_packages(requirements: Requirements, base: Lock) -> tuple[tuple[str, str], ...]:
    for platform, locked in base.platforms.items():
        for name, text in requirements.virtual_packages:
            assumed = locked.virtual_packages.get(name, text)
            if assumed != text:
                raise UsageError(
                    f"{name}={text} is asked for, and the environment to be extended was resolved for"
                    f" {name}={assumed} ({platform})",
                    advice=f"drop --virtual-package {name}, or resolve that environment again with it",
                )
    asked = dict(requirements.virtual_packages)
    before = dict(from_canonical(base.requirements).virtual_packages)
    return tuple(sorted({**before, **asked}.items()))


def _python_source(requirements: Requirements, base: Lock) -> PythonSource:
    pythons = {
        package.kind
        for locked in base.platforms.values()
        for package in locked.packages
        if package.name == "python" and package.kind != "pypi"
    }
    if not pythons:
        return requirements.python_source
    return "host" if "python" in pythons else "channel"
