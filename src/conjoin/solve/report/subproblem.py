"""What takes part in a conflict: the records that specs lead to, of each only as many versions as tell why.

What has no solution has none with fewer candidates. So a conflict is looked into among the newest versions of
each package that somebody asks for, and whatever is found out holds for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from conjoin.solve.search.resolvo import Question
from conjoin.spec.names import CondaName, name_of_spec

if TYPE_CHECKING:
    from rattler import MatchSpec, PackageName, RepoDataRecord, Subdir

    from conjoin.index.conda import CondaChannels

__all__ = ["Part", "Stock", "Whole"]


class Whole:
    """Everything that a question's solver would be shown, by name.

    :param channels: None where no channel takes part.
    """

    def __init__(self, question: Question, channels: CondaChannels | None, platform: str) -> None:
        self._sources = question.sources
        self._pinned = {record.name.normalized: record for record in question.pinned}
        self._channels = channels
        self._platforms = (platform, "noarch")
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
                self._records[name] = [*found.get(CondaName(name), ()), *await self._own(name)]
        return {name: self._records[name] for name in names}

    async def _own(self, name: str) -> list[RepoDataRecord]:
        from rattler import PackageName, Subdir

        return [
            record
            for source in self._sources
            for platform in self._platforms
            for record in await source.fetch_package_records(Subdir(platform), PackageName(name))
        ]


@dataclass
class Stock:
    """Records that a question leads to, by name.

    :ivar records: nothing under a name that nobody has, or of which no version that is asked for exists.
    :ivar depths: how far from the question a name is.
    """

    records: dict[str, list[RepoDataRecord]] = field(default_factory=dict)
    depths: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def lead_to(
        cls, question: Question, whole: Whole, count: int, only: Collection[str] | None = None
    ) -> Stock:
        """Return what a question leads to.

        :param count: of how many versions, of those that each requirement admits; 0 for all.
        :param only: the names that are followed.
        """
        stock = cls()
        specs = [spec for spec in question.specs if only is None or name_of_spec(spec) in only]
        for depth in range(1000):
            wanted: dict[str, list[str]] = {}
            for spec in dict.fromkeys(specs):
                wanted.setdefault(name_of_spec(spec), []).append(spec)
            if not wanted:
                break
            there = await whole.of(wanted)
            fresh: list[RepoDataRecord] = []
            for name, texts in wanted.items():
                stock.depths.setdefault(name, depth)
                kept = stock.records.setdefault(name, [])
                had = {id(record) for record in kept}
                chosen = _chosen(there[name], texts, count)
                fresh += (more := [record for record in chosen if id(record) not in had])
                kept += more
            followed = {text for record in fresh for text in record.depends}
            specs = sorted(text for text in followed if only is None or name_of_spec(text) in only)
            specs = [text for text in specs if text not in stock._followed]
            stock._followed.update(specs)
        return stock

    _followed: set[str] = field(default_factory=set)

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

    def part(self, question: Question, names: Iterable[str]) -> Part:
        """Return a question about some names alone, of which nothing depends on any other."""
        return Part(question, {name: self.records.get(name, []) for name in names})


class Part:
    """A question about some names alone; a py-rattler ``RepoDataSource`` of them.

    :ivar question: what is asked of them.
    """

    def __init__(self, question: Question, records: dict[str, list[RepoDataRecord]]) -> None:
        bare = {
            name: [_bare(record, records, records) for record in found] for name, found in records.items()
        }
        self.question = replace(
            question,
            specs=[spec for spec in question.specs if name_of_spec(spec) in records],
            constraints=[spec for spec in question.constraints if name_of_spec(spec) in records],
            sources=[self],
            preferred=(),
            pinned=(),
        )
        asked = {
            text for found in bare.values() for each in found for text in (*each.depends, *each.constrains)
        }
        by_build = {
            name_of_spec(text)
            for text in (*asked, *self.question.specs, *self.question.constraints)
            if _tells_builds(text)
        }
        self.records = {
            name: found if name in by_build else _one_build_each(found) for name, found in bare.items()
        }

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of one name."""
        subdir = str(platform)
        return [each for each in self.records.get(name.normalized, ()) if each.subdir == subdir]

    def package_names(self, platform: Subdir) -> list[str]:
        """Return the names."""
        return list(self.records)

    def without_circles(self) -> Part:
        """Return the same question, in which nothing depends on what led to it: it asks for less."""
        onward: dict[str, set[str]] = {}
        way: set[str] = set()

        def follow(name: str) -> None:
            way.add(name)
            onward[name] = set()
            for record in self.records.get(name, ()):
                for text in record.depends:
                    other = name_of_spec(text)
                    if other not in way:
                        onward[name].add(other)
                        if other not in onward:
                            follow(other)
            way.discard(name)

        for spec in self.question.specs:
            if name_of_spec(spec) not in onward:
                follow(name_of_spec(spec))
        bare = {
            name: [_bare(record, onward.get(name, ()), self.records) for record in records]
            for name, records in self.records.items()
        }
        return Part(self.question, bare)

    def outline(self) -> str:
        """Return what is asked for and what the newest of it needs, in the solver's way of writing."""
        lines = ["The following packages are incompatible"]
        for spec, mark, indent in _branches(self.question.specs, ""):
            lines.append(f"{mark}{spec} can be installed with any of the following options:")
            for record in self._newest(spec):
                lines.append(f"{indent}└─ {record.name.normalized} {record.version} would require")
                for text, inner, below in _branches(record.depends, f"{indent}   "):
                    lines.append(f"{inner}{text}, which can be installed with any of the following options:")
                    lines += (f"{below}└─ {name_of_spec(text)} {each.version}" for each in self._newest(text))
        return "\n".join(lines)

    def _newest(self, text: str) -> list[RepoDataRecord]:
        spec = _parsed(text)
        found = [each for each in self.records.get(name_of_spec(text), ()) if spec and spec.matches(each)]
        return sorted(found, key=lambda each: each.version)[-1:]

    def lines(self, most: int) -> int:
        """Return how many lines an account of it may have; ``most`` where there may be more, or no end.

        The solver writes a package down again under each one that wants it.
        """
        sizes: dict[int, int] = {}
        way: set[int] = set()

        def of_spec(text: str) -> int:
            spec, total = _parsed(text), 1
            for record in self.records.get(name_of_spec(text), ()):
                if spec is not None and not spec.matches(record):
                    continue
                total += of_record(record)
                if total >= most:
                    break
            return total

        def of_record(record: RepoDataRecord) -> int:
            key = id(record)
            if key in way:
                return most
            if key not in sizes:
                way.add(key)
                sizes[key] = 1 + sum(map(of_spec, record.depends))
                way.discard(key)
            return min(most, sizes[key])

        return min(most, sum(map(of_spec, self.question.specs)))


