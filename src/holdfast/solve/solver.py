"""py-rattler's solver, with the channels, virtual packages and options of one platform filled in."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.errors import HoldfastError, NoSolution, UsageError
from holdfast.index.conda import CondaChannels, channel_error
from holdfast.solve.bounds import Bounds
from holdfast.solve.conflict import LONGEST_TEXT, MOST_VERSIONS, Newest, WayOut
from holdfast.solve.encoding import is_solver_name
from holdfast.solve.movement import Steering
from holdfast.solve.pins import Pins
from holdfast.spec.requirements import CondaRequirement, Requirements, Strategy

if TYPE_CHECKING:
    from rattler import ChannelPriority, GenericVirtualPackage, MatchSpec, PackageName, RepoDataRecord, Subdir
    from rattler.repo_data.source import RepoDataSource

__all__ = ["CondaSolver", "Unsatisfiable"]

_TIMEOUT = timedelta(seconds=120)
"""For one round; real requests take well under a second."""


class Unsatisfiable(Exception):
    """The solver found that nothing satisfies the specs.

    :param reasons: its explanation, a tree of text lines.
    :param account: asks it for them, where they are not known yet.
    """

    def __init__(self, reasons: str = "", account: Callable[[], Awaitable[str]] | None = None) -> None:
        super().__init__(reasons)
        self._reasons = reasons
        self._account = account

    async def reasons(self) -> str:
        """Return the solver's explanation."""
        if self._account is not None:
            self._reasons, self._account = await self._account(), None
        return self._reasons


class CondaSolver:
    """Solves for one platform.

    :param requirements: for the conda side of the request, and the options.
    :param virtual_packages: name to ``version`` or ``version=build``.
    :param python_source: where Python comes from when not from the channels.
    :param pins: packages that are given: they are part of every solution, as they are.
    :param steering: what should stay as it was, None where nothing was.
    :param bounds: where versions have to lie, None where other platforms have no say in it.
    :param conda_bounds: what that means for conda packages, as MatchSpecs.
    """

    def __init__(
        self,
        requirements: Requirements,
        channels: CondaChannels | None,
        platform: str,
        virtual_packages: Mapping[str, str],
        *,
        python_source: RepoDataSource | None = None,
        pins: Pins | None = None,
        steering: Steering | None = None,
        bounds: Bounds | None = None,
        conda_bounds: Sequence[str] = (),
    ) -> None:
        self._requirements = requirements
        self._channels = channels
        self._platform = platform
        self._virtual_packages = dict(virtual_packages)
        self._python_source = python_source
        self._pins = pins
        self.steering = steering
        self.bounds = bounds
        self._conda_bounds = tuple(conda_bounds)
        self._excluded_pythons: list[str] = []

    def conda_specs(self) -> list[str]:
        """Return the conda side of the request, names sorted and Python last.

        The order must not depend on how things were typed: the solver decides in it.
        """
        requirements = sorted(self._requirements.conda)
        specs = [_with_channel(item) for item in requirements if item.name != "python"]
        if self._pins is not None:
            specs += sorted(name for name in self._pins.conda if name != "python")
        specs += [_with_channel(item) for item in requirements if item.name == "python"]
        if self._requirements.python:
            specs.append(f"python {self._requirements.python}")
        elif self._wants_python() and not any(item.name == "python" for item in requirements):
            specs.append("python")
        return specs

    def _wants_python(self) -> bool:
        return bool(self._requirements.pypi) or (self._pins is not None and self._pins.has_python)

    def admitted_pythons(self, records: Sequence[RepoDataRecord]) -> list[RepoDataRecord]:
        """Return the records of ``python`` that the request admits."""
        specs = self._parsed(
            spec
            for spec in self.conda_specs()
            if re.split(r"[ =<>!~\[]", spec.split("::")[-1])[0] == "python"
        )
        return [record for record in records if all(spec.matches(record) for spec in specs)]

    def exclude_python(self, version: str) -> None:
        """Keep a version of Python out of every solution."""
        if version not in self._excluded_pythons:
            self._excluded_pythons.append(version)

    @staticmethod
    def is_ours(record: RepoDataRecord) -> bool:
        """Tell whether a record stands for a PyPI project."""
        return is_solver_name(str(record.name.normalized))

    async def solve(
        self,
        pypi_specs: Sequence[str] = (),
        *,
        source: RepoDataSource | None = None,
        constraints: Sequence[str] = (),
        preferred: Sequence[RepoDataRecord] = (),
    ) -> list[RepoDataRecord]:
        """Solve the conda side of the request, with ``pypi_specs`` out of ``source`` beside it.

        :param preferred: records to keep where possible.
        :raises Unsatisfiable: where nothing satisfies it.
        :raises Unreachable: where a channel or an index cannot be reached.
        """
        options = _Options(tuple(constraints), tuple(preferred), self._requirements.strategy)
        sources = [] if source is None else [source]
        specs = [*self.conda_specs()[:-1], *pypi_specs, *self.conda_specs()[-1:]]
        if not pypi_specs or any("::" in spec for spec in specs):
            return await self._solve(specs, sources, options)
        way_out = WayOut(specs)
        # Under another strategy the way out would be what is preferred: it only tells whether there is one.
        found = await self._solve([WayOut.NAME], [*sources, way_out], replace(options, strategy="highest"))
        if way_out.was_taken(found):
            raise Unsatisfiable(account=lambda: self._account(specs, sources, options))
        if options.strategy == "highest":
            return way_out.without(found)
        return await self._solve(specs, sources, options)

    async def _account(
        self, specs: Sequence[str], sources: Sequence[RepoDataSource], options: _Options
    ) -> str:
        """Return the solver's explanation, of as many versions as it takes no more than a page for."""
        reasons = ""
        for count in range(1, MOST_VERSIONS + 1):
            newest = [Newest(source, count) for source in sources]
            try:
                await self._solve(specs, newest, options)
            except Unsatisfiable as error:
                text = await error.reasons()
                if not reasons or len(text) <= LONGEST_TEXT:
                    reasons = text
                if len(text) > LONGEST_TEXT or not any(source.left_out for source in newest):
                    break
        return reasons

    async def _solve(
        self, specs: Sequence[str], sources: Sequence[RepoDataSource], options: _Options
    ) -> list[RepoDataRecord]:
        from rattler import Gateway, solve
        from rattler.exceptions import SolverError

        constraints, preferred = options.constraints, options.preferred
        extra_sources = [*([self._python_source] if self._python_source else []), *sources]
        guarded = [_Guarded(item) for item in extra_sources]
        parsed = self._parsed([*specs, *self._whole_names(specs)])
        steered = self.steering.conda_bounds() if self.steering else []
        steered = [*steered, *self._conda_bounds]
        bounds = [*constraints, *steered, *(f"python !={version}" for version in self._excluded_pythons)]
        virtual_packages = self._generic_virtual_packages()
        pinned = self._pins.records() if self._pins else []
        given = {record.name.normalized for record in pinned}
        try:
            return await solve(
                [*(self._channels.sources if self._channels else ()), *guarded],
                parsed,
                gateway=self._channels.gateway if self._channels else Gateway(),
                platforms=[self._platform, "noarch"],  # type: ignore[list-item]
                locked_packages=[record for record in preferred if record.name.normalized not in given],
                pinned_packages=pinned,
                virtual_packages=virtual_packages,
                timeout=_TIMEOUT,
                channel_priority=_priority(self._requirements),
                exclude_newer=_cutoff(self._requirements),
                strategy=options.strategy,
                constraints=self._parsed(bounds),
            )
        except SolverError as error:
            _raise_first(guarded)
            if "cancelled" in str(error).lower():
                raise NoSolution(
                    f"the solver gave up after {_TIMEOUT.total_seconds():.0f} s",
                    advice="narrow the request: name versions, or fewer packages at once",
                ) from error
            raise Unsatisfiable(str(error)) from error
        except HoldfastError:
            raise
        except Exception as error:
            _raise_first(guarded)
            raise channel_error(error) from error

    def _whole_names(self, specs: Sequence[str]) -> list[str]:
        """Return the bare names that specs narrow down, where a strict priority has to see all of a name.

        Of what is asked for directly py-rattler shows its solver the matching records alone. A channel whose
        records of a name all fail to match would look like one without that name, and hide nothing.
        """
        several = self._channels is not None and len(self._channels.channels) > 1
        if not several or self._requirements.channel_priority != "strict" or any("::" in s for s in specs):
            return []
        names = dict.fromkeys(spec.partition(" ")[0] for spec in specs if " " in spec)
        return [name for name in names if "[" not in name and not is_solver_name(name)]

    def _parsed(self, specs: Iterable[str]) -> list[MatchSpec]:
        from rattler import MatchSpec
        from rattler.exceptions import InvalidMatchSpecError

        spec = ""
        try:
            return [MatchSpec(spec := text, strict=False) for text in specs]
        except InvalidMatchSpecError as error:
            raise UsageError(f"{spec!r} is not a conda requirement: {error}") from error

    def _generic_virtual_packages(self) -> list[GenericVirtualPackage]:
        from rattler import GenericVirtualPackage, PackageName, Version
        from rattler.package import BuildString

        found = []
        for name, text in sorted(self._virtual_packages.items()):
            version, _, build = text.partition("=")
            try:
                package = GenericVirtualPackage(
                    PackageName(name), Version(version or "0"), BuildString(build or "0")
                )
            except Exception as error:  # rattler raises a class of its own per part
                raise UsageError(
                    f"{name}={text} is not a virtual package: {error}",
                    advice="write __cuda=12.4 or __archspec=1=x86_64",
                ) from error
            found.append(package)
        return found


