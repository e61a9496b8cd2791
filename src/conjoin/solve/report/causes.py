"""What is to blame for a request that nothing satisfies, in the words that people typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conjoin.net.urls import without_secrets
from conjoin.solve.candidates.encoding import NO_SUCH_SUBDIR
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.report.derivation import Branch, Demand, Derivation, Package, walk
from conjoin.solve.report.files import advice as advice_on_files
from conjoin.solve.report.files import has_usable, in_words, refusals
from conjoin.solve.report.unsat_core import UnsatCore, parsed_or_none
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.names import PypiName, name_of_spec
from conjoin.spec.requirements import PypiRequirement, Requirements

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["Cause", "asked_otherwise", "causes", "each_once", "said_by", "together", "versions_in"]

_LEAVE_ONE = "ask for other versions of them, or leave one of them out"


class Cause(msgspec.Struct, frozen=True):
    """What is to blame.

    :ivar text: a sentence.
    :ivar advice: what would help.
    :ivar absent: what channels and indexes may have more to say of.
    :ivar is_chained: whether the tree says more than the sentence.
    """

    text: str
    advice: str | None = None
    absent: Demand | None = None
    is_chained: bool = True


def causes(
    told: Derivation,
    whole: Derivation,
    core: UnsatCore,
    requirements: Requirements,
    provider: PypiProvider | None,
) -> list[Cause]:
    """Return what is to blame, the likeliest first; nothing where it cannot be told.

    :param told: who asks for what, and what there is for it.
    :param whole: the same for all versions, where that is no proof.
    :param core: what they were derived from.
    :param provider: the PyPI side, None where the conda side alone has no solution.
    """
    branches = list(walk(told.branches))
    if without_subdir := next((text for text in core.constraints if text.endswith(NO_SUCH_SUBDIR)), None):
        name = name_of_spec(without_subdir)
        text = f"no channel has a package {name} in the subdir that you asked for"
        return [Cause(text, f"ask for {name} without naming a subdir", is_chained=False)]
    found = [
        *(_without_files(branches, requirements, provider) if provider is not None else ()),
        *_beside(branches),
    ]
    found = found or [*_absent(branches, requirements, provider)]
    found = found or [*_excluded(branches, core)] or [*_pythons(branches, core, requirements)]
    return found or [*_clashes(branches, whole, core, requirements, provider)]


def together(branches: Sequence[Branch]) -> Cause:
    """Return what is left to say where no single contradiction was found.

    :param branches: of what was asked for.
    """
    roots = list(dict.fromkeys(branch.demand.what for branch in branches))
    if not roots:
        return Cause("no environment satisfies all requirements")
    if len(roots) == 1:
        return Cause(f"{roots[0]} cannot be had: what its versions depend on contradicts itself", _LEAVE_ONE)
    listed = f"{', '.join(roots[:-1])} and {roots[-1]}"
    return Cause(
        f"{listed} cannot be had together, whatever versions of what they need are taken", _LEAVE_ONE
    )


def each_once(found: Sequence[Cause]) -> Iterator[Cause]:
    """Leave out what says the same of another version of a package."""
    said: set[tuple[str, str]] = set()
    for cause in found:
        absent = cause.absent
        key = (absent.name, absent.who.name) if absent and absent.who else (cause.text, "")
        if key not in said:
            said.add(key)
            yield cause


def said_by(demand: Demand) -> str:
    """Return who asks for something, in the words before it: ``PyPI's numpy 2.1.0 needs``."""
    if demand.who is None:
        return "you asked for"
    return f"{_whose(demand.who)} {'needs' if demand.kind == 'needs' else 'admits only'}"


def versions_in(spec: str) -> list[str]:
    """Return the versions that a version expression names: ``>=3.11,<3.12.0a0`` names 3.11 and 3.12.0a0."""
    clauses = spec.partition(" ")[0].replace("|", ",").split(",")
    named = (clause.lstrip("<>=!~").partition("=")[0].partition("*")[0].rstrip(".") for clause in clauses)
    return [version for version in named if version[:1].isdecimal()]


