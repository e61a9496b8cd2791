"""Why an unsatisfiable core cannot be met, as a tree: who asks for what, what there is, and why each is out.

The requirements of the request are followed one after the other. What a requirement leaves of a package holds
for all that come later; where it leaves several versions, what they have in common does. So each step says
something true, and where nothing is left of a requirement, the tree above it is the proof. (The same is done
by every solver as unit propagation; a conflict that takes a case distinction is not proved so, and the tree
then tells what was asked for.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from conjoin.solve.candidates.encoding import (
    CONDITIONAL_ROOT,
    is_evicting,
    is_solver_name,
    read_name,
    token_project,
)
from conjoin.solve.report.unsat_core import UnsatCore, is_too_new, parsed_or_none
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.names import PypiName, name_of_spec

if TYPE_CHECKING:
    from rattler import PackageRecord

__all__ = ["Branch", "Demand", "Derivation", "Ground", "Option", "Package", "derive", "outline", "walk"]

Side: TypeAlias = Literal["pypi", "conda"]
Kind: TypeAlias = Literal["needs", "admits only", "replaces"]
"""``admits only`` bounds what others ask for; ``replaces`` is said of a wheel, beside which conda's package
may not lie."""
Ground: TypeAlias = Literal[
    "",
    "contradicts",
    "too new",
    "hidden by channel priority",
    "of another channel",
    "ruled out by a bound",
    "needs what cannot be read",
]
"""Why something that a requirement admits is out at once; empty where it is not."""

_MOST_TRIES = 4_000
"""Records that are followed; a tree that takes more would not be read either."""


class Package(msgspec.Struct, frozen=True):
    """A package in one version, or in several of which the same is to be said.

    :ivar name: as people know it, with an extra: ``numpy``, ``fastapi[all]``.
    :ivar versions: ascending.
    """

    name: str
    versions: tuple[str, ...]
    side: Side

    @property
    def project(self) -> str:
        """Its name without an extra."""
        return self.name.partition("[")[0]


class Demand(msgspec.Struct, frozen=True, eq=False):
    """What somebody asks of a package.

    :ivar name: the package, without an extra.
    :ivar spec: which of it, as it was written: ``>=2``, ``2.1.* *_cpu``; empty for any.
    :ivar channel: the only one that it may come from, empty for any.
    :ivar who: the package that asks, None for the request.
    :ivar chain: the demands it follows from, that of the request first.
    """

    name: str
    side: Side
    spec: str = ""
    extra: str = ""
    channel: str = ""
    who: Package | None = None
    kind: Kind = "needs"
    chain: tuple[Demand, ...] = ()

    @property
    def what(self) -> str:
        """Name and spec as they are written on its side."""
        if self.side == "conda":
            return f"{self.name} {self.spec}".strip()
        return f"{self.name}[{self.extra}]{self.spec}" if self.extra else f"{self.name}{self.spec}"

    @property
    def root(self) -> Demand:
        """What was asked for that it follows from."""
        return self.chain[0] if self.chain else self

    @property
    def is_bridge(self) -> bool:
        """Whether it is how a project stands for its conda package: nobody wrote it."""
        return (
            self.side == "conda"
            and self.who is not None
            and self.who.side == "pypi"
            and self.kind == "needs"
            and self.name != "python"
        )


class Option(msgspec.Struct, frozen=True, eq=False):
    """What there is for a demand.

    :ivar ground: why it is out at once.
    :ivar branches: what it asks for in its turn, up to the first that nothing meets.
    """

    package: Package
    ground: Ground = ""
    branches: tuple[Branch, ...] = ()
    is_open: bool = True


class Branch(msgspec.Struct, frozen=True, eq=False):
    """A demand and what becomes of it.

    :ivar options: what there is, the newest first.
    :ivar is_open: whether something is left for it.
    :ivar against: earlier demands that leave nothing for it.
    :ivar untold: how many more versions there are for it.
    """

    demand: Demand
    options: tuple[Option, ...] = ()
    is_open: bool = True
    against: tuple[Demand, ...] = ()
    untold: int = 0

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing that it asks for."""
        return self.demand.kind == "needs" and not self.options

    @property
    def is_against_request(self) -> bool:
        """Whether a dependency asks for what the request itself asks for otherwise."""
        return bool(
            self.demand.who
            and self.demand.kind == "needs"
            and self.against
            and all(each.who is None and each.spec for each in self.against)
        )


class Derivation(msgspec.Struct, frozen=True):
    """The tree of a core.

    :ivar branches: of the requirements of the request that are told; the last is the one with nothing left.
    :ivar specs: all requirements of the request that take part.
    :ivar is_proof: False where they cannot be met together although each step leaves something.
    """

    branches: tuple[Branch, ...]
    specs: tuple[str, ...]
    is_proof: bool


