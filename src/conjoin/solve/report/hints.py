"""What channels and indexes know of a requirement that nothing meets: near names, versions, other places.

It is asked only once there is no solution, so a few requests more do no harm. Whatever cannot be learned is
not said: an explanation never fails.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.errors import ConjoinError
from conjoin.index.conda import CondaChannels
from conjoin.index.mapping import Mapping as NameMapping
from conjoin.net.urls import without_secrets
from conjoin.solve.report.causes import Cause, asked_otherwise, said_by, versions_in
from conjoin.solve.report.derivation import Demand
from conjoin.solve.report.format import Explanation
from conjoin.solve.report.unsat_core import UnsatCore, parsed_or_none
from conjoin.spec.names import CondaName, PypiName, pypi_name
from conjoin.spec.platform import PLATFORMS
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Surroundings", "with_hints"]

_SECONDS = 20.0
"""For all questions together."""
_NEAR = 3
_CUTOFF = 0.75
_LONGEST_NAME = 100
_OF_ONE_SYSTEM = ("__osx", "__win", "__linux", "__unix")


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Where to ask.

    :ivar channels: None where no channel takes part.
    :ivar index_at: makes the index at one URL alone, for asking those that came too late.
    """

    requirements: Requirements
    platform: str
    virtual_packages: Mapping[str, str]
    channels: CondaChannels | None
    indexes: BuildingIndexes
    index_at: Callable[[str], BuildingIndexes]
    mapping: NameMapping


async def with_hints(error: Explanation, around: Surroundings) -> Explanation:
    """Return an explanation that says more of the first requirement that nothing meets."""
    if not error.absent:
        return error
    from rattler.exceptions import GatewayError

    try:
        hint = await asyncio.wait_for(_hint(error.absent[0], error.core, around), _SECONDS)
    except (ConjoinError, GatewayError, asyncio.TimeoutError):
        return error
    return error.told((hint.text, *error.causes[1:]), hint.advice) if hint else error


async def _hint(demand: Demand, core: UnsatCore | None, around: Surroundings) -> Cause | None:
    if demand.side == "pypi":
        project = await around.indexes.project(PypiName(demand.name))
        return await (_later_index if project.releases else _no_project)(demand, around)
    if demand.name.startswith("__"):
        return _virtual_package(demand, around)
    if around.channels is None:
        return None
    name = CondaName(demand.name)
    records = (await around.channels.records([name]))[name]
    if not records:
        return await _no_conda_package(demand, around)
    return _other_records(demand, records) or (
        asked_otherwise(demand, core, around.requirements) if core else None
    )


def _virtual_package(demand: Demand, around: Surroundings) -> Cause:
    name = demand.name
    assumed = around.virtual_packages.get(name)
    if assumed is None and name in _OF_ONE_SYSTEM:
        text = f"{said_by(demand)} {demand.what}: it is not for {around.platform}"
        return Cause(text, f"ask for another package on {around.platform}, or leave that platform out")
    there = f"{name} {assumed} is" if assumed is not None else f"no {name} is"
    wanted = f"{name}={next(iter(versions_in(demand.spec)), '0')}"
    text = f"{said_by(demand)} {demand.what}, and {there} assumed for {around.platform}"
    return Cause(text, f"if every machine it will run on has it, say --virtual-package {wanted}")


async def _no_conda_package(demand: Demand, around: Surroundings) -> Cause:
    assert around.channels is not None
    name = demand.name
    searched = ", ".join(around.requirements.channels)
    text = f"no channel has a package {name}" + (f", which {_needing(demand)} needs" if demand.who else "")
    others = await around.channels.platforms_of(CondaName(name), PLATFORMS)
    if others:
        return Cause(f"{text} for {around.platform}, only for {', '.join(others)}", "leave that platform out")
    near = _near(name, await around.channels.names())
    there = not demand.who and await _has_project(name, around)
    if near:
        # A slip of the finger often is somebody's PyPI project: that one comes second.
        more = f" (PyPI has a project {name}: --pypi {name})" if there else ""
        return Cause(text, f"did you mean {' or '.join(near)}?{more} (searched: {searched})")
    if there:
        return Cause(f"{text}, but there is a PyPI project of that name", f"ask for it with --pypi {name}")
    return Cause(text, f"check the name, or name the channel that has it with -c (searched: {searched})")


