"""Why specs cannot be met, as data: the few requirements and records that have no solution among themselves.

A request may lead to thousands of records, nearly all of which have no part in why it has no solution. So it
is narrowed down by QuickXplain (Junker 2004): to names that have no solution among themselves, whatever else
they depend on, and none of which can be left out; then to the requirements that count. Each step asks the
solver whether some part is refused (see :mod:`conjoin.solve.search.unsat_probe`), and never why.

What has no solution has none with fewer candidates. So the search begins among the newest versions of each
package; what is found there counts only once it was shown to hold for all versions.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from conjoin.solve.search.resolvo import Question, Resolvo
from conjoin.solve.search.unsat_probe import WayOut
from conjoin.spec.names import CondaName, name_of_spec

if TYPE_CHECKING:
    from rattler import MatchSpec, PackageName, RepoDataRecord, Subdir

    from conjoin.index.conda import CondaChannels

__all__ = ["SECONDS", "UnsatCore", "find_core", "is_too_new", "parsed_or_none", "quickxplain"]

SECONDS = 5.0
"""For the search; then, what is left by then is told."""
_FEW = 2
"""Versions of each requirement to search among first; all, where what is found does not hold for all."""
_MOST_RECORDS = 30_000
"""Among which a search is quick."""

_Item = TypeVar("_Item")


class UnsatCore(msgspec.Struct, frozen=True):
    """Specs that records cannot meet, whatever other packages there are.

    :ivar specs: what is asked for, as MatchSpecs, in the order of the request.
    :ivar constraints: MatchSpecs that the request bounds packages by, wherever they come from.
    :ivar records: what there is of each name that takes part, in order of priority.
    :ivar virtual_packages: what is assumed of the target, as ``version`` or ``version=build``.
    :ivar is_strict: whether the first channel that has a name hides all others.
    :ivar cutoff: records that are newer, or have no time, do not count; None where there is no such limit.
    :ivar asked: how many specs the whole request has.
    :ivar is_smallest: whether no name and no spec can be left out; False where time was up.
    """

    specs: tuple[str, ...]
    constraints: tuple[str, ...]
    records: Mapping[str, Sequence[RepoDataRecord]]
    virtual_packages: Mapping[str, str]
    is_strict: bool
    cutoff: datetime | None
    asked: int
    is_smallest: bool

    def newest(self, count: int) -> UnsatCore:
        """Return it with the newest ``count`` versions alone that each requirement admits: refused, too."""
        found = _Found()
        specs: Sequence[str] = self.specs
        while specs:
            specs = found.take(specs, self.records, count, self.records)
        return replace(self, records={name: found.records.get(name, []) for name in self.records})


async def find_core(resolvo: Resolvo, question: Question) -> UnsatCore:
    """Return the part of a question for which it has no answer.

    :param question: one that is known to have none.
    :raises Unreachable: where an index or a channel cannot be reached.
    """
    whole = _Whole(question, resolvo.channels, resolvo.platform)
    deadline = time.monotonic() + SECONDS
    found = await _Found.lead_to(question, whole, _FEW)
    names, specs = await _search(resolvo, question, found, found.by_nearness(), deadline)
    there = await _Found.lead_to(replace(question, specs=specs), whole, 0, names)
    few = _Part(replace(question, specs=specs), there.of(names), resolvo.cutoff)
    if not await _is_refused(resolvo, few):
        # What was found is no reason: a version that was not looked at gets round it.
        found = await _Found.lead_to(question, whole, 0)
        nearest = [*names, *(name for name in found.by_nearness() if name not in names)]
        if found.size <= _MOST_RECORDS:
            names, specs = await _search(resolvo, question, found, nearest, deadline)
        else:
            names, specs, deadline = nearest, list(question.specs), 0.0
        there = await _Found.lead_to(replace(question, specs=specs), whole, 0, names)
    return UnsatCore(
        tuple(specs),
        tuple(spec for spec in question.constraints if name_of_spec(spec) in names),
        {name: there.records.get(name, []) for name in names},
        resolvo.virtual_packages,
        resolvo.is_strict,
        resolvo.cutoff,
        len(question.specs),
        time.monotonic() <= deadline,
    )


async def quickxplain(
    items: Sequence[_Item],
    refuse: Callable[[Sequence[_Item]], Awaitable[bool]],
    deadline: float = float("inf"),
) -> list[_Item]:
    """Return items that refuse together, none of which can be left out.

    Each of them is found by bisection, so it takes about log2 of the number of items for each.

    :param items: those that probably matter first; together they refuse.
    :param refuse: tells whether some items do; where they do, so do more.
    :param deadline: of ``time.monotonic()``; after it, more items than are needed may be returned.
    """
    needed: list[_Item] = []
    left = list(items)
    while left and not await refuse(needed):
        count = 1
        while count < len(left) and not await refuse([*needed, *left[:count]]):
            count *= 2
        low, high = count // 2, min(count, len(left))  # so many do not suffice, and so many do
        while high - low > 1:
            if time.monotonic() > deadline:
                return [*needed, *left[:high]]
            middle = (low + high) // 2
            if await refuse([*needed, *left[:middle]]):
                high = middle
            else:
                low = middle
        needed.append(left[high - 1])
        left = left[: high - 1]
    return needed


async def _search(
    resolvo: Resolvo, question: Question, found: _Found, order: Sequence[str], deadline: float
) -> tuple[list[str], list[str]]:
    """Return the names and the specs of a question that are enough for it to have no answer.

    :param order: all names, those that probably matter first.
    """

    async def names_refuse(names: Sequence[str]) -> bool:
        return await _is_refused(resolvo, _Part(question, found.of(names), resolvo.cutoff))

    names = await quickxplain(order, names_refuse, deadline)

    async def specs_refuse(specs: Sequence[str]) -> bool:
        return await _is_refused(
            resolvo, _Part(replace(question, specs=specs), found.of(names), resolvo.cutoff)
        )

    asked = [spec for spec in question.specs if name_of_spec(spec) in set(names)]
    needed = await quickxplain(asked, specs_refuse, deadline)
    return names, [spec for spec in asked if spec in needed]


async def _is_refused(resolvo: Resolvo, part: _Part) -> bool:
    way_out = WayOut(part.question.strategy)
    asked = replace(
        part.question, specs=way_out.specs(part.question.specs), sources=[*part.question.sources, way_out]
    )
    return way_out.was_taken(await resolvo.ask(asked, without_channels=True))


class _Whole:
    """Everything that a question's solver would be shown, by name.

    Where several URLs count as one channel, records are of that: the solver is not shown channels here.

    :param channels: None where no channel takes part.
    """

    def __init__(self, question: Question, channels: CondaChannels | None, platform: str) -> None:
        self._sources = question.sources
        self._pinned = {record.name.normalized: record for record in question.pinned}
        self._channels = channels
        self._platforms = (platform, "noarch")
        self._several_as_one = channels.several_as_one if channels is not None else {}
        self._records: dict[str, list[RepoDataRecord]] = {}

    async def of(self, names: Collection[str]) -> dict[str, list[RepoDataRecord]]:
        """Return the records under each name, in order of priority.

        :raises Unreachable: where a channel or an index cannot be reached.
        """
        missing = sorted(set(names) - set(self._records))
        theirs = [CondaName(name) for name in missing if name not in self._pinned]
        found = await self._channels.records(theirs) if self._channels and theirs else {}
        for name in missing:
            if name in self._pinned:
                self._records[name] = [self._pinned[name]]
            else:
                theirs_here = map(self._of_one_channel, found.get(CondaName(name), ()))
                self._records[name] = [*theirs_here, *await self._own(name)]
        return {name: self._records[name] for name in names}

    def _of_one_channel(self, record: RepoDataRecord) -> RepoDataRecord:
        channel = self._several_as_one.get(str(record.channel))
        if channel is None:
            return record
        from rattler import RepoDataRecord

        return RepoDataRecord(record, record.file_name, record.url, channel)

    async def _own(self, name: str) -> list[RepoDataRecord]:
        from rattler import PackageName, Subdir

        return [
            record
            for source in self._sources
            for platform in self._platforms
            for record in await source.fetch_package_records(Subdir(platform), PackageName(name))
        ]


@dataclass
class _Found:
    """Records that a question leads to, by name.

    :ivar records: nothing under a name that nobody has, or of which no version that is asked for exists.
    :ivar depths: how far from the question a name is.
    """

    records: dict[str, list[RepoDataRecord]] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)
    _followed: set[str] = field(default_factory=set)

    @classmethod
    async def lead_to(
        cls, question: Question, whole: _Whole, count: int, only: Collection[str] | None = None
    ) -> _Found:
        """Return what a question leads to.

        :param count: of how many versions, of those that each requirement admits; 0 for all.
        :param only: the names that are followed.
        """
        found = cls()
        only = None if only is None else set(only)
        specs: Sequence[str] = [spec for spec in question.specs if only is None or name_of_spec(spec) in only]
        while specs:
            specs = found.take(specs, await whole.of({name_of_spec(spec) for spec in specs}), count, only)
        return found

    def take(
        self,
        specs: Iterable[str],
        there: Mapping[str, Sequence[RepoDataRecord]],
        count: int,
        only: Collection[str] | None,
    ) -> list[str]:
        """Take what specs admit; return what that needs in its turn, each spec once."""
        wanted: dict[str, list[str]] = {}
        for spec in dict.fromkeys(specs):
            wanted.setdefault(name_of_spec(spec), []).append(spec)
        depth = max(self.depths.values(), default=-1) + 1
        fresh: list[RepoDataRecord] = []
        for name, texts in wanted.items():
            self.depths.setdefault(name, depth)
            kept = self.records.setdefault(name, [])
            had = {id(record) for record in kept}
            fresh += (
                more := [each for each in _chosen(there.get(name, ()), texts, count) if id(each) not in had]
            )
            kept += more
        followed = {text for record in fresh for text in record.depends} - self._followed
        self._followed |= followed
        return sorted(text for text in followed if only is None or name_of_spec(text) in only)

    @property
    def size(self) -> int:
        """How many records there are."""
        return sum(map(len, self.records.values()))

    def by_nearness(self) -> list[str]:
        """Return the names, the nearest to the question first; of these, what most depend on."""
        dependents: dict[str, int] = {}
        for records in self.records.values():
            for name in {name_of_spec(text) for record in records[:1] for text in record.depends}:
                dependents[name] = dependents.get(name, 0) + 1
        return sorted(self.depths, key=lambda name: (self.depths[name], -dependents.get(name, 0), name))

    def of(self, names: Iterable[str]) -> dict[str, list[RepoDataRecord]]:
        """Return the records of some names."""
        return {name: self.records.get(name, []) for name in names}


class _Part:
    """A question about some names alone, of which nothing depends on any other; a ``RepoDataSource`` of them.

    :ivar question: what is asked of them.
    """

    def __init__(
        self,
        question: Question,
        records: Mapping[str, Sequence[RepoDataRecord]],
        cutoff: datetime | None,
    ) -> None:
        self.question = replace(
            question,
            specs=[spec for spec in question.specs if name_of_spec(spec) in records],
            constraints=[spec for spec in question.constraints if name_of_spec(spec) in records],
            sources=[self],
            preferred=(),
            pinned=(),
        )
        asked = {
            text
            for found in records.values()
            for each in found
            for text in (*each.depends, *each.constrains)
            if name_of_spec(text) in records
        }
        by_build = {
            name_of_spec(text)
            for text in (*asked, *self.question.specs, *self.question.constraints)
            if _tells_builds(text)
        }
        self._records: dict[str, list[RepoDataRecord]] = {}
        taken: set[str] = set()
        for name, found in records.items():
            kept = found if name in by_build else _one_build_each(found, records, cutoff)
            self._records[name] = [_bare(record, records, taken) for record in kept]

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of one name."""
        subdir = str(platform)
        return [each for each in self._records.get(name.normalized, ()) if each.subdir == subdir]

    def package_names(self, platform: Subdir) -> list[str]:
        """Return the names."""
        return list(self._records)


