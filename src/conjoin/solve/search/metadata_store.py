"""What is known of files so far: it only ever grows, so the loop ends (docs/solving.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.project import CoreMetadata, Sdist, Wheel
from conjoin.solve.candidates.compatibility import Compatibility
from conjoin.solve.candidates.metadata import Known, ProjectSource
from conjoin.solve.candidates.project_candidates import Candidate
from conjoin.solve.candidates.pythons import Mask
from conjoin.solve.preferences.pins import Pins, still_open
from conjoin.spec.names import PypiName

if TYPE_CHECKING:
    from conjoin.build.built_wheels import BuiltWheel

__all__ = ["MetadataStore"]


class MetadataStore:
    """Metadata of files, read when somebody has a use for it, and the wheels that were built of sources.

    A file is unknown, known, or unusable (with the reason). It never goes back, but for a pinned wheel, of
    which something was only presumed: once somebody asks for an extra that is new, it is read.

    :param unwanted: projects that nothing may depend on: it is as if nobody asked for them.
    :param pins: the packages of the environment that is being extended, None where there is none.
    :param hashes: returns the digests of which a project's file must have one; none for any.
    :ivar built: wheels made of chosen source distributions, by the URL of the source.
    """

    def __init__(
        self,
        source: ProjectSource,
        compatibility: Compatibility,
        *,
        unwanted: frozenset[PypiName] = frozenset(),
        pins: Pins | None = None,
        hashes: Callable[[PypiName], set[str]],
    ) -> None:
        self._source = source
        self._compatibility = compatibility
        self._pythons = compatibility.pythons
        self._unwanted = unwanted
        self._pins = pins
        self._hashes = hashes
        self._known: dict[str, Known] = {}
        self._unusable: dict[str, str] = {}
        self._reopened: set[PypiName] = set()
        self._built: dict[str, BuiltWheel] = {}
        if pins is not None:
            for name, file in pins.files.items():
                self._known.setdefault(file.url, pins.presumed(name))

    @property
    def built(self) -> Mapping[str, BuiltWheel]:
        """Wheels made of chosen source distributions, by the URL of the source."""
        return self._built

    def known(self, file: Wheel | Sdist) -> Known | None:
        """Return what is known of a file, None where it is unknown or unusable."""
        return self._known.get(file.url)

    def unusable(self, file: Wheel | Sdist) -> str | None:
        """Return why a file cannot be used, None where it can or nobody has looked."""
        return self._unusable.get(file.url)

    def is_open(self, file: Wheel | Sdist) -> bool:
        """Tell whether nobody has looked at a file yet."""
        return file.url not in self._known and file.url not in self._unusable

    def mask(self, candidate: Candidate) -> Mask:
        """Return the Pythons a candidate serves, as far as is known."""
        known = self._known.get(candidate.file.url)
        if known is None:
            return candidate.mask
        return candidate.mask & (self._pythons.requires_python(known.metadata.requires_python) or 0)

    def is_usable(self, candidate: Candidate) -> bool:
        """Tell whether a candidate serves any Python, as far as is known."""
        return candidate.file.url not in self._unusable and bool(self.mask(candidate))

    def refuse(self, file: Wheel | Sdist, reason: str) -> None:
        """Mark a file as unusable."""
        self._known.pop(file.url, None)
        self._unusable[file.url] = reason

    def reopen_for(self, name: PypiName, extras: Iterable[str]) -> bool:
        """Have a pinned wheel read once an extra is asked for that was not asked for before.

        :returns: whether it has to be read now, and had not to be before.
        """
        pinned = self._pins.wheels.get(name) if self._pins else None
        if self._pins is None or pinned is None or name in self._reopened:
            return False
        if set(extras) <= set(pinned.extras):
            return False
        self._reopened.add(name)
        self._known.pop(self._pins.files[name].url, None)
        return True

    async def learn(
        self, files: Iterable[tuple[PypiName, Wheel | Sdist]], python: tuple[int, int] | None = None
    ) -> list[PypiName]:
        """Read the metadata of files nobody has looked at, side by side; return their projects.

        One that has none of the hashes asked for is refused.

        :param python: major and minor version of Python that is expected, to build with.
        :raises Unreachable: where the index cannot be reached.
        """
        fresh = list({file.url: (name, file) for name, file in files if self.is_open(file)}.values())
        ask = []
        for name, file in fresh:
            known = self._source.at_hand(file) if isinstance(file, Wheel) else None
            if known is None:
                ask.append(self._read(name, file, python))
            else:
                self._note(name, file, known)
        if ask:
            await asyncio.gather(*ask)
        demanded = [(name, file) for name, file in fresh if self._hashes(name)]
        if demanded:
            await asyncio.gather(*(self._check_hash(name, file) for name, file in demanded))
        return [name for name, _ in fresh]

    async def _read(self, name: PypiName, file: Wheel | Sdist, python: tuple[int, int] | None) -> None:
        try:
            if isinstance(file, Sdist):
                self._note(name, file, await self._source.source_metadata(file, name, python))
            else:
                self._note(name, file, await self._source.metadata(file))
        except MetadataUnusable as error:
            self._note(name, file, error)

    def _note(self, name: PypiName, file: Wheel | Sdist, metadata: CoreMetadata | MetadataUnusable) -> None:
        if isinstance(metadata, MetadataUnusable):
            self._unusable[file.url] = metadata.reason
            return
        dependencies = metadata.dependencies
        if self._unwanted:
            dependencies = tuple(each for each in dependencies if each.name not in self._unwanted)
        known = Known(metadata, dependencies)
        if self._pins is not None and name in self._reopened:
            # What of a pinned wheel's dependencies the pins satisfy already is not asked for again.
            known = still_open(known, self._pins.wheels[name].extras, self._pythons)
        self._known[file.url] = known

    async def _check_hash(self, name: PypiName, file: Wheel | Sdist) -> None:
        """Refuse a file that has none of the hashes asked for, where its index announced none."""
        if file.sha256 is None and self.known(file) is not None:
            digest, _ = await self._source.hash_of(file)
            if f"sha256:{digest}" not in self._hashes(name):
                self.refuse(file, "has none of the hashes asked for")

    async def build(self, candidate: Candidate, python: Mask) -> bool:
        """Build a chosen source distribution; where its wheel cannot serve the chosen Python, refuse it.

        :returns: whether it serves.
        """
        assert isinstance(candidate.file, Sdist)
        try:
            minor = self._pythons.minor(python)
            built = await self._source.build(candidate.file, candidate.project, minor)
        except MetadataUnusable as error:
            reason = error.reason
        else:
            if self._compatibility.runs_on(built.tags) & python:
                self._built[candidate.file.url] = built
                return True
            reason = (
                f"gives {built.path.name} when built here, which cannot serve the target; a pure wheel would"
            )
        self.refuse(candidate.file, reason)
        return False
