"""One question to py-rattler's solver, with the virtual packages and options of a request filled in."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import ConjoinError, NoSolution, UsageError
from conjoin.index.conda import CondaChannels, channel_error
from conjoin.solve.host_python import as_records
from conjoin.spec.requirements import Requirements, Strategy
from conjoin.untrusted import panics, reason_of, shortened

if TYPE_CHECKING:
    from rattler import (
        ChannelPriority,
        Gateway,
        GenericVirtualPackage,
        MatchSpec,
        PackageName,
        RepoDataRecord,
        Subdir,
    )
    from rattler.repo_data.source import RepoDataSource

__all__ = ["Question", "Resolvo", "parsed", "solver_versions"]

_TIMEOUT = timedelta(seconds=120)
"""For one question; real requests take well under a second."""


class Question(msgspec.Struct, frozen=True):
    """What is asked.

    :ivar specs: MatchSpecs that must be met, in the order in which the solver decides.
    :ivar sources: where records come from beside the channels.
    :ivar constraints: MatchSpecs that bound what is chosen for other reasons.
    :ivar preferred: records to keep where possible.
    :ivar pinned: records that are the only ones of their name.
    """

    specs: Sequence[str]
    sources: Sequence[RepoDataSource] = ()
    constraints: Sequence[str] = ()
    preferred: Sequence[RepoDataRecord] = ()
    pinned: Sequence[RepoDataRecord] = ()
    strategy: Strategy = "highest"


class Resolvo:
    """The solver, as a request and a platform have it.

    :param channels: None where no channel takes part.
    :ivar virtual_packages: name to ``version`` or ``version=build``.
    :ivar is_strict: whether the first channel that has a name hides all others.
    :ivar cutoff: what is newer does not count; None where there is no such limit.
    """

    def __init__(
        self,
        requirements: Requirements,
        channels: CondaChannels | None,
        platform: str,
        virtual_packages: Mapping[str, str],
    ) -> None:
        self.channels = channels
        self.platform = platform
        self.virtual_packages = dict(virtual_packages)
        self.is_strict = _priority_name(requirements) == "strict"
        self.cutoff = _cutoff(requirements)
        self._requirements = requirements

    @cached_property
    def _own_gateway(self) -> Gateway:
        """What hands our own sources on where no channel takes part; it is dear to make."""
        from rattler import Gateway

        return Gateway()

    async def ask(self, question: Question, *, without_channels: bool = False) -> list[RepoDataRecord]:
        """Return the records that answer a question, one that has an answer.

        Of a question without one, py-rattler would write down every way in which that comes about (see
        :mod:`conjoin.solve.search.unsat_probe`).

        :param without_channels: the question's own sources have everything.
        :raises NoSolution: where the solver was not done in time.
        :raises Unreachable: where a channel or an index cannot be reached.
        """
        from rattler import solve
        from rattler.exceptions import SolverError

        own = _Joined(question.sources, self.platform)
        specs, constraints = parsed(question.specs), parsed(question.constraints)
        channels = None if without_channels else self.channels
        # Our own sources answer for all platforms at once: each question to them crosses from one language
        # into the other, and there are hundreds a round.
        platforms = [self.platform, "noarch"] if channels else [self.platform]
        virtual_packages = self._generic_virtual_packages()
        given = {record.name.normalized for record in question.pinned}
        started = time.monotonic()
        try:
            with panics():
                work = solve(
                    [*(channels.sources if channels else ()), *([own] if question.sources else ())],
                    specs,
                    gateway=channels.gateway if channels else self._own_gateway,
                    platforms=platforms,  # type: ignore[arg-type]
                    locked_packages=as_records(
                        record for record in question.preferred if record.name.normalized not in given
                    ),
                    pinned_packages=question.pinned,
                    virtual_packages=virtual_packages,
                    timeout=_TIMEOUT,
                    channel_priority=_priority(self._requirements),
                    exclude_newer=self.cutoff,
                    strategy=question.strategy,
                    constraints=constraints,
                )
                return await (channels.in_time(work, solves=True) if channels else work)
        except SolverError as error:
            own.raise_first()
            if time.monotonic() - started >= _TIMEOUT.total_seconds():
                raise NoSolution(
                    f"the solver gave up after {_TIMEOUT.total_seconds():.0f} s",
                    advice="narrow the request: name versions, or fewer packages at once",
                ) from error
            raise
        except ConjoinError:
            raise
        except Exception as error:
            own.raise_first()
            raise channel_error(error, self.channels.channels if self.channels else ()) from error

    def _generic_virtual_packages(self) -> list[GenericVirtualPackage]:
        from rattler import GenericVirtualPackage, PackageName, Version
        from rattler.package import BuildString

        found = []
        for name, text in sorted(self.virtual_packages.items()):
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


class _Joined:
    """Several record sources as one, that answers for all platforms when it is asked for one.

    It remembers the first error: py-rattler turns errors into text.
    """

    def __init__(self, sources: Sequence[RepoDataSource], platform: str) -> None:
        self._sources = sources
        self._platform = platform
        self.error: Exception | None = None

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        from rattler import Subdir

        if str(platform) != self._platform:
            return []
        found: list[RepoDataRecord] = []
        try:
            for subdir in (platform, Subdir("noarch")):
                for source in self._sources:
                    found += await source.fetch_package_records(subdir, name)
        except Exception as error:
            self.error = self.error or error
            raise
        return found

    def package_names(self, platform: Subdir) -> list[str]:
        if str(platform) != self._platform:
            return []
        return list(dict.fromkeys(name for each in self._sources for name in each.package_names(platform)))

    def raise_first(self) -> None:
        """Raise what a source raised, if any did."""
        if self.error is not None:
            raise self.error


def parsed(specs: Iterable[str]) -> list[MatchSpec]:
    """Return MatchSpecs.

    :raises UsageError: where one is none.
    """
    from rattler import MatchSpec

    spec = ""
    try:
        with panics():
            return [MatchSpec(spec := text, strict=False) for text in specs]
    except Exception as error:  # InvalidMatchSpecError, and what it does not cover
        raise UsageError(f"{shortened(spec)!r} is not a conda requirement: {reason_of(error)}") from error


def _priority_name(requirements: Requirements) -> str:
    # A channel named for one package only (`channel::name`) must not hide the others.
    named = requirements.channel_priority
    return "flexible" if named == "strict" and any(item.channel for item in requirements.conda) else named


def _priority(requirements: Requirements) -> ChannelPriority:
    from rattler import ChannelPriority

    return {
        "strict": ChannelPriority.Strict,
        "flexible": ChannelPriority.Flexible,
        "disabled": ChannelPriority.Disabled,
    }[_priority_name(requirements)]


def _cutoff(requirements: Requirements) -> datetime | None:
    if not requirements.exclude_newer:
        return None
    return datetime.fromisoformat(requirements.exclude_newer.replace("Z", "+00:00"))


def solver_versions() -> dict[str, str]:
    """Return the versions of what decided here, by distribution, as they say themselves.

    importlib.metadata, and the mail parser that it reads with, would take longer than all else that is done
    once a solve is over.
    """
    there = {"py-rattler": "rattler", "packaging": "packaging"}
    return {name: sys.modules[module].__version__ for name, module in there.items() if module in sys.modules}