@cache
def parsed_or_none(text: str) -> MatchSpec | None:
    """Return a MatchSpec, None where a text is none: the solver leaves out what depends on it."""
    from rattler import MatchSpec

    try:
        return MatchSpec(text, strict=False)
    except Exception:  # rattler raises a class of its own per part
        return None


def _chosen(records: Sequence[RepoDataRecord], specs: Iterable[str], count: int) -> list[RepoDataRecord]:
    """Return the newest records that each spec admits, in the order they came in."""
    if not records:
        return []
    newest_first = sorted(range(len(records)), key=lambda index: records[index].version, reverse=True)
    kept: set[int] = set()
    for text in specs:
        spec = parsed_or_none(text)
        if spec is None:
            continue
        versions: set[str] = set()
        for index in newest_first:
            record = records[index]
            version = str(record.version)
            if (version not in versions and count and len(versions) == count) or not spec.matches(record):
                continue
            versions.add(version)
            kept.add(index)
    # Under a strict priority, the first channel that has a name hides all others.
    first = str(records[0].channel)
    if kept and not any(str(records[index].channel) == first for index in kept):
        kept.add(next(index for index in newest_first if str(records[index].channel) == first))
    return [records[index] for index in sorted(kept)]


def _bare(record: RepoDataRecord, names: Collection[str], taken: set[str]) -> RepoDataRecord:
    """Return a record that depends on, and constrains, some names alone.

    :param taken: file names that others have; the solver takes records of one source for the same where their
        file names are, but several channels may have a file of the same name.
    """
    depends, constrains = record.depends, record.constrains
    inside = [text for text in depends if name_of_spec(text) in names or parsed_or_none(text) is None]
    bounds = [text for text in constrains if name_of_spec(text) in names or parsed_or_none(text) is None]
    file_name = record.file_name
    is_fresh = file_name not in taken
    if not is_fresh:
        file_name = f"{len(taken)}-{file_name}"
    taken.add(file_name)
    if is_fresh and len(inside) == len(depends) and len(bounds) == len(constrains):
        return record
    from rattler import PackageRecord, RepoDataRecord

    copy = PackageRecord(
        record.name,
        record.version,
        record.build,
        record.build_number,
        record.subdir,
        depends=inside,
        constrains=bounds,
    )
    copy.timestamp = _time_of(record)
    copy.track_features = record.track_features
    return RepoDataRecord(copy, file_name, record.url, str(record.channel))