def walk(branches: Iterable[Branch]) -> Iterator[Branch]:
    """Yield branches and all below them, from top to bottom."""
    for branch in branches:
        yield branch
        for option in branch.options:
            yield from walk(option.branches)


def derive(core: UnsatCore, provider: PypiProvider | None, most: int = 0) -> Derivation:
    """Return the tree of a core: a proof, where there is one.

    :param provider: the PyPI side, None where the conda side alone has no solution.
    :param most: of how many versions of each requirement is told; 0 for all.
    """
    told = core.newest(most) if most else core
    try:
        found = (
            _Tracer(told, core, provider, is_grouping=True).proof()
            or _Tracer(told, core, provider, is_grouping=False).proof()
        )
    except (_TooLongError, RecursionError):  # a chain of hundreds would not be read to its end either
        found = None
    return found or outline(told, provider)


def outline(core: UnsatCore, provider: PypiProvider | None) -> Derivation:
    """Return what is asked for, with the newest there is and what that asks for: no proof, but short.

    :param provider: the PyPI side, None where the conda side alone has no solution.
    """
    tracer = _Tracer(core, core, provider, is_grouping=True)
    return Derivation(tuple(tracer.outline(spec) for spec in core.specs), core.specs, False)


class _TooLongError(Exception):
    """There are more records to follow than anybody would read of."""


class _Left(msgspec.Struct, frozen=True):
    """What is left of a package.

    :ivar places: of its records.
    :ivar by: the demands that left these, whichever options are taken.
    :ivar sure: those of them that hold in any case.
    :ivar is_needed: whether one of the records has to be taken.
    """

    places: frozenset[int]
    by: tuple[Demand, ...] = ()
    sure: tuple[Demand, ...] = ()
    is_needed: bool = False

    def after(self, demand: Demand, places: frozenset[int], *, is_needed: bool) -> _Left:
        """Return what is left once a demand is met, too."""
        return _Left(places, (*self.by, demand), (*self.sure, demand), is_needed)


_ANYTHING = _Left(frozenset())
"""Before anybody asks for a package; its records are not looked at then."""
_Lefts: TypeAlias = Mapping[str, _Left]