def _whose(package: Package) -> str:
    side = "PyPI's" if package.side == "pypi" else "conda's"
    # Where several versions do, its name says it.
    return f"{side} {package.name}" + (f" {package.versions[0]}" if len(package.versions) == 1 else "")


# -- PyPI


def _without_files(
    branches: Sequence[Branch], requirements: Requirements, provider: PypiProvider
) -> Iterator[Cause]:
    """Name projects of which no file can be used, and requirements whose versions exist in no such file."""
    pools = provider.projects.loaded()
    asked = [branch.demand for branch in branches if branch.demand.side == "pypi"]
    names = sorted({PypiName(demand.name) for demand in asked} & set(pools))
    unusable = [pools[name] for name in names if not has_usable(pools[name], provider)]
    for pool in unusable:
        refused = refusals(pool, "", provider)
        if refused or pool.index:
            text = in_words(str(pool.name), refused)
            yield Cause(text, advice_on_files(str(pool.name), refused, requirements))
        else:
            searched = ", ".join(requirements.indexes) or "no index"
            absent = next(each for each in asked if each.name == pool.name)
            needed = f", which {_whose(absent.who)} needs" if absent.who else ""
            yield Cause(f"no project {pool.name} on {searched}{needed}", "check the name", absent)
    if unusable:
        return
    for branch in branches:
        demand = branch.demand
        pool_of = pools.get(PypiName(demand.name)) if demand.side == "pypi" else None
        if branch.is_absent and pool_of is not None and demand.spec and _is_specifier(demand.spec):
            refused = refusals(pool_of, demand.spec, provider)
            if refused:
                text = in_words(f"{demand.name}{demand.spec}", refused)
                yield Cause(text, advice_on_files(demand.name, refused, requirements))


def _beside(branches: Sequence[Branch]) -> Iterator[Cause]:
    """Tell of projects that have to come as a wheel, where conda's package is asked for too."""
    end = next((each for each in branches if each.demand.kind == "replaces" and not each.is_open), None)
    if end is None or not end.demand.chain:
        return
    wanted = next((each for each in reversed(end.demand.chain) if each.side == "pypi"), end.demand.root)
    wish, owner = f"{said_by(wanted)} {wanted.what}, which", end.demand.name
    if not end.against:
        yield Cause(f"{wish} has to come as a wheel, but conda's {owner} is there too")
        return
    conda = end.against[0]
    if conda.who is None:
        there = next((option for each in branches if each.demand is conda for option in each.options), None)
        yield Cause(
            f"{wish} has to come as a wheel, but conda's {conda.what} is asked for too",
            f"drop conda's {owner}, so that the wheel can serve, or loosen one of the two"
            + (f" (conda has {owner} {there.package.versions[-1]} here)" if there else ""),
        )
    else:
        yield Cause(
            f"{wish} has to come as a wheel, but {said_by(conda)} conda's {conda.what}",
            _loosen((wanted, conda)),
        )


# -- what is absent


def _absent(
    branches: Sequence[Branch], requirements: Requirements, provider: PypiProvider | None
) -> Iterator[Cause]:
    for branch in branches:
        demand = branch.demand
        if not branch.is_absent:
            continue
        pool = (
            provider.projects.loaded().get(PypiName(demand.name))
            if provider and demand.side == "pypi"
            else None
        )
        if pool is not None and provider is not None and _is_specifier(demand.spec):
            yield from _absent_version(demand, pool, requirements, provider)
            continue
        where = "index" if demand.side == "pypi" else "channel"
        searched = ", ".join(requirements.indexes if demand.side == "pypi" else requirements.channels)
        if demand.who:
            text = (
                f"{said_by(demand)} {demand.what}, which nothing that fits the rest of the request provides"
            )
        else:
            text = f"no {where} has {demand.what}"
        yield Cause(text, f"check the name and the version (searched: {searched})", demand)


