"""The conda side of a request, solved for one platform, with PyPI's records beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from conjoin.index.conda import CondaChannels
from conjoin.solve.candidates.encoding import NO_SUCH_SUBDIR, is_solver_name
from conjoin.solve.preferences.bounds import Bounds
from conjoin.solve.preferences.pins import Pins
from conjoin.solve.preferences.update import UpdateSteering
from conjoin.solve.search.resolvo import Question, Resolvo, parsed
from conjoin.solve.search.unsat_probe import WayOut
from conjoin.spec.names import name_of_spec
from conjoin.spec.requirements import CondaRequirement, Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord
    from rattler.repo_data.source import RepoDataSource

    from conjoin.solve.search.provider import PypiProvider

__all__ = ["CondaSolver", "Unsatisfiable"]


class Unsatisfiable(Exception):
    """Nothing satisfies the specs; what was asked, for who wants to find out why.

    :ivar question: that has no answer.
    :ivar resolvo: what was asked.
    :ivar requirements: what of the request the question is about.
    :ivar provider: the PyPI side, None where the conda side alone has no solution.
    """

    def __init__(
        self,
        question: Question,
        resolvo: Resolvo,
        requirements: Requirements,
        provider: PypiProvider | None = None,
    ) -> None:
        super().__init__("nothing satisfies the specs")
        self.question = question
        self.resolvo = resolvo
        self.requirements = requirements
        self.provider = provider

    def beside(self, provider: PypiProvider, requirements: Requirements) -> Unsatisfiable:
        """Return it as that of a request with a PyPI side."""
        return Unsatisfiable(self.question, self.resolvo, requirements, provider)


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
        steering: UpdateSteering | None = None,
        bounds: Bounds | None = None,
        conda_bounds: Sequence[str] = (),
    ) -> None:
        self._requirements = requirements
        self._resolvo = Resolvo(requirements, channels, platform, virtual_packages)
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
        specs = parsed(spec for spec in self.conda_specs() if name_of_spec(spec) == "python")
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
        given = [self._python_source] if self._python_source else []
        specs = [*self.conda_specs()[:-1], *pypi_specs, *self.conda_specs()[-1:]]
        question = Question(
            [*specs, *self._whole_names(specs)],
            [*given, *([source] if source else [])],
            [*constraints, *self._bounds(), *await self._of_subdirs()],
            preferred,
            self._pins.records() if self._pins else (),
            self._requirements.strategy,
        )
        way_out = WayOut(question.strategy)
        found = await self._resolvo.ask(
            replace(question, specs=way_out.specs(question.specs), sources=[*question.sources, way_out])
        )
        if way_out.was_taken(found):
            raise Unsatisfiable(question, self._resolvo, self._requirements)
        return way_out.without(found)

    def _bounds(self) -> list[str]:
        """Return what must hold of conda packages that nobody has asked for."""
        steered = self.steering.conda_bounds() if self.steering else []
        return [*steered, *self._conda_bounds, *(f"python !={version}" for version in self._excluded_pythons)]

    async def _of_subdirs(self) -> list[str]:
        """Return what holds packages to the subdir that was asked for, which py-rattler does not heed."""
        asked = [item for item in self._requirements.conda if item.subdir]
        channels = self._resolvo.channels
        if not asked or channels is None:
            return []
        records = await channels.records(item.name for item in asked)
        bounds = []
        for item in asked:
            builds = sorted({str(each.build) for each in records[item.name] if each.subdir == item.subdir})
            allowed = "|".join(map(re.escape, builds))
            bounds.append(
                f"{item.name}[build='^({allowed})$']" if builds else f"{item.name} {NO_SUCH_SUBDIR}"
            )
        return bounds

    def _whole_names(self, specs: Sequence[str]) -> list[str]:
        """Return the bare names that specs narrow down, where a strict priority has to see all of a name.

        Of what is asked for directly py-rattler shows its solver the matching records alone. A channel whose
        records of a name all fail to match would look like one without that name, and hide nothing.
        """
        channels = self._resolvo.channels
        several = channels is not None and len(channels.channels) > 1
        if not several or self._requirements.channel_priority != "strict" or any("::" in s for s in specs):
            return []
        names = dict.fromkeys(spec.partition(" ")[0] for spec in specs if " " in spec)
        return [name for name in names if "[" not in name and not is_solver_name(name)]


def _with_channel(requirement: CondaRequirement) -> str:
    spec = requirement.match_spec()
    return f"{requirement.channel}::{spec}" if requirement.channel else spec
