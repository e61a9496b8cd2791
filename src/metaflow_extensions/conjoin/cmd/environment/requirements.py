"""What ``metaflow environment resolve`` is asked for: as a flow that asks for the same, with the same id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple, Sequence

from metaflow_extensions.conjoin.config.settings import engine_settings, system_packages
from metaflow_extensions.conjoin.plugins.environment.request.metaflow_libraries import metaflow_libraries
from metaflow_extensions.conjoin.plugins.environment.request.step_requirements import (
    conda_text,
    launcher_python,
    pypi_text,
    with_metaflow,
)

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.partial_requirements import PartialRequirements
    from conjoin.spec.requirements import Requirements

__all__ = ["ResolveRequest", "requirements_again", "requirements_of_files"]


class ResolveRequest(NamedTuple):
    """What is asked for.

    :ivar base: the environment to extend.
    :ivar platforms: targets.
    :ivar notes: what was read and left aside, a sentence each.
    """

    requirements: Requirements
    base: Lock | None
    platforms: list[str]
    notes: tuple[str, ...] = ()


def requirements_of_files(
    files: Iterable[tuple[str, str]],
    *,
    python: str | None,
    base: Lock | None,
    platforms: Sequence[str],
    datastore: str,
    metaflow: bool = True,
) -> ResolveRequest:
    """Return what files ask for, Metaflow's own libraries among it.

    :param files: kinds (``environment``, ``requirements``, ``pyproject``) and paths.
    :param python: its version; default: as the files say, that of ``base``, or this interpreter's.
    :param base: the environment that is extended.
    :param metaflow: whether its libraries belong to it.
    :raises conjoin.errors.UsageError: where something cannot be understood.
    """
    from conjoin.spec.build import build_requirements
    from conjoin.spec.partial_requirements import combine
    from conjoin.spec.platform import host_platform
    from conjoin.spec.readers.read_file import read_requirements

    sources = [read_requirements(path, kind) for kind, path in files]  # type: ignore[arg-type]
    asked = combine(sources)
    targets = list(platforms or asked.platforms or (base.platforms if base else ()) or [host_platform()])
    settings = engine_settings()
    texts: dict[str, Any] = {}
    if asked.channels:
        # As those of decorators: searched first, not alone.
        texts["channels"] = [*asked.channels, *build_requirements(settings=settings).channels]
    if metaflow:
        texts.update(_libraries(asked, base, datastore))
    if not python and not asked.python and base is None:
        python = launcher_python()
    requirements = build_requirements(
        sources=sources,
        settings=settings,
        python=python or "",
        virtual_packages=_virtual_packages(targets, asked),
        base=f"{base.req_id}:{base.full_id}" if base else None,
        **texts,
    )
    return ResolveRequest(requirements, base, targets, asked.notes)


def requirements_again(lock: Lock, base: Lock | None, platforms: Sequence[str]) -> ResolveRequest:
    """Return what an environment was resolved from, to resolve it for other platforms or anew.

    :param base: the environment that it extends.
    :raises conjoin.errors.UsageError: where the lock does not say enough.
    """
    from conjoin.errors import UsageError
    from conjoin.spec.build import build_requirements
    from conjoin.spec.canonical import from_canonical

    before = from_canonical(lock.requirements)
    if before.mapping_hash:
        raise UsageError(
            "it was resolved with a mapping of its own, which the environment does not hold",
            advice="resolve its files again: conjoin resolve -f ... --mapping FILE",
        )
    # Of this host: who it is to channels and indexes.
    credentials = build_requirements(settings=engine_settings()).credentials
    requirements = replace(
        before,
        credentials=credentials,
        channels_given=True,
        named_channels=before.channels,
        named_indexes=before.indexes,
    )
    return ResolveRequest(requirements, base, list(platforms or lock.platforms))


def _libraries(asked: PartialRequirements, base: Lock | None, datastore: str) -> dict[str, list[str]]:
    """Return Metaflow's libraries that are missing, on the side where a step's requirements have them."""
    has = (
        frozenset(package.name for one in base.platforms.values() for package in one.packages) if base else ()
    )
    conda = {str(one.name): "" for one in asked.conda}
    pypi = {str(one.name): "" for one in asked.pypi}
    with_conda, with_pypi = with_metaflow(conda, pypi, datastore, frozenset(has))
    versions = metaflow_libraries(datastore)
    return {
        "conda": [conda_text(name, versions[name]) for name in with_conda if name not in conda],
        "pypi": [pypi_text(name, versions[name]) for name in with_pypi if name not in pypi],
    }


def _virtual_packages(platforms: Sequence[str], asked: PartialRequirements) -> list[str]:
    said = {name for name, _ in asked.virtual_packages}
    found: dict[str, str] = {}
    for platform in platforms:
        found = {**system_packages(platform, False), **found}
    return [f"{name}={version}" for name, version in found.items() if name not in said]