def _absent_version(
    demand: Demand, pool: ProjectCandidates, requirements: Requirements, provider: PypiProvider
) -> Iterator[Cause]:
    name, who, specifier = pool.name, said_by(demand), demand.spec
    direct = provider.projects.direct(name)
    override = next((item for item in requirements.overrides if item.name == name), None)
    inside = set(pool.ordinals.allowed(specifier))
    against = [
        item
        for item in (*requirements.pypi, *requirements.constraints)
        if item.name == name
        and item.specifier
        and item.specifier != specifier
        and not inside & set(pool.ordinals.allowed(item.specifier))
    ]
    if direct is not None:
        file = f"{name} {_newest(pool)}".rstrip()
        yield Cause(
            f"{who} {demand.what}, and the file that you named is {file}", f"name another file of {name}"
        )
    elif inside and against and demand.who is None and against[0] in requirements.pypi:
        yield Cause(
            f"you asked for {demand.what} and for {against[0]}, and nothing is both", "keep one of them"
        )
    elif inside and against:
        yield Cause(
            f"{who} {demand.what}, and {_bound(against[0], requirements)} rules it out",
            f"loosen {against[0]}" + (f", or ask for less than {demand.root.what}" if demand.chain else ""),
        )
    elif override is not None:
        yield Cause(
            f"the override {override} stands for what others ask of {name}, and {_stock(pool)}",
            f"let the override admit a version that exists, e.g. {_newest(pool) or name}",
            demand,
        )
    elif not inside:
        yield Cause(
            f"{who} {demand.what}, and {_stock(pool)}",
            f"ask for a version that exists, e.g. {name}=={_newest(pool)}" if _newest(pool) else None,
            demand,
        )
    elif demand.extra and pool.bridges and not any(pool.at(ordinal) for ordinal in inside):
        owner, version = pool.bridges[-1].conda, _newest(pool)
        yield Cause(
            f"{who} {demand.what}, and there is conda's {owner} {version} alone: no release of {name} on an "
            "index says what its extra needs",
            f"ask for {name}{specifier} without the extra, and for what it stands for by name",
        )
    else:
        yield Cause(f"nothing that fits the rest of the request provides {demand.what} (PyPI)")


def _is_specifier(text: str) -> bool:
    """Tell whether it is one (PEP 440), and not a choice of versions that nobody typed."""
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def _bound(item: PypiRequirement, requirements: Requirements) -> str:
    return f"the constraint {item}" if item in requirements.constraints else f"{item}, which you asked for,"


def _stock(pool: ProjectCandidates) -> str:
    count = len(pool.ordinals)
    if not count:
        return f"there is no version of {pool.name}"
    only = "the only version" if count == 1 else f"the newest of {count} versions"
    return f"{only} of {pool.name} is {_newest(pool)}"


def _newest(pool: ProjectCandidates) -> str:
    return str(pool.ordinals.version(len(pool.ordinals))) if len(pool.ordinals) else ""


# -- what is ruled out


def _excluded(branches: Sequence[Branch], core: UnsatCore) -> Iterator[Cause]:
    for branch in branches:
        demand = branch.demand
        grounds = {option.ground: option for option in branch.options}
        if branch.is_open:
            continue
        if "too new" in grounds and len(grounds) == 1:
            yield Cause(
                f"{said_by(demand)} {demand.what}, and every package of it is newer than --exclude-newer",
                "a later --exclude-newer",
            )
        elif elsewhere := grounds.get("of another channel"):
            where = without_secrets(demand.channel).rstrip("/")
            yield Cause(
                f"{said_by(demand)} {demand.what} from {where}, which has none that fits"
                f" (others have {demand.name} {elsewhere.package.versions[-1]})",
                f"ask for {demand.what} without naming the channel, or for a version that the channel has",
            )
        elif hidden := grounds.get("hidden by channel priority"):
            theirs = f"{demand.name} {hidden.package.versions[-1]}"
            yield Cause(
                f"{said_by(demand)} {demand.what}, and {theirs} is hidden by another channel's",
                None,
                demand,
            )
        elif bounded := grounds.get("ruled out by a bound"):
            bounds = [text for text in core.constraints if name_of_spec(text) == demand.name]
            there = f"{demand.name} {bounded.package.versions[-1]}"
            yield Cause(
                f"{said_by(demand)} {demand.what}, and {there} is ruled out by {' and '.join(bounds)}"
            )


