"""What may be said of a conflict in one sentence: each kind of cause, read out of the solver's account."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from packaging.version import InvalidVersion, Version

from conjoin.index.conda import without_login
from conjoin.solve.candidates.encoding import NO_SUCH_SUBDIR, read_name
from conjoin.solve.candidates.project_candidates import ProjectCandidates
from conjoin.solve.report.clash import Clash, clash
from conjoin.solve.report.no_file import advice as advice_on_files
from conjoin.solve.report.no_file import has_usable, in_words, refusals
from conjoin.solve.report.reasons import Demand
from conjoin.solve.report.translate import mentioned
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import PypiRequirement, Requirements

__all__ = ["Cause", "causes", "each_once", "said_by", "together"]

_WITHOUT_CANDIDATES = re.compile(
    r"No candidates were found for (?P<absent>pypi--[a-z0-9-]+)(?: (?P<numbers>[^\s.]+))?"
    r"|(?P<unmet>pypi--[a-z0-9-]+)(?: (?P<range>\S+))?, for which no candidates were found"
)
_OF_CHANNEL = re.compile(r'(?P<what>.+?)\[(?:.*, )?channel="(?P<url>[^"]+)".*\]')
_NO_SUBDIR = re.compile(rf"the constraint (\S+) {NO_SUCH_SUBDIR} ")
_BESIDE = re.compile(
    r"([^\n│├└─]+?),? (?:which )?cannot be installed because there are no viable options:"
    r"\n[^\n]* would require\n[^\n]*no conda (\S+) beside the wheel"
)


class Cause(msgspec.Struct, frozen=True):
    """A sentence, what would help, and whether channels and indexes may have more to say of it."""

    text: str
    advice: str | None = None
    absent: Demand | None = None


def causes(
    reasons: str,
    account: str,
    asked: Sequence[Demand],
    requirements: Requirements,
    provider: PypiProvider | None,
) -> list[Cause]:
    """Return what is to blame, the likeliest first; nothing where it cannot be told.

    :param reasons: the solver's own words.
    :param account: the same, translated.
    :param asked: the requirements it speaks of.
    :param provider: the PyPI side, None where the conda side alone has no solution.
    """
    if subdir := _NO_SUBDIR.search(account):
        name = subdir[1]
        text = f"no channel has a package {name} in the subdir that you asked for"
        return [Cause(text, f"ask for {name} without naming a subdir")]
    found = [
        *(_without_files(reasons, asked, requirements, provider) if provider is not None else ()),
        *_beside(account, asked),
    ]
    found = found or [*_absent(asked, requirements, provider)]
    return found or [*_excluded(asked)] or [*_pythons(asked, requirements)] or [*_clashes(asked, provider)]


def together(asked: Sequence[Demand]) -> Cause:
    """Return what is left to say where no single contradiction was found."""
    roots = list(dict.fromkeys(demand.what for demand in asked if not demand.chain and not demand.who))
    if not roots:
        return Cause("no environment satisfies all requirements")
    leave = "ask for other versions of them, or leave one of them out"
    if len(roots) == 1:
        return Cause(f"{roots[0]} cannot be had: what its versions depend on contradicts itself", leave)
    listed = f"{', '.join(roots[:-1])} and {roots[-1]}"
    return Cause(f"{listed} cannot be had together, whatever versions of what they need are taken", leave)


def each_once(found: Sequence[Cause]) -> Iterator[Cause]:
    """Leave out what says the same of another version of a package."""
    said: set[tuple[str, str]] = set()
    for cause in found:
        absent = cause.absent
        key = (absent.name, absent.who.partition(" ")[0]) if absent and absent.who else (cause.text, "")
        if key not in said:
            said.add(key)
            yield cause


def said_by(demand: Demand) -> str:
    """Return who has a requirement, in the words before it: ``numpy 2.1.0 needs``."""
    if not demand.who:
        return "you asked for"
    side = "PyPI's" if demand.who_side == "pypi" else "conda's"
    # Where several versions do, its name says it.
    who = demand.who.partition(" ")[0] if " | " in demand.who else demand.who
    return f"{side} {who} {demand.verb}"


def _without_files(
    reasons: str, asked: Sequence[Demand], requirements: Requirements, provider: PypiProvider
) -> Iterator[Cause]:
    """Name projects of which no file can be used, and requirements whose versions exist in no such file."""
    found = False
    for pool in mentioned(reasons, provider):
        if has_usable(pool, provider):
            continue
        found = True
        refused = refusals(pool, "", provider)
        if refused or pool.index:
            text = in_words(str(pool.name), refused)
            yield Cause(text, advice_on_files(str(pool.name), refused, requirements))
        else:
            searched = ", ".join(requirements.indexes) or "no index"
            absent = next((each for each in asked if each.name == pool.name), None)
            needed = (
                f", which {said_by(absent).removesuffix(' needs')} needs" if absent and absent.who else ""
            )
            yield Cause(f"no project {pool.name} on {searched}{needed}", "check the name", absent)
    if found:
        return
    pools, spoken = provider.projects.loaded(), provider.specs.spoken()
    for match in _WITHOUT_CANDIDATES.finditer(reasons):
        name = match["absent"] or match["unmet"]
        project, _ = read_name(name)
        specifier = spoken.get((name, match["numbers"] or match["range"] or ""))
        if project in pools and specifier:
            refused = refusals(pools[project], specifier, provider)
            if refused:
                text = in_words(f"{project}{specifier}", refused)
                yield Cause(text, advice_on_files(str(project), refused, requirements))


def _beside(account: str, asked: Sequence[Demand]) -> Iterator[Cause]:
    """Tell of projects that have to come as a wheel, where conda's package is asked for too."""
    found = _BESIDE.search(account)
    if found is None:
        return
    what, owner = found[1].strip(), found[2]
    demand = next((each for each in asked if f"{each.what} (PyPI)" == what), None)
    wish = f"{said_by(demand)} {demand.what}, which" if demand else what
    conda = next((each for each in asked if each.side == "conda" and each.name == owner), None)
    if conda is None:
        yield Cause(f"{wish} has to come as a wheel, but conda's {owner} is there too")
    elif not conda.who:
        options = [option for option in conda.options if " | " not in option]
        yield Cause(
            f"{wish} has to come as a wheel, but conda's {conda.what} is asked for too",
            f"drop conda's {owner}, so that the wheel can serve, or loosen one of the two"
            + (f" (conda has {options[0]} here)" if options else ""),
        )
    else:
        yield Cause(
            f"{wish} has to come as a wheel, but {said_by(conda)} conda's {conda.what}",
            _loosen(Clash(demand, conda)) if demand else None,
        )