@dataclass(frozen=True, slots=True)
class _Options:
    """What else bears on one round; see :meth:`CondaSolver.solve`."""

    constraints: tuple[str, ...]
    preferred: tuple[RepoDataRecord, ...]
    strategy: Strategy


class _Guarded:
    """A record source that remembers its first error: py-rattler turns errors into text."""

    def __init__(self, source: RepoDataSource) -> None:
        self._source = source
        self.error: Exception | None = None

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        try:
            return await self._source.fetch_package_records(platform, name)
        except Exception as error:
            self.error = self.error or error
            raise

    def package_names(self, platform: Subdir) -> list[str]:
        return self._source.package_names(platform)


def _raise_first(sources: Sequence[_Guarded]) -> None:
    for source in sources:
        if source.error is not None:
            raise source.error


def _with_channel(requirement: CondaRequirement) -> str:
    spec = requirement.match_spec()
    return f"{requirement.channel}::{spec}" if requirement.channel else spec


def _priority(requirements: Requirements) -> ChannelPriority:
    from rattler import ChannelPriority

    if requirements.channel_priority == "disabled":
        return ChannelPriority.Disabled
    # A channel named for one package only (`channel::name`) must not hide the others.
    if requirements.channel_priority == "flexible" or any(item.channel for item in requirements.conda):
        return ChannelPriority.Flexible
    return ChannelPriority.Strict


def _cutoff(requirements: Requirements) -> datetime | None:
    if not requirements.exclude_newer:
        return None
    return datetime.fromisoformat(requirements.exclude_newer.replace("Z", "+00:00"))
