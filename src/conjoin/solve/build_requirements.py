"""Build requirements, solved like anything else: what builds a source is decided before the build."""

from __future__ import annotations

import platform as host
from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as replace_struct

from conjoin.build.requires import BuildTool
from conjoin.index.interpreters import HostPython
from conjoin.solve.one_platform import PlatformRequest
from conjoin.solve.search.conda_side import Unsatisfiable
from conjoin.solve.solution import ChosenPython
from conjoin.spec.platform import default_virtual_packages, host_platform
from conjoin.spec.requirements import Requirements
from conjoin.spec.syntax.pypi_requirement import pypi_requirement

__all__ = ["BuildRequirements"]


class BuildRequirements:
    """Decides which wheels satisfy build requirements, for interpreters of this host.

    From the same indexes, find-links, uploads and credentials as the request that builds are made for. Of its
    other wishes, what it says of single projects' files holds here as well; its constraints, overrides and
    strategy are about what is installed.

    :param request: any of that request's.
    """

    def __init__(self, request: PlatformRequest) -> None:
        self._request = request
        self._decided: dict[tuple[tuple[str, ...], HostPython], Sequence[BuildTool]] = {}

    async def decide(self, requires: Sequence[str], interpreter: HostPython) -> Sequence[BuildTool]:
        """Return the wheels to build with.

        :raises NoSolution: where nothing satisfies the requirements.
        :raises Unreachable: where an index cannot be asked.
        """
        # Only what is finished is shared: of builds that wait for each other, each has to be known to wait.
        key = tuple(sorted(set(requires))), interpreter
        if key not in self._decided:
            self._decided[key] = await self._decide(*key)
        return self._decided[key]

    async def _decide(self, requires: Sequence[str], interpreter: HostPython) -> Sequence[BuildTool]:
        python = ChosenPython(interpreter.implementation, str(interpreter.version), interpreter.abi)
        asked = _asked(self._request.requirements, requires)
        try:
            answer = await self._request.on_this_host(asked, python).decide()
        except Unsatisfiable as error:
            from conjoin.solve.report.format import explain

            raise await explain(error) from error
        return [
            BuildTool(
                wheel.name,
                replace_struct(wheel.wheel, sha256=wheel.sha256),
                wheel.source.path if wheel.source else None,
            )
            for wheel in answer.solution.wheels
        ]


def _asked(request: Requirements, requires: Sequence[str]) -> Requirements:
    """Return build requirements as a request beside another one."""
    return replace(
        request,
        conda=(),
        pypi=tuple(sorted({pypi_requirement(text) for text in requires})),
        python="",
        constraints=(),
        overrides=(),
        prereleases=False,
        # `:all:` is about what is installed: a build backend built by itself would never be there.
        no_binary=tuple(name for name in request.no_binary if name != ":all:"),
        strategy="highest",
        same_versions=False,
        prefer_conda=False,
        virtual_packages=_oldest_glibc(),
        base="",
        python_source="host",
    )


def _oldest_glibc() -> tuple[tuple[str, str], ...]:
    """Return this host's glibc where it is older than a target's: what is built with runs here."""
    kind, version = host.libc_ver()
    assumed = default_virtual_packages(host_platform()).get("__glibc")
    if kind != "glibc" or assumed is None or _release(version) >= _release(assumed):
        return ()
    return (("__glibc", version),)


def _release(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:2] if part.isdigit()]