def _pythons(branches: Sequence[Branch], core: UnsatCore, requirements: Requirements) -> Iterator[Cause]:
    """Tell which Pythons a package is built for, where the one asked for is not among them.

    conda's builds say so through `python_abi`, which is nothing that people know.
    """
    by_abi = any(
        each.demand.who is not None and each.demand.who.name == "python_abi" and not each.is_open
        for each in branches
    )
    typed = [item for item in requirements.conda if item.name == "python"]
    build = next((each.demand for each in branches if each.demand.name == "python_abi"), None)
    if not by_abi or build is None or build.who is None or not (requirements.python or typed):
        return
    whose, what = build.who.name, build.chain[-1].what
    needs = {
        text
        for record in _matching(build.chain[-1], core)
        for text in record.depends
        if name_of_spec(text) == "python_abi"
    }
    minors = sorted({minor for text in needs if (minor := _one_minor(text))})
    wish = f"Python {requirements.python}" if requirements.python else str(typed[0])
    if minors:
        yield _for_pythons(what, whose, minors, wish)


def _for_pythons(what: str, whose: str, minors: Sequence[tuple[int, int]], wish: str) -> Cause:
    names = [f"{major}.{minor}" for major, minor in minors]
    listed = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return Cause(
        f"conda's {what} is for Python {listed}, and you asked for {wish}",
        f"ask for Python {names[-1]}, or leave {whose} out",
    )


def _matching(demand: Demand, core: UnsatCore) -> list[RepoDataRecord]:
    spec = parsed_or_none(demand.what)
    return [record for record in core.records.get(demand.name, ()) if spec is None or spec.matches(record)]


def _one_minor(spec: str) -> tuple[int, int] | None:
    """Return the one minor version of Python that a conda spec admits; None for several.

    >>> _one_minor("python >=3.11,<3.12.0a0"), _one_minor("python_abi 3.12.* *_cp312")
    ((3, 11), (3, 12))
    """
    expression = spec.partition(" ")[2].partition(" ")[0]
    low, _, high = expression.partition(",")
    named, beyond = versions_in(low), versions_in(high)
    if not named or not (minor := _minor(named[0])):
        return None
    if high:
        is_next = (
            low.startswith(">=") and high.startswith("<") and beyond and _minor(beyond[0]) == _next(minor)
        )
        return minor if is_next and beyond[0].split(".")[2:] in ([], ["0a0"]) else None
    return minor if not low.startswith(("<", ">", "!")) else None


def _minor(version: str) -> tuple[int, int] | None:
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _next(minor: tuple[int, int]) -> tuple[int, int]:
    return minor[0], minor[1] + 1


# -- what contradicts something else