def _absent(
    asked: Sequence[Demand], requirements: Requirements, provider: PypiProvider | None
) -> Iterator[Cause]:
    for demand in asked:
        if demand.end != "nobody has it":
            continue
        pool = (
            provider.projects.loaded().get(PypiName(demand.name))
            if provider and demand.side == "pypi"
            else None
        )
        if pool is not None and provider is not None:
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
    name, who = pool.name, said_by(demand)
    direct = provider.projects.direct(name)
    override = next((item for item in requirements.overrides if item.name == name), None)
    rest = demand.what.removeprefix(str(name))
    extra, specifier = rest.partition("]")[::2] if rest.startswith("[") else ("", rest)
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
    elif inside and against and not demand.who and against[0] in requirements.pypi:
        yield Cause(
            f"you asked for {demand.what} and for {against[0]}, and nothing is both", "keep one of them"
        )
    elif inside and against:
        yield Cause(
            f"{who} {demand.what}, and {_bound(against[0], requirements)} rules it out",
            f"loosen {against[0]}" + (f", or ask for less than {demand.chain[0]}" if demand.chain else ""),
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
    elif extra and pool.bridges and not any(pool.at(ordinal) for ordinal in inside):
        owner, version = pool.bridges[-1].conda, _newest(pool)
        yield Cause(
            f"{who} {demand.what}, and there is conda's {owner} {version} alone: no release of {name} on an "
            "index says what its extra needs",
            f"ask for {name}{specifier} without the extra, and for what it stands for by name",
        )
    else:
        yield Cause(f"nothing that fits the rest of the request provides {demand.what} (PyPI)")


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


def _excluded(asked: Sequence[Demand]) -> Iterator[Cause]:
    for demand in asked:
        if "cutoff date" in demand.excluded:
            yield Cause(
                f"{said_by(demand)} {demand.what}, and every package of it is newer than --exclude-newer",
                "a later --exclude-newer",
            )
        elif channel := _OF_CHANNEL.fullmatch(demand.what):
            what, where = channel["what"], without_login(channel["url"]).rstrip("/")
            yield Cause(
                f"{said_by(demand)} {what} from {where}, which has none that fits"
                f" (others have {demand.options[0]})",
                f"ask for {what} without naming the channel, or for a version that the channel has",
            )
        elif demand.excluded:
            hidden = demand if "channel priority" in demand.excluded else None
            text = f"{said_by(demand)} {demand.what}, and {demand.options[0]} is excluded: {demand.excluded}"
            yield Cause(text, None, hidden)


def _pythons(asked: Sequence[Demand], requirements: Requirements) -> Iterator[Cause]:
    """Tell which Pythons a package is built for, where the one asked for is not among them.

    conda's builds say so through `python_abi`, which is nothing that people know.
    """
    if not any(each.who.startswith("python_abi ") and each.end == "conflict" for each in asked):
        return
    builds = [each for each in asked if each.name == "python_abi" and each.who and each.narrows]
    typed = [item for item in requirements.conda if item.name == "python"]
    if not builds or not (requirements.python or typed):
        return
    whose = builds[0].who.partition(" ")[0]
    found = (
        re.match(r"python_abi (\d+)\.(\d+)\.\*", each.what)
        for each in builds
        if each.who.startswith(f"{whose} ")
    )
    minors = [f"{major}.{minor}" for major, minor in sorted({(int(m[1]), int(m[2])) for m in found if m})]
    what = builds[0].chain[-1] if builds[0].chain else whose
    wish = f"Python {requirements.python}" if requirements.python else str(typed[0])
    if minors:
        listed = " or ".join(filter(None, [", ".join(minors[:-1]), minors[-1]]))
        yield Cause(
            f"conda's {what} is for Python {listed}, and you asked for {wish}",
            f"ask for Python {minors[-1]}, or leave {whose} out",
        )


def _clashes(asked: Sequence[Demand], provider: PypiProvider | None) -> Iterator[Cause]:
    found = clash(asked)
    if found is None:
        return
    one, other = _wish(found.one, provider), _wish(found.other, provider)
    if not found.one.who and not found.other.who:
        text = f"you asked for {one} and for {other}, and nothing is both"
        yield Cause(text, "keep one of them")
        return
    yield Cause(f"{said_by(found.one)} {one}, and {said_by(found.other)} {other}", _loosen(found))


def _wish(demand: Demand, provider: PypiProvider | None) -> str:
    """Return what somebody wants; a wheel's wish for Python as its Requires-Python or tags say it."""
    if demand.name != "python" or demand.who_side != "pypi" or provider is None:
        return demand.what
    name, _, version = demand.who.partition(" ")
    pool = provider.projects.loaded().get(PypiName(name.partition("[")[0]))
    try:
        candidates = pool.at(pool.ordinals.of(Version(version))) if pool else ()
    except (InvalidVersion, KeyError):
        candidates = ()
    wishes = {each.file.requires_python for each in candidates if each.file.requires_python}
    if not wishes:
        builds = [
            build for each in candidates for build in provider.pythons.members(provider.metadata.mask(each))
        ]
        wishes = {".".join(map(str, minor)) for minor in sorted({build.minor for build in builds})}
    return f"Python {' or '.join(sorted(wishes))}" if wishes else demand.what


def _loosen(found: Clash) -> str:
    roots = dict.fromkeys((each.chain[0] if each.chain else each.what) for each in (found.one, found.other))
    names = " or of ".join(re.split(r"[\s\[<>=!~,;@]", root.removesuffix(" (PyPI)"))[0] for root in roots)
    return f"ask for another version of {names}, or leave one of them out"