def is_too_new(record: RepoDataRecord, cutoff: datetime | None) -> bool:
    """Tell whether a limit on dates rules a record out: it is newer, or does not say when it was made."""
    if cutoff is None:
        return False
    made = _time_of(record)
    return made is None or made > cutoff


def _time_of(record: RepoDataRecord) -> datetime | None:
    """Return when a record was made, None where it does not say (py-rattler gives 0 for the epoch)."""
    made = record.timestamp
    return made if made is None or isinstance(made, datetime) else datetime.fromtimestamp(0, timezone.utc)


def _tells_builds(text: str) -> bool:
    return "[" in text or len(text.split()) > 2 or text.count("=") > 1


def _one_build_each(
    records: Iterable[RepoDataRecord], names: Collection[str], cutoff: datetime | None
) -> list[RepoDataRecord]:
    """Return records without those that differ from another one in their build alone.

    :param names: what else they depend on does not count.
    """
    found: dict[object, RepoDataRecord] = {}
    for record in records:
        key = (
            str(record.channel),
            record.subdir,
            str(record.version),
            is_too_new(record, cutoff),
            *(text for text in record.depends if name_of_spec(text) in names),
            "",
            *(text for text in record.constrains if name_of_spec(text) in names),
        )
        found.setdefault(key, record)
    return list(found.values())