def _clashes(
    branches: Sequence[Branch],
    whole: Derivation,
    core: UnsatCore,
    requirements: Requirements,
    provider: PypiProvider | None,
) -> Iterator[Cause]:
    """Tell of two requirements on one package, of which only one can be met."""
    ends = [each for each in branches if not each.is_open and each.against]
    if not ends:
        return
    end = ends[0]
    if not whole.is_proof or len({each.demand.name for each in ends}) > 1:
        # Each version comes to another end: that of the newest is an example, and not the reason.
        yield together(whole.branches)
    # Of several those count that say more than a name; a bridge's own counts least: nobody typed it.
    root = end.demand.root
    others = sorted(end.against, key=lambda each: (each.is_bridge, not each.spec, each.root is root))
    one, other = _typed(others[0]), _typed(end.demand)
    if one.who is None and other.who is None:
        text = f"you asked for {_wish(one, provider)} and for {_wish(other, provider)}, and nothing is both"
        yield Cause(text, "keep one of them")
        return
    if end.is_against_request and (cause := asked_otherwise(other, core, requirements)):
        yield cause
        return
    yield Cause(
        f"{said_by(one)} {_wish(one, provider)}, and {said_by(other)} {_wish(other, provider)}",
        _loosen((one, other)),
    )


def asked_otherwise(demand: Demand, core: UnsatCore, requirements: Requirements) -> Cause | None:
    """Tell which other word of a request speaks of a conda package that a dependency needs otherwise.

    :return: None where the request does not speak of it.
    """
    if demand.who is None or demand.side != "conda":
        return None
    whose = demand.who.name
    typed = [item for item in requirements.conda if item.name == demand.name and (item.version or item.build)]
    if demand.name == "python" and (requirements.python or typed):
        wish = f"Python {requirements.python}" if requirements.python else str(typed[0])
        minors = _pythons_of(demand.chain[-1], core)
        spec = requirements.python or typed[0].version
        if len(minors) > 1 and not {_minor(version) for version in versions_in(spec)} & set(minors):
            return _for_pythons(demand.chain[-1].what, whose, minors, wish)
        other = f"Python {minors[0][0]}.{minors[0][1]}" if len(minors) == 1 else "another Python"
    elif typed:
        wish, other = str(typed[0]), f"another {demand.name}"
    else:
        return None
    return Cause(
        f"{said_by(demand)} {demand.what}, and you asked for {wish}",
        f"ask for {other}, or leave {whose} out",
    )


def _pythons_of(demand: Demand, core: UnsatCore) -> list[tuple[int, int]]:
    """Return the Pythons that builds are for, the oldest first; none where one is for more than a minor."""
    minors = set()
    for record in _matching(demand, core):
        needs = (text for text in record.depends if name_of_spec(text) == "python" and " " in text)
        if (need := next(needs, None)) is None:
            continue
        if (minor := _one_minor(need)) is None:
            return []
        minors.add(minor)
    return sorted(minors)


def _typed(demand: Demand) -> Demand:
    """Return the requirement that a bridge was taken for, where that one says more than a name."""
    above = demand.chain[-1] if demand.is_bridge and demand.chain else demand
    return above if above.side == "pypi" and above.spec else demand


def _wish(demand: Demand, provider: PypiProvider | None) -> str:
    """Return what somebody wants; a wheel's wish for Python as its Requires-Python or tags say it."""
    who = demand.who
    if demand.name != "python" or who is None or who.side != "pypi" or provider is None:
        return demand.what
    pool = provider.projects.loaded().get(PypiName(who.project))
    try:
        ordinals = [pool.ordinals.of(Version(version)) for version in who.versions] if pool else []
        candidates = [each for ordinal in ordinals if pool for each in pool.at(ordinal)]
    except (InvalidVersion, KeyError):
        candidates = []
    wishes = {each.file.requires_python for each in candidates if each.file.requires_python}
    if not wishes:
        builds = [
            build for each in candidates for build in provider.pythons.members(provider.metadata.mask(each))
        ]
        wishes = {".".join(map(str, minor)) for minor in sorted({build.minor for build in builds})}
    return f"Python {' or '.join(sorted(wishes))}" if wishes else demand.what


def _loosen(clashing: Iterable[Demand]) -> str:
    names = " or of ".join(dict.fromkeys(demand.root.name for demand in clashing))
    return f"ask for another version of {names}, or leave one of them out"
