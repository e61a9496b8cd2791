"""What stands against the pins of an environment that is being extended, in the words of who asked for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from conjoin.errors import NoSolution
from conjoin.net.urls import without_secrets
from conjoin.solve.host_python import HostPythonSource
from conjoin.solve.preferences.pins import Pins, record_of
from conjoin.solve.report.derivation import Branch, walk
from conjoin.solve.report.format import Explanation, shown_demand, shown_package
from conjoin.spec.names import CondaName, PypiName
from conjoin.spec.platform import marker_environment
from conjoin.spec.requirements import PypiRequirement, Requirements

__all__ = ["in_words_of_pins", "refuse_contradictions"]

_MOST_PINS = 3


def refuse_contradictions(requirements: Requirements, pins: Pins, platform: str) -> None:
    """Refuse a request that itself contradicts a pin.

    :raises NoSolution: naming pin, environment and requirement; all of them, the first in front.
    """
    causes = [*_conda(requirements, pins), *_pypi(requirements, pins, platform)]
    if causes:
        raise Explanation(causes[0], tuple(causes), _advice(pins))


def in_words_of_pins(error: Explanation, pins: Pins) -> NoSolution:
    """Return the reasons of a solve as what a pin of the environment stands in the way of."""
    branches = list(walk(error.branches))
    causes = list(dict.fromkeys(_wishes(branches, pins)))
    spoken_of = {branch.demand.name for branch in branches}
    named = [name for name in _names(pins) if name in spoken_of]
    if not causes and named:
        listed = ", ".join(_pin(pins, name) for name in named[:_MOST_PINS])
        more = f" and {len(named) - _MOST_PINS} more" if len(named) > _MOST_PINS else ""
        causes = [*(error.causes or [error.what]), f"{pins.name} pins {listed}{more}"]
    return error.told(causes, _advice(pins)) if causes else error


def _advice(pins: Pins) -> str:
    return f"ask for less, or resolve what {pins.name} asks for and this together, without --using"


def _conda(requirements: Requirements, pins: Pins) -> Iterator[str]:
    from rattler import MatchSpec

    records = {name: record_of(package) for name, package in pins.conda.items()}
    if pins.solution.python is not None:
        host = HostPythonSource(pins.solution.platform, [pins.solution.python])
        records[CondaName("python")] = host.records()[0]
    asked = [(item.name, item.match_spec(), str(item)) for item in requirements.conda]
    if requirements.python:
        spec = f"python {requirements.python}"
        asked.append((CondaName("python"), spec, spec))
    for name, spec, shown in asked:
        record = records.get(name)
        if record is not None and not MatchSpec(spec, strict=False).matches(record):
            build = "this host's" if name not in pins.conda else f"conda, {record.build}"
            yield _against(str(name), str(record.version), build, shown, pins)


def _pypi(requirements: Requirements, pins: Pins, platform: str) -> Iterator[str]:
    listed = [(item, f"{item}") for item in requirements.pypi]
    listed += [(item, f"{item} (a constraint)") for item in requirements.constraints]
    replaced = {item.name for item in requirements.overrides}
    for item, shown in listed:
        pinned = pins.version_of(item.name)
        if pinned is None or item.name in replaced or not _applies(item, pins, platform):
            continue
        version, kind = pinned
        if not _allows(item, version) or not _same_file(item, pins, kind):
            digest = " with that hash" if item.hashes and _allows(item, version) else ""
            yield _against(str(item.name), version, kind, f"{shown}{digest}", pins)


def _against(name: str, version: str, kind: str, asked: str, pins: Pins) -> str:
    return f"{pins.name} pins {name} {version} ({kind}), and {asked} is asked for"


def _applies(item: PypiRequirement, pins: Pins, platform: str) -> bool:
    if not item.marker:
        return True
    host, conda = pins.solution.python, pins.conda.get(CondaName("python"))
    if host is None and conda is None:
        return False
    version = host.version if host else str(conda.document["version"]) if conda else ""
    implementation = "pypy" if (host and host.implementation == "pp") else "cpython"
    try:
        return Marker(item.marker).evaluate(
            {**marker_environment(platform, version, implementation), "extra": ""}
        )
    except Exception:  # one that cannot be evaluated is reported where requirements are read
        return False


def _allows(item: PypiRequirement, version: str) -> bool:
    try:
        return not item.specifier or SpecifierSet(item.specifier).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def _same_file(item: PypiRequirement, pins: Pins, kind: str) -> bool:
    if not item.url and not item.hashes:
        return True
    if kind == "conda":
        return False
    wheel = pins.wheels[item.name]
    url = without_secrets(item.url)
    own = {wheel.wheel.url, wheel.source.url if wheel.source else wheel.wheel.url}
    return (not url or url in own) and (not item.hashes or f"sha256:{wheel.sha256}" in item.hashes)


def _names(pins: Pins) -> list[str]:
    return sorted({*map(str, pins.conda), *map(str, pins.wheels)})


def _pin(pins: Pins, name: str) -> str:
    package = pins.conda.get(CondaName(name))
    if package is not None:
        return f"{name} {package.document['version']} (conda)"
    wheel = next(wheel for wheel in pins.solution.wheels if wheel.name == name)
    return f"{name} {wheel.wheel.version} (pypi)"


def _wishes(branches: Iterable[Branch], pins: Pins) -> Iterator[str]:
    """Yield who wants of a pinned package what it is not."""
    there = set(_names(pins))
    for branch in branches:
        demand = branch.demand
        owner = pins.owners.get(PypiName(demand.name))
        name = demand.name if demand.name in there else str(owner.name) if owner else ""
        who = demand.who
        if not name or who is None or who.project == demand.name or branch.is_open or not demand.spec:
            continue
        yield f"{pins.name} pins {_pin(pins, name)}, and {shown_package(who)} wants {shown_demand(demand)}"