class _Tracer:
    """Follows the requirements of a core.

    :param whole: the same with all versions there are.
    :param is_grouping: whether versions that depend on the same are followed as one, which is quicker and
        proves less.
    """

    def __init__(
        self, core: UnsatCore, whole: UnsatCore, provider: PypiProvider | None, *, is_grouping: bool
    ) -> None:
        self._core = core
        self._whole = whole
        self._pools = provider.projects.loaded() if provider else {}
        self._spoken = provider.specs.spoken() if provider else {}
        self._is_grouping = is_grouping
        self._records: dict[str, Sequence[PackageRecord]] = {
            name: _virtual(name, core.virtual_packages) or records for name, records in core.records.items()
        }
        self._matching: dict[str, tuple[int, ...]] = {}
        self._wants: dict[int, frozenset[int]] = {}
        self._demands: list[Demand] = []
        self._tries = 0
        self._grounds = {name: self._grounds_of(name) for name in self._records}

    def proof(self) -> Derivation | None:
        """Return a proof, None where no step shows that there is no solution."""
        done: list[Branch] = []
        lefts: _Lefts = {}
        roots = [self.root(spec) for spec in self._core.specs]
        order = sorted(zip(self._core.specs, roots, strict=True), key=self._lateness)
        for spec, demand in order:
            branch, after = self._meet(spec, demand, lefts)
            done.append(branch)
            if after is None:
                branches = _that_count(done)
                meant = {id(each.demand) for each in branches}
                meant |= {id(each.root) for branch in walk(branches) for each in branch.against}
                specs = [
                    spec for spec, each in zip(self._core.specs, roots, strict=True) if id(each) in meant
                ]
                return Derivation(tuple(branches), tuple(specs), True)
            lefts = after
        return None

    def outline(self, spec: str) -> Branch:
        """Return a requirement of the request with the newest there is for it, and what that asks for."""
        demand = self.root(spec)
        options = []
        for place in self._newest(spec):
            package = self._package(name_of_spec(spec), [place])
            needs = [
                (text, self._demand(text, package, (demand,)))
                for text in self._records[name_of_spec(spec)][place].depends
                if self._takes_part(text) and token_project(name_of_spec(text)) is None
            ]
            branches = tuple(
                Branch(
                    each, tuple(Option(self._package(name_of_spec(text), [at])) for at in self._newest(text))
                )
                for text, each in needs
            )
            options.append(Option(package, "", branches))
        return Branch(demand, tuple(options))

    def _newest(self, spec: str) -> list[int]:
        records = self._records[name_of_spec(spec)]
        return sorted(self._places(spec), key=lambda place: records[place].version)[-1:]

    def _lateness(self, item: tuple[str, Demand]) -> tuple[bool, bool]:
        """Sort what is told first before what is better told against it."""
        spec, demand = item
        records = self._records[name_of_spec(spec)]
        leads_on = any(
            self._takes_part(text)
            for place in self._places(spec)
            for text in (*records[place].depends, *records[place].constrains)
        )
        return demand.side == "pypi", leads_on

    def _meet(self, text: str, demand: Demand, lefts: _Lefts) -> tuple[Branch, _Lefts | None]:
        """Follow a demand; return what is left of each package after it, None where nothing meets it."""
        name = name_of_spec(text)
        places = self._places(text)
        left = lefts.get(name)
        self._wants[id(demand)] = frozenset(places)
        self._demands.append(demand)  # keeps it, and so its id, alive
        out: dict[Ground, list[int]] = {}
        usable: list[int] = []
        for place in places:
            ground = self._grounds[name][place] or self._of_channel(name, place, demand)
            if not ground and left is not None and place not in left.places:
                ground = "contradicts"
            if ground:
                out.setdefault(ground, []).append(place)
            else:
                usable.append(place)
        if left and left.is_needed and len(usable) == len(left.places):
            return Branch(demand, (Option(self._package(name, usable)),)), lefts  # it was followed before
        options, after = self._follow(name, usable, demand, lefts)
        options += [Option(self._package(name, each), ground, (), False) for ground, each in out.items()]
        against: tuple[Demand, ...] = ()
        if not after and "contradicts" in out and left is not None:
            against = self._against(frozenset(places), left)
        untold = 0 if after else self._untold(text, places)
        branch = Branch(demand, tuple(_merged(options)), bool(after), against, untold)
        return branch, _in_common(after) if after else None

    def _follow(
        self, name: str, usable: Sequence[int], demand: Demand, lefts: _Lefts
    ) -> tuple[list[Option], list[_Lefts]]:
        """Follow what a demand may have; return the options, and what is left after each that is open."""
        options, after = [], []
        for group in self._groups(name, usable):
            self._tries += 1
            if self._tries > _MOST_TRIES:
                raise _TooLongError
            option, left = self._choose(name, group, demand, lefts)
            options.append(option)
            if left is not None:
                after.append(left)
        return options, after

    def _choose(
        self, name: str, group: Sequence[int], demand: Demand, lefts: _Lefts
    ) -> tuple[Option, _Lefts | None]:
        package = self._package(name, group)
        record = self._records[name][group[0]]
        before = lefts.get(name, _ANYTHING)
        left: dict[str, _Left] = {**lefts}
        left[name] = before.after(demand, frozenset(group), is_needed=True)
        asker = None if name == CONDITIONAL_ROOT else package
        branches: list[Branch] = []
        for text, kind in self._bounds(record):
            bound = self._demand(text, asker, (*demand.chain, demand), kind)
            target = name_of_spec(text)
            allowed = self._wants[id(bound)] = frozenset(self._places(text))
            self._demands.append(bound)
            there = left.get(target)
            rest = allowed if there is None else there.places & allowed
            if there is not None and there.is_needed and not rest:
                branches.append(Branch(bound, (), False, self._against(allowed, there)))
                return Option(package, "", tuple(branches), False), None
            there = there or _ANYTHING
            left[target] = there.after(bound, rest, is_needed=there.is_needed)
            branches.append(Branch(bound))
        after: _Lefts = left
        for text in record.depends:
            if not self._takes_part(text) or token_project(name_of_spec(text)) is not None:
                continue
            branch, met = self._meet(text, self._demand(text, asker, (*demand.chain, demand)), after)
            branches.append(branch)
            if met is None:
                return Option(package, "", tuple(branches), False), None
            after = met
        return Option(package, "", tuple(branches)), after

    def _bounds(self, record: PackageRecord) -> Iterator[tuple[str, Kind]]:
        """Yield what a record constrains, with what the token of a wheel does."""
        tokens = [
            each
            for text in record.depends
            if token_project(name_of_spec(text)) is not None
            for each in self._records.get(name_of_spec(text), ())
        ]
        for each in (record, *tokens):
            for text in each.constrains:
                if self._takes_part(text):
                    yield text, "replaces" if is_evicting(text) else "admits only"

    def _against(self, wanted: frozenset[int], left: _Left) -> tuple[Demand, ...]:
        """Return the plainest demand that rules out all that is wanted; else all that play a part."""
        alone = [each for each in left.sure if not wanted & self._wants[id(each)]]
        if alone:
            return (min(alone, key=lambda each: (each.is_bridge, not each.spec)),)
        some = [each for each in left.by if not wanted <= self._wants[id(each)]]
        return tuple(some or left.by)

    # -- records

    def _takes_part(self, text: str) -> bool:
        return name_of_spec(text) in self._records

    def _places(self, text: str) -> tuple[int, ...]:
        """Return the places of the records that match, in order of priority."""
        found = self._matching.get(text)
        if found is None:
            spec = parsed_or_none(text)
            records = self._records.get(name_of_spec(text), ())
            found = (
                tuple(place for place, each in enumerate(records) if spec.matches(each))
                if spec is not None
                else ()
            )
            self._matching[text] = found
        return found

    def _groups(self, name: str, places: Sequence[int]) -> list[list[int]]:
        """Divide records by what they depend on, the newest first."""
        records = self._records[name]
        groups: dict[object, list[int]] = {}
        for place in places:
            record = records[place]
            key: object = (
                tuple(text for text in record.depends if self._takes_part(text)),
                tuple(text for text in record.constrains if self._takes_part(text)),
                "" if self._is_grouping else (str(record.version), str(record.build)),
            )
            groups.setdefault(key, []).append(place)
        return sorted(
            groups.values(),
            key=lambda group: max((records[place].version, str(records[place].build)) for place in group),
            reverse=True,
        )

    def _grounds_of(self, name: str) -> list[Ground]:
        """Return why each record of a name is out whoever asks for it."""
        records = self._records[name]
        bounds = [text for text in self._core.constraints if name_of_spec(text) == name]
        within = [set(self._places(text)) for text in bounds]
        first = str(getattr(records[0], "channel", "")) if records else ""
        grounds: list[Ground] = []
        for place, record in enumerate(records):
            if name.startswith("__"):
                grounds.append("")
            elif is_too_new(record, self._core.cutoff):  # type: ignore[arg-type]
                grounds.append("too new")
            elif self._core.is_strict and str(getattr(record, "channel", "")) != first:
                grounds.append("hidden by channel priority")
            elif any(place not in each for each in within):
                grounds.append("ruled out by a bound")
            elif any(parsed_or_none(text) is None for text in record.depends):
                grounds.append("needs what cannot be read")
            else:
                grounds.append("")
        return grounds

    def _of_channel(self, name: str, place: int, demand: Demand) -> Ground:
        if not demand.channel:
            return ""
        channel = str(getattr(self._records[name][place], "channel", ""))
        return "" if channel.rstrip("/") == _channel_url(demand.channel) else "of another channel"

    def _untold(self, text: str, places: Sequence[int]) -> int:
        """Return how many versions there are beside those at some places."""
        name, spec = name_of_spec(text), parsed_or_none(text)
        everything = self._whole.records[name]
        if len(everything) == len(self._records[name]) or spec is None:
            return 0
        told = {str(self._records[name][place].version) for place in places}
        return len({str(each.version) for each in everything if spec.matches(each)} - told)

    # -- in the words of people

    def root(self, spec: str) -> Demand:
        """Return a requirement of the request."""
        return self._demand(spec, None, ())

    def _demand(
        self, text: str, who: Package | None, chain: tuple[Demand, ...], kind: Kind = "needs"
    ) -> Demand:
        channel, _, bare = text.rpartition("::")
        name = name_of_spec(bare)
        # What stands in brackets is ours (the build of a Python, a subdir), and nothing that was typed.
        spec = bare.partition("[")[0].strip()[len(name) :].strip()
        if chain and chain[-1].name == CONDITIONAL_ROOT:
            chain = chain[:-1]
        if not is_solver_name(name):
            return Demand(name, "conda", "" if spec == "*" else spec, "", channel, who, kind, chain)
        if name == CONDITIONAL_ROOT:
            return Demand(name, "pypi", who=who, kind=kind, chain=chain)
        project, extra = read_name(name)
        expression = spec.partition(" ")[0]
        said = self._spoken.get((name, expression))
        if said is None:
            said = self._read(project, expression)
        return Demand(str(project), "pypi", said, str(extra or ""), "", who, kind, chain)

    def _read(self, project: str, expression: str) -> str:
        """Return an expression over ordinals as one over versions, written as PyPI's specifiers are."""
        if expression in {"", "*"}:
            return ""
        ranges = []
        for part in expression.split("|"):
            clauses = []
            for clause in part.split(","):
                number = clause.lstrip("<>=!")
                clauses.append(f"{clause[: len(clause) - len(number)]}{self._version(project, number)}")
            ranges.append(",".join(clauses))
        return " or ".join(ranges)

    def _version(self, project: str, ordinal: str) -> str:
        pool = self._pools.get(PypiName(project))
        if pool is None or not ordinal.isdecimal() or not 1 <= int(ordinal) <= len(pool.ordinals):
            return "nothing"
        return str(pool.ordinals.version(int(ordinal)))

    def _package(self, name: str, places: Sequence[int]) -> Package:
        records = sorted((self._records[name][place] for place in places), key=lambda each: each.version)
        versions = dict.fromkeys(str(each.version) for each in records)
        if not is_solver_name(name) or name == CONDITIONAL_ROOT:
            return Package(name, tuple(versions), "conda")
        project, extra = read_name(name)
        shown = f"{project}[{extra}]" if extra else str(project)
        return Package(shown, tuple(self._version(project, each) for each in versions), "pypi")


