"""Source distributions for other platforms than this host's: built unless that is bound to be in vain.

A wheel built here serves another platform only if it is pure. Whether it will be is known for certain once it
is built, which may take minutes, and compiling `xgboost` on Linux for a Mac is never of any use. So a source
is refused without building it where two things come together: it holds code in a language that is compiled
(see :mod:`conjoin.build.backend`), and the project's wheels bear out that it is no optional part:

- every wheel of that release is for one platform; or, where it has none,
- it is built with a tool that does nothing but compile, or every wheel of the nearest releases before and
  after is for one platform; or
- another of its releases gave a wheel for one platform when it was built here.

Whatever one platform found out serves the others that are solved side by side.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conjoin.build.building_indexes import BuildingIndexes
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.project import WHEEL, CoreMetadata, IndexFile, Project, Releases, Sdist, Wheel
from conjoin.net.single_flight import Once
from conjoin.spec.names import PypiName
from conjoin.spec.platform import host_platform
from conjoin.spec.requirements import Requirements

if TYPE_CHECKING:
    from conjoin.build.built_wheels import BuiltWheel

__all__ = ["IN_VAIN", "ForeignBuilds"]

IN_VAIN = "would give a wheel for "
"""How the reason begins for which a source is refused."""


class ForeignBuilds:
    """A :class:`~conjoin.solve.candidates.metadata.ProjectSource` for platforms that are not this host's.

    :param requirements: what they name by URL or with ``--no-binary`` is built all the same.
    """

    def __init__(self, indexes: BuildingIndexes, requirements: Requirements) -> None:
        self._indexes = indexes
        self._demanded = {*requirements.no_binary, *(item.name for item in requirements.pypi if item.url)}
        self._once = Once(MetadataUnusable)
        self._gave: dict[PypiName, str] = {}

    async def project(self, name: PypiName) -> Project:
        """Return a project's files, none where nobody has it."""
        return await self._indexes.project(name)

    async def metadata(self, file: Wheel) -> CoreMetadata:
        """Return a wheel's metadata."""
        return await self._indexes.metadata(file)

    def at_hand(self, file: Wheel) -> CoreMetadata | MetadataUnusable | None:
        """Return what is known of a wheel without asking anybody."""
        return self._indexes.at_hand(file)

    async def named_source(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None, hashes: Sequence[str] = ()
    ) -> Sdist:
        """Return a source that the user named with its version and hash."""
        return await self._indexes.named_source(file, name, python, hashes)

    async def hash_of(self, file: IndexFile) -> tuple[str, int]:
        """Return a file's sha256 and size."""
        return await self._indexes.hash_of(file)

    async def source_metadata(
        self, file: Sdist, name: PypiName, python: tuple[int, int] | None
    ) -> CoreMetadata:
        """Return an sdist's metadata; raises MetadataUnusable where its wheel would be of no use."""
        await self._refuse_in_vain(file, name)
        return await self._indexes.source_metadata(file, name, python)

    async def build(self, file: Sdist, name: PypiName, python: tuple[int, int] | None) -> BuiltWheel:
        """Return an sdist's wheel; raises MetadataUnusable where it would be of no use."""
        await self._refuse_in_vain(file, name)
        built = await self._indexes.build(file, name, python)
        if not _serves_all(built.tags):
            self._gave[name] = f"{file.version} gave {built.path.name}"
        return built

    async def is_in_vain(self, file: Sdist, name: PypiName) -> bool:
        """Tell whether it is certain that a source's wheel would be of no use; it is not built for that."""
        return bool(await self._why_in_vain(file, name))

    async def _refuse_in_vain(self, file: Sdist, name: PypiName) -> None:
        if ground := await self._why_in_vain(file, name):
            raise MetadataUnusable(
                f"{IN_VAIN}{host_platform()} alone when built here: it has to be compiled, and {ground}"
            )

    async def _why_in_vain(self, file: Sdist, name: PypiName) -> str:
        if name in self._demanded:
            return ""
        ground = await self._once.do(file.url, lambda: self._ground(file, name))
        return self._gave.get(name, "") if ground == "" else ground or ""

    async def _ground(self, file: Sdist, name: PypiName) -> str | None:
        """Return what makes it certain that a build would be in vain.

        :returns: empty where nothing but a build of another release could; None where not even that.
        """
        releases = (await self._indexes.project(name)).releases
        place = bisect_left(releases, file.version)
        own = _wheels(releases, [place] if place < len(releases) and releases[place] == file.version else [])
        if any(_serves_all(wheel.tags) for wheel in own):
            return None
        tool = await self._indexes.what_would_compile(file, name)
        if tool is None:
            return None
        if own:
            return _of_one_platform(releases, [place])
        if tool:
            return f"{tool} builds it"
        near = _nearest(releases, place)
        wheels = _wheels(releases, near)
        if not wheels or any(_serves_all(wheel.tags) for wheel in wheels):
            return ""
        return _of_one_platform(releases, near)


def _serves_all(tags: str) -> bool:
    """Tell whether wheels with these tags run on every platform (PEP 425)."""
    return "any" in tags.rpartition("-")[2].split(".")


def _wheels(releases: Releases, places: Sequence[int]) -> list[Wheel]:
    """Return the wheels of some releases, yanked ones too: they tell what is made of the source."""
    return [file for place in places for file in releases.files(place) if isinstance(file, Wheel)]


def _nearest(releases: Releases, place: int) -> list[int]:
    """Return where the nearest releases with wheels are, before and after a place that has none."""
    before = next((each for each in range(place - 1, -1, -1) if releases.kinds[each] & WHEEL), None)
    after = next((each for each in range(place, len(releases)) if releases.kinds[each] & WHEEL), None)
    return [each for each in (before, after) if each is not None]


def _of_one_platform(releases: Releases, places: Sequence[int]) -> str:
    return f"every wheel of {' and '.join(str(releases[place]) for place in places)} is for one platform"
