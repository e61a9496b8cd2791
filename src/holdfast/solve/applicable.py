"""The part of a request that bears on one platform: what a marker rules out says nothing here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from holdfast.errors import UsageError
from holdfast.index.dependency import Condition, is_meaningful
from holdfast.solve.pythons import PythonPool
from holdfast.spec.requirements import PypiRequirement, Requirements

__all__ = ["applicable"]


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
            yield replace(item, marker="")
        elif mask:
            yield item