@cache
def _channel_url(channel: str) -> str:
    """Return the URL of a channel, as records have it; requirements mostly have its name."""
    from rattler import Channel

    try:
        return Channel(channel).base_url.rstrip("/")
    except Exception:  # rattler raises a class of its own per part
        return channel.rstrip("/")


def _virtual(name: str, assumed: Mapping[str, str]) -> list[PackageRecord]:
    """Return the virtual package of a name as a record, none where it is assumed to be absent."""
    if name not in assumed:
        return []
    from rattler import PackageRecord
    from rattler.package import BuildString

    version, _, build = assumed[name].partition("=")
    return [PackageRecord(name, version or "0", BuildString(build or "0"), 0, "noarch")]


def _in_common(after: Sequence[_Lefts]) -> _Lefts:
    """Return what is left whichever option is taken."""
    if len(after) == 1:
        return after[0]
    first, *others = after
    common: dict[str, _Left] = {}
    for name, left in first.items():
        each = [left, *(other[name] for other in others if name in other)]
        if len(each) == len(after):
            common[name] = _Left(
                frozenset().union(*(one.places for one in each)),
                tuple(dict.fromkeys(demand for one in each for demand in one.by)),
                tuple(demand for demand in left.sure if all(demand in one.sure for one in each)),
                all(one.is_needed for one in each),
            )
    return common