def _other_records(demand: Demand, records: Sequence[RepoDataRecord]) -> Cause | None:
    """Return what channels have of a package in place of what is asked for; None where they have that."""
    name, said = demand.name, said_by(demand)
    spec = parsed_or_none(demand.what)
    fitting = [record for record in records if spec and spec.matches(record)]
    if fitting:
        return None if demand.channel else _hidden_by_channel(demand, records, fitting)
    version, _, build = demand.spec.partition(" ")
    newest_first = sorted(records, key=lambda each: each.version, reverse=True)
    built = parsed_or_none(f"{name} {version or '*'}")
    if build and (others := [each for each in newest_first if built and built.matches(each)]):
        builds = list(dict.fromkeys(str(record.build) for record in others))
        text = f"{said} {demand.what}, and no build of {name} {version or ''}".rstrip()
        return Cause(f"{text} is called that", f"there {'is' if len(builds) == 1 else 'are'} {_some(builds)}")
    versions = list(dict.fromkeys(str(each.version) for each in newest_first))
    if _is_too_low(version, versions):
        text = f"{said} {demand.what}, and the oldest of {len(versions)} versions of {name} on the"
        return Cause(f"{text} channels is {versions[-1]}", f"there are {_some(versions[::-1])}")
    only = "the only version" if len(versions) == 1 else f"the newest of {len(versions)} versions"
    return Cause(
        f"{said} {demand.what}, and {only} of {name} on the channels is {versions[0]}",
        f"there are {_some(versions)}" if len(versions) > 1 else None,
    )


def _is_too_low(wanted: str, newest_first: Sequence[str]) -> bool:
    """Tell whether a version expression speaks of versions below all there are."""
    from rattler import Version
    from rattler.exceptions import InvalidVersionError

    bounds = versions_in(wanted)
    if len(newest_first) == 1 or not bounds:
        return False
    try:
        return all(Version(bound) <= Version(newest_first[-1]) for bound in bounds)
    except InvalidVersionError:
        return False


def _hidden_by_channel(
    demand: Demand, records: Sequence[RepoDataRecord], fitting: Sequence[RepoDataRecord]
) -> Cause | None:
    first, theirs = _channel(records[0]), _channel(fitting[0])
    if first == theirs or any(_channel(record) == first for record in fitting):
        return None
    newest = max(fitting, key=lambda each: each.version)
    return Cause(
        f"{said_by(demand)} {demand.what}: {theirs} has {newest.version}, but {first} has {demand.name} too"
        " and comes first, which hides all others (strict channel priority)",
        f"--channel-priority flexible, or ask for {theirs}::{demand.name}",
    )


async def _no_project(demand: Demand, around: Surroundings) -> Cause | None:
    name = demand.name
    text = f"no project {name} on {', '.join(around.requirements.indexes) or 'any index'}"
    if demand.who:
        text = f"{text}, which {_needing(demand)} needs"
    known = {*_popular(), *(each for names in around.mapping.shipped.values() for each in names)}
    if around.channels is not None:
        if (await around.channels.records([CondaName(name)]))[CondaName(name)]:
            return Cause(
                f"{text}, but there is a conda package of that name", f"ask for it with --conda {name}"
            )
        known.update(await around.channels.names())
    # Names that only the index has are not proposed: near a famous one, they are as often as not a trap.
    near = [each for each in _near(name, known) if await _has_project(each, around)]
    if near:
        return Cause(text, f"did you mean {' or '.join(near)}?")
    return Cause(text, "check the name, or name the index that has it with --extra-index-url")


async def _later_index(demand: Demand, around: Surroundings) -> Cause | None:
    """Tell of a version on an index that was not asked, since one before it has the project."""
    name = PypiName(demand.name)
    used = (await around.indexes.project(name)).index
    for url in around.requirements.indexes:
        if url.rstrip("/") == used.rstrip("/"):
            continue
        there = around.index_at(url)
        try:
            versions = set((await there.project(name)).releases)
        finally:
            await there.aclose()
        fitting = [each for each in versions if _accepts(demand, str(each))]
        if fitting:
            return Cause(
                f"{said_by(demand)} {demand.what}: {without_secrets(url)} has {max(fitting)}, but"
                f" {without_secrets(used)} has {name} too and comes first, so it alone counts (the guard"
                " against dependency confusion)",
                f"put the index you trust for {name} first, or name the file by its URL",
            )
    return None


def _popular() -> set[str]:
    """Return PyPI projects that many people ask for."""
    text = files("conjoin.solve.report").joinpath("popular.txt").read_text(encoding="utf-8")
    return {name for line in text.splitlines() if not line.startswith("#") for name in line.split()}


def _accepts(demand: Demand, version: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(demand.what).specifier.contains(version, prereleases=True)
    except InvalidRequirement:
        return False


async def _has_project(name: str, around: Surroundings) -> bool:
    return bool((await around.indexes.project(pypi_name(name))).releases)


def _near(name: str, known: Sequence[str] | set[str]) -> list[str]:
    if len(name) > _LONGEST_NAME:
        return []
    return difflib.get_close_matches(name, sorted(set(known) - {name}), n=_NEAR, cutoff=_CUTOFF)


def _needing(demand: Demand) -> str:
    return said_by(demand).removesuffix(" needs")


def _some(texts: Sequence[str]) -> str:
    most = 5
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _channel(record: RepoDataRecord) -> str:
    return without_secrets(str(record.channel)).rstrip("/")