def _branches(texts: Sequence[str], indent: str) -> Iterator[tuple[str, str, str]]:
    """Yield texts, each with the mark before it and the indent of what stands below it."""
    for number, text in enumerate(texts, start=1):
        last = number == len(texts)
        yield text, f"{indent}{'└─ ' if last else '├─ '}", f"{indent}{'   ' if last else '│  '}"


@cache
def _parsed(text: str) -> MatchSpec | None:
    from rattler import MatchSpec

    try:
        return MatchSpec(text, strict=False)
    except Exception:  # the solver leaves out what depends on it, and says so
        return None


def _chosen(records: Sequence[RepoDataRecord], specs: Iterable[str], count: int) -> list[RepoDataRecord]:
    """Return the newest records that each spec admits, in the order they came in."""
    if not records:
        return []
    newest_first = sorted(range(len(records)), key=lambda index: records[index].version, reverse=True)
    kept: set[int] = set()
    for text in specs:
        spec = _parsed(text)
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


def _bare(
    record: RepoDataRecord, depending: Collection[str], constraining: Collection[str]
) -> RepoDataRecord:
    """Return a record that depends on, and constrains, some names alone."""
    depends, constrains = record.depends, record.constrains
    inside = [text for text in depends if name_of_spec(text) in depending or _parsed(text) is None]
    bounds = [text for text in constrains if name_of_spec(text) in constraining or _parsed(text) is None]
    if len(inside) == len(depends) and len(bounds) == len(constrains):
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
    copy.timestamp = record.timestamp
    copy.track_features = record.track_features
    return RepoDataRecord(copy, record.file_name, record.url, str(record.channel))


def _tells_builds(text: str) -> bool:
    return "[" in text or len(text.split()) > 2 or text.count("=") > 1


def _one_build_each(records: Iterable[RepoDataRecord]) -> list[RepoDataRecord]:
    """Return records without those that differ from another one in their build alone."""
    found: dict[object, RepoDataRecord] = {}
    for record in records:
        key = (
            str(record.channel),
            record.subdir,
            str(record.version),
            *record.depends,
            "",
            *record.constrains,
        )
        found.setdefault(key, record)
    return list(found.values())
