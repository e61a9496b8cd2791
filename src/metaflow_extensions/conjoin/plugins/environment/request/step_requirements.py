"""From what a step asks for to :class:`conjoin.Requirements`.

A decorator, a file and a command line that ask for the same thing get the same ``req_id``, because all of
them end here or in :func:`conjoin.spec.build.build_requirements`, which this calls.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from metaflow_extensions.conjoin.config.settings import engine_settings, system_packages
from metaflow_extensions.conjoin.errors import EnvironmentProblem
from metaflow_extensions.conjoin.plugins.environment.request.ask import (
    Ask,
    conda_key,
    is_direct,
    is_location,
    pypi_key,
    with_operator,
)
from metaflow_extensions.conjoin.plugins.environment.request.metaflow_libraries import metaflow_libraries
from metaflow_extensions.conjoin.plugins.environment.request.step_request import StepRequest

if TYPE_CHECKING:
    from conjoin.lock.model import Lock
    from conjoin.spec.partial_requirements import PartialRequirements
    from conjoin.spec.requirements import Requirements

__all__ = [
    "conda_text",
    "launcher_python",
    "pypi_text",
    "requirements_of",
    "target_platform",
    "with_metaflow",
]


def requirements_of(request: StepRequest, base: Lock | None = None) -> Requirements:
    """Return the requirements of a step, Metaflow's own libraries among them.

    :param base: the environment that is extended: it decides on Python, and what it has is not asked again.
    :raises EnvironmentProblem: where the step asks for something that cannot be understood.
    """
    ask = request.ask
    has = _names_in(base, target_platform(request)) if base else frozenset()
    conda, pypi = with_metaflow(ask.conda, ask.pypi, request.datastore, has)
    conda_texts = [conda_text(name, version) for name, version in conda.items()]
    python = ask.python or ("" if base else launcher_python())
    if python.endswith("t") and python[:1].isdigit():
        # Metaflow's spelling of a free-threaded Python; conda has a package that asks for it.
        python = python[:-1]
        conda_texts.append("python-freethreading")
    system = {**system_packages(target_platform(request), request.gpu), **ask.system}
    return _build(
        ask,
        "step " + request.step,
        conda=conda_texts,
        pypi=[pypi_text(name, version) for name, version in pypi.items()],
        python=python,
        extra_index_urls=ask.indexes,
        virtual_packages=[f"{name}={version}" for name, version in system.items()],
        base=f"{base.req_id}:{base.full_id}" if base else None,
    )


def with_metaflow(
    conda: dict[str, str],
    pypi: dict[str, str],
    datastore_type: str,
    has: frozenset[str] = frozenset(),
) -> tuple[dict[str, str], dict[str, str]]:
    """Return conda and PyPI packages with the libraries that Metaflow needs.

    They come from PyPI if anything does, else from conda; a library that is asked for already, on either
    side, stays as it is asked for.

    :param has: names of what the environment has anyway.
    """
    there = {conda_key(name) for name in conda} | {pypi_key(name) for name in pypi} | has
    added = {name: v for name, v in metaflow_libraries(datastore_type).items() if name not in there}
    return (conda, {**pypi, **added}) if pypi else ({**conda, **added}, pypi)


def target_platform(request: StepRequest) -> str:
    """Return the platform that a step's environment is for, in conda's words."""
    if request.remote_platform is not None:
        return request.remote_platform
    from conjoin.spec.platform import host_platform

    return host_platform()


def launcher_python() -> str:
    """Return the Python of steps that say nothing: as that of the launcher, whatever its patch release."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def conda_text(name: str, version: str) -> str:
    """Return a conda requirement of a decorator's ``packages`` as the command line takes it."""
    return name + with_operator(version) if version and version != "*" else name


def pypi_text(name: str, version: str) -> str:
    """Return a PyPI requirement of a decorator's ``packages`` as the command line takes it (PEP 508).

    The version may be a URL or path instead, or the name may be one, or have one behind ``@``; a version may
    have a marker behind ``;``, as Metaflow's and Netflix's parsers of files write them.
    """
    if is_location(version):
        return f"{name} @ {version.lstrip('@ ')}"
    version, _, marker = (part.strip() for part in version.partition(";"))
    behind = f" ; {marker}" if marker else ""
    if not version or version == "*":
        if is_location(name) and not is_direct(name):
            from conjoin.spec.syntax.pypi_requirement import requirement_of_url

            return str(requirement_of_url(name)) + behind
        return name + behind
    return name + with_operator(version) + behind


def _names_in(lock: Lock, platform: str) -> frozenset[str]:
    locked = lock.platforms.get(platform)
    return frozenset(package.name for package in locked.packages) if locked else frozenset()


def _build(ask: Ask, where: str, **texts: Any) -> Requirements:
    from conjoin.errors import ConjoinError
    from conjoin.spec.build import build_requirements

    settings = engine_settings()
    try:
        if ask.channels:
            # A decorator's channels are searched first, not alone: that is what flows have always meant.
            texts["channels"] = [*ask.channels, *build_requirements(settings=settings).channels]
        return build_requirements(sources=_options(ask), settings=settings, **texts)
    except ConjoinError as error:
        raise EnvironmentProblem(f"{where}: {error}") from None


def _options(ask: Ask) -> list[PartialRequirements]:
    """Return what pip's options among the attributes ask for."""
    if not ask.pip_options:
        return []
    from conjoin.spec.readers.requirements_txt import RequirementLines
    from conjoin.spec.requirements_parser import RequirementsParser

    into = RequirementsParser()
    lines = RequirementLines(into)
    for option in ask.pip_options:
        lines.line("--" + option.lstrip("-"))
    return [into.parsed(), *lines.nested]
