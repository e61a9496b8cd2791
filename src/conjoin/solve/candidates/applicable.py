"""The part of a request that bears on one platform: what a marker rules out says nothing here."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

from conjoin.errors import UsageError
from conjoin.index.pypi.dependency import Condition, is_meaningful
from conjoin.solve.candidates.pythons import PythonPool
from conjoin.spec.names import PypiName
from conjoin.spec.platform import PLATFORMS, marker_environment
from conjoin.spec.requirements import PypiRequirement, Requirements

__all__ = ["applicable", "unwanted"]

_MINORS = range(40)
"""Of Python 3: past and to come."""


def applicable(requirements: Requirements, pythons: PythonPool) -> Requirements:
    """Return the request without what applies to no Python of the platform.

    A marker that holds for every Python is dropped.

    :raises UsageError: for a marker that cannot be evaluated, for a constraint or override by URL, and for an
        override that counts for some of the Pythons alone.
    """
    for kind, listed in (("constraint", requirements.constraints), ("override", requirements.overrides)):
        for item in listed:
            if item.url:
                raise UsageError(
                    f"{item.name} @ {item.url}: a {kind} cannot name a URL yet",
                    advice="ask for the file itself, as a requirement",
                )
    return replace(
        requirements,
        pypi=tuple(_applicable(requirements.pypi, pythons)),
        constraints=tuple(_applicable(requirements.constraints, pythons)),
        overrides=tuple(_whole(_applicable(requirements.overrides, pythons))),
    )


def unwanted(overrides: Iterable[PypiRequirement]) -> frozenset[PypiName]:
    """Return the projects that nothing may depend on: those whose overrides hold nowhere at all.

    ``tensorboard ; sys_platform == 'never'`` is how uv's users leave a dependency out.
    """
    by_name: dict[PypiName, bool] = {}
    for item in overrides:
        by_name[item.name] = by_name.get(item.name, True) and _holds_nowhere(item.marker)
    return frozenset(name for name, nowhere in by_name.items() if nowhere)


def _holds_nowhere(marker: str) -> bool:
    from packaging.markers import Marker

    if not marker or "_full_version" in marker or "implementation_version" in marker:
        return False  # one of a thousand Pythons may be meant
    parsed = Marker(marker)
    return not any(
        parsed.evaluate({**marker_environment(platform, f"3.{minor}.0", implementation), "extra": ""})
        for platform, minor, implementation in itertools.product(PLATFORMS, _MINORS, ("cpython", "pypy"))
    )


def _whole(overrides: Iterable[PypiRequirement]) -> Iterable[PypiRequirement]:
    for item in overrides:
        if item.marker:
            # What stands in its place for the other Pythons is a matter of each dependency's own marker.
            raise UsageError(
                f"the override {item} holds for some of the Pythons in question alone",
                advice="pin Python (--python), or leave the marker out",
            )
        yield item


def _applicable(listed: Iterable[PypiRequirement], pythons: PythonPool) -> Iterable[PypiRequirement]:
    for item in listed:
        if not item.marker:
            yield item
            continue
        if not is_meaningful(item.marker):
            raise UsageError(f"the marker of {item} cannot be evaluated", advice="compare versions or names")
        mask = pythons.marker(Condition(item.marker))
        if mask == pythons.all:
            yield item._replace(marker="")
        elif mask:
            yield item
