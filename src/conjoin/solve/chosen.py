"""A solver's answer, read back as packages: conda records, and wheels with their extras and hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace
from packaging.version import Version

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.index.conda import record_document
from conjoin.index.pypi.project import IndexFile, Sdist, Wheel
from conjoin.net.urls import without_secrets
from conjoin.solve.candidates.encoding import Answer, Meaning
from conjoin.solve.candidates.metadata import Dependency
from conjoin.solve.candidates.ownership import Ownership
from conjoin.solve.candidates.project_candidates import Candidate
from conjoin.solve.host_python import HostPythonSource
from conjoin.solve.preferences.pins import Pins
from conjoin.solve.search.provider import PypiProvider
from conjoin.solve.solution import (
    BuiltFrom,
    ChosenConda,
    ChosenWheel,
    PlatformSolution,
    SolveStatistics,
)
from conjoin.spec.names import CondaName, PypiName

if TYPE_CHECKING:
    from conjoin.build.built_wheels import BuiltWheel

__all__ = ["assemble"]


async def assemble(
    answer: Answer,
    provider: PypiProvider | None,
    ownership: Ownership,
    indexes: BuildingIndexes,
    *,
    platform: str,
    virtual_packages: dict[str, str],
    host: HostPythonSource | None,
    pins: Pins | None = None,
    former: PlatformSolution | None = None,
) -> PlatformSolution:
    """Return the decision that a solver's answer stands for, every package with its hash.

    :param pins: packages that were given, and are returned as they are.
    :param former: what was decided before: what stayed of it is returned as it was.
    :raises Unreachable: where a hash has to be made and the file cannot be fetched.
    """
    warnings: list[str] = []
    wheels = await _wheels(answer.pypi, provider, indexes, warnings)
    warnings.extend(indexes.warnings)
    conda: list[ChosenConda] = []
    python = None
    if host is not None:
        record = next(item for item in answer.conda if item.name.normalized == "python")
        python = host.interpreter(str(record.version), str(record.build))
    else:
        conda = await _conda(
            answer, ownership, indexes, [each for each in (pins and pins.solution, former) if each]
        )
    _check_owners(conda, wheels)
    return PlatformSolution(
        platform,
        virtual_packages,
        tuple(conda),
        tuple(wheels),
        python,
        tuple(warnings),
        SolveStatistics(rounds=answer.rounds),
    )


async def _conda(
    answer: Answer, ownership: Ownership, indexes: BuildingIndexes, earlier: Iterable[PlatformSolution]
) -> list[ChosenConda]:
    known = {each.document["url"]: each for solution in earlier for each in solution.conda}
    names = [CondaName(record.name.normalized) for record in answer.conda]
    provided = await ownership.provided(names)
    chosen = []
    for name, record in sorted(zip(names, answer.conda, strict=True), key=lambda pair: pair[0]):
        if record.url in known:
            # The solver was shown it as the lock has it, which is all that the solver needs.
            chosen.append(known[record.url])
            continue
        document = record_document(record)
        if not document.get("sha256"):
            # Old channels announce md5 alone; a lock holds sha256.
            file = IndexFile(filename=document["fn"], url=document["url"], version=Version("0"))
            document["sha256"], document["size"] = await indexes.hash_of(file)
        main = provided[name].main if name in provided else None
        chosen.append(ChosenConda(name, document, (main,) if main else ()))
    return chosen


async def _wheels(
    meanings: Iterable[Meaning], provider: PypiProvider | None, indexes: BuildingIndexes, warnings: list[str]
) -> list[ChosenWheel]:
    by_project: dict[PypiName, list[Meaning]] = {}
    for meaning in meanings:
        by_project.setdefault(meaning.chosen.project, []).append(meaning)
    chosen: list[Awaitable[ChosenWheel]] = []
    ready: list[ChosenWheel] = []
    for name, parts in sorted(by_project.items()):
        assert provider is not None
        candidate = next((part.chosen for part in parts if isinstance(part.chosen, Candidate)), None)
        file = candidate.file if candidate else next((p.chosen.file for p in parts if p.chosen.file), None)
        known = provider.metadata.known(file) if file else None
        if known is None:
            assert candidate is None, f"{name} was chosen unread"
            continue  # a bridge nobody asked an extra of
        extras = sorted({part.extra for part in parts if part.extra})
        warnings.extend(
            f"{name} {known.metadata.version} has no extra {extra!r}"
            for extra in extras
            if not known.mentions_extra(extra)
        )
        declared = tuple(extra for extra in extras if known.mentions_extra(extra))
        needs = {_applied(need) for part in parts for need in part.dependencies}
        if candidate is not None and provider.pins is not None and name in provider.pins.wheels:
            ready.append(_grown(provider.pins.wheels[name], declared, needs))
        elif candidate is not None:
            found = ChosenWheel(
                name,
                _wheel(candidate.file, provider),
                "",
                0,
                declared,
                tuple(sorted(needs)),
                known.metadata.requires_python,
                direct=candidate.direct,
            )
            built = provider.metadata.built.get(candidate.file.url)
            if built is None and (known_hash := indexes.hash_at_hand(found.wheel)):
                ready.append(replace(found, sha256=known_hash[0], size=known_hash[1]))
            else:
                chosen.append(_hashed(found, built, candidate.file.url, indexes))
    return sorted([*ready, *await asyncio.gather(*chosen)], key=lambda wheel: wheel.name)


def _grown(wheel: ChosenWheel, extras: Iterable[str], needs: Iterable[str]) -> ChosenWheel:
    """Return a pinned wheel, of which more extras may have been asked for."""
    return replace(
        wheel,
        extras=tuple(sorted({*wheel.extras, *extras})),
        dependencies=tuple(sorted({*wheel.dependencies, *needs})),
    )


def _applied(need: Dependency) -> str:
    """Return a dependency as it applies here: without its marker, and without a login."""
    if need.url:
        return f"{need.name} @ {without_secrets(need.url)}"
    return need.text.partition(";")[0].rstrip()


def _wheel(file: Wheel | Sdist, provider: PypiProvider) -> Wheel:
    if isinstance(file, Wheel):
        return file
    built = provider.metadata.built[file.url]
    return Wheel(filename=built.path.name, url="", version=built.metadata.version, tags=built.tags)


async def _hashed(
    chosen: ChosenWheel, built: BuiltWheel | None, url: str, indexes: BuildingIndexes
) -> ChosenWheel:
    if built is not None:
        source = BuiltFrom(
            url,
            built.source_sha256,
            built.path,
            built.build_key,
            built.editable,
            built.build_request,
            built.built_with,
        )
        return replace(chosen, sha256=built.sha256, size=built.size, source=source)
    sha256, size = await indexes.hash_of(chosen.wheel)
    return replace(chosen, sha256=sha256, size=size)


def _check_owners(conda: Iterable[ChosenConda], wheels: Iterable[ChosenWheel]) -> None:
    """Hold the promise of exclusive ownership, whatever the encoding did."""
    owned = {project: package.name for package in conda for project in package.provides}
    twice = [f"{wheel.name} (conda's {owned[wheel.name]})" for wheel in wheels if wheel.name in owned]
    assert not twice, f"two owners for {', '.join(twice)}"