def _merged(options: Sequence[Option]) -> list[Option]:
    """Say once what is to be said of several versions."""
    found: dict[object, Option] = {}
    for option in options:
        key = (option.ground, option.is_open, tuple(map(_signature, option.branches)))
        there = found.get(key)
        if there is None:
            found[key] = option
        else:
            # Each has its versions in ascending order, and what comes later is mostly older.
            versions = dict.fromkeys((*option.package.versions, *there.package.versions))
            found[key] = replace(there, package=replace(there.package, versions=tuple(versions)))
    return list(found.values())


def _signature(branch: Branch) -> object:
    return (
        branch.demand.what,
        branch.demand.kind,
        branch.is_open,
        tuple(
            (each.package, each.ground, each.is_open, tuple(map(_signature, each.branches)))
            for each in branch.options
        ),
    )


def _that_count(done: Sequence[Branch]) -> list[Branch]:
    """Return the last branch, which nothing meets, and of those before it what it is against."""
    meant: set[int] = set()
    told: list[Branch] = [done[-1]]
    size = -1
    while len(meant) != size:
        size = len(meant)
        for branch in told:
            _note(branch, meant)
        told = [each for each in (*(_pruned(one, meant) for one in done[:-1]), done[-1]) if each]
    last = _pruned(done[-1], meant)
    return [*told[:-1], last or done[-1]]


def _note(branch: Branch, meant: set[int]) -> None:
    """Note the demands that a tree speaks of as said before, and what these follow from."""
    if not branch.is_open and not branch.is_against_request:
        for demand in branch.against:
            meant.update(id(each) for each in (demand, *demand.chain))
    for option in branch.options:
        for below in option.branches:
            _note(below, meant)


def _pruned(branch: Branch, meant: set[int]) -> Branch | None:
    """Return a branch without what nothing is against; None where that is all of it."""
    if branch.is_open and id(branch.demand) not in meant:
        return None
    options = [
        replace(
            option,
            branches=tuple(each for one in option.branches if (each := _pruned(one, meant)) is not None),
        )
        for option in branch.options
        # What earlier demands leave of an open one is told by these.
        if not (branch.is_open and option.ground == "contradicts")
    ]
    return replace(branch, options=tuple(_merged(options)))
