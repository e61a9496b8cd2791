"""What is known of wheels' dependencies so far: it only ever grows, so the loop ends (design, section 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement

from holdfast.index.core_metadata import MetadataUnusable
from holdfast.index.project import CoreMetadata, Project, Wheel
from holdfast.spec.names import ExtraName, PypiName

__all__ = ["Dependency", "Knowledge", "Known", "ProjectSource"]


class ProjectSource(Protocol):
    """Where projects and metadata come from: an index, or a fake of one."""

    async def project(self, name: PypiName) -> Project:
        """Return a project's files, none where nobody has it."""

    async def metadata(self, file: Wheel) -> CoreMetadata:
        """Return a wheel's metadata; raises MetadataUnusable where there is none to be had."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One Requires-Dist entry, parsed."""

    name: PypiName
    extras: tuple[ExtraName, ...]
    specifier: str
    marker: Marker | None
    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """A wheel whose metadata has been read."""

    metadata: CoreMetadata
    dependencies: tuple[Dependency, ...]

    def mentions_extra(self, extra: str) -> bool:
        """Tell whether the wheel declares an extra."""
        return extra in self.metadata.provides_extras


class Knowledge:
    """Metadata of wheels, fetched when somebody has a use for it.

    A wheel is unknown, known, or unusable (with the reason); it never goes back.
    """

    def __init__(self, source: ProjectSource) -> None:
        self._source = source
        self._known: dict[str, Known] = {}
        self._unusable: dict[str, str] = {}
        self._parsed: dict[str, Dependency] = {}

    def known(self, wheel: Wheel) -> Known | None:
        """Return what is known of a wheel, None where it is unknown or unusable."""
        return self._known.get(wheel.url)

    def unusable(self, wheel: Wheel) -> str | None:
        """Return why a wheel cannot be used, None where it can or nobody has looked."""
        return self._unusable.get(wheel.url)

    def is_open(self, wheel: Wheel) -> bool:
        """Tell whether nobody has looked at a wheel yet."""
        return wheel.url not in self._known and wheel.url not in self._unusable

    def refuse(self, wheel: Wheel, reason: str) -> None:
        """Mark a wheel as unusable."""
        self._known.pop(wheel.url, None)
        self._unusable[wheel.url] = reason

    async def learn(self, wheels: Iterable[Wheel]) -> list[Wheel]:
        """Read the metadata of wheels nobody has looked at, side by side; return those.

        :raises Unreachable: where the index cannot be reached.
        """
        fresh = list({wheel.url: wheel for wheel in wheels if self.is_open(wheel)}.values())
        await asyncio.gather(*(self._learn(wheel) for wheel in fresh))
        return fresh

    async def _learn(self, wheel: Wheel) -> None:
        try:
            metadata = await self._source.metadata(wheel)
            dependencies = tuple(self._parse(text) for text in metadata.requires_dist)
        except MetadataUnusable as error:
            self._unusable[wheel.url] = error.reason
        except InvalidRequirement as error:
            self._unusable[wheel.url] = f"has an invalid dependency: {str(error).splitlines()[0]}"
        else:
            self._known[wheel.url] = Known(metadata, dependencies)

    def _parse(self, text: str) -> Dependency:
        if text not in self._parsed:
            self._parsed[text] = parse_dependency(text)
        return self._parsed[text]


def parse_dependency(text: str) -> Dependency:
    """Read one PEP 508 requirement.

    :raises packaging.requirements.InvalidRequirement: where it is none.
    """
    from packaging.utils import canonicalize_name

    requirement = Requirement(text)
    return Dependency(
        PypiName(canonicalize_name(requirement.name)),
        tuple(sorted(ExtraName(canonicalize_name(extra)) for extra in requirement.extras)),
        str(requirement.specifier),
        requirement.marker,
        requirement.url or "",
        text,
    )
