"""The candidates of one PyPI project: wheels grouped by the Pythons they serve, and bridges to conda."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial

import msgspec
from msgspec.structs import replace
from packaging.version import Version

from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.solve.candidates.compatibility import Compatibility
from conjoin.solve.candidates.ordinals import Ordinals
from conjoin.solve.candidates.policy import EligibleReleases, Refusal, ReleaseFiles
from conjoin.solve.candidates.pythons import Mask
from conjoin.spec.names import CondaName, PypiName

__all__ = ["Bridge", "Candidate", "ProjectCandidates", "direct_candidates", "make_candidates"]


class Candidate(msgspec.Struct, frozen=True, eq=False):
    """A file, and the Python builds it is the best of its version for.

    :ivar file: a wheel, or a source distribution to make one of.
    :ivar number: position among the candidates of its version.
    :ivar direct: whether the user named the file itself by URL or path.
    """

    project: PypiName
    number: int
    file: Wheel | Sdist
    ordinal: int
    mask: Mask
    direct: bool = False


class Bridge(msgspec.Struct, frozen=True, eq=False):
    """A conda package that provides the project in one version.

    :ivar spellings: the conda versions equal to it under PEP 440.
    :ivar find_file: finds what :attr:`file` is.
    """

    project: PypiName
    conda: CondaName
    ordinal: int
    spellings: tuple[str, ...]
    find_file: Callable[[], Wheel | None]

    @property
    def file(self) -> Wheel | None:
        """A wheel of the same version to read extras' requirements from, if there is one."""
        return self.find_file()


class ProjectCandidates:
    """One project: its versions, and its candidates, made and shown to the solver as they are needed.

    A project has thousands of releases, of which the solver needs a handful. It is shown the best few that
    each requirement allows, and more where they do not suffice. What it is shown is a part of what exists,
    so a solution found with it is one; that there is none only counts once everything is shown. What would
    have to be built is shown for a requirement that nothing else can meet.

    :ivar owners: conda packages that provide the project; a wheel excludes them.
    :ivar refusals: returns the files that the user's rules exclude, with the reason.
    :ivar has_unbuilt: whether source distributions are left aside, until a requirement can be met by nothing
        else.
    :ivar index: where the files are from, empty where nobody has the project.
    :ivar dropped: files that turned out to be unusable.
    :ivar shown: ordinals of the versions whose candidates the solver is shown.
    """

    def __init__(
        self,
        name: PypiName,
        ordinals: Ordinals,
        files: Callable[[int], ReleaseFiles],
        compatibility: Compatibility,
        *,
        bridges: Callable[[], Sequence[Bridge]] = tuple,
        owners: Iterable[CondaName] = (),
        refusals: Callable[[], Sequence[Refusal]] = tuple,
        has_unbuilt: bool = False,
        index: str = "",
        every_file: Callable[[int], ReleaseFiles] | None = None,
        direct: bool = False,
    ) -> None:
        self.name = name
        self.ordinals = ordinals
        self.owners = tuple(sorted(owners))
        self.refusals = refusals
        self.has_unbuilt = has_unbuilt
        self.index = index
        self.shown: set[int] = set()
        self.dropped: list[Wheel | Sdist] = []
        self._files = files
        self._every_file = every_file or files
        self._changed_files: dict[int, ReleaseFiles] = {}
        self._make_bridges = bridges
        self._compatibility = compatibility
        self._direct = direct
        self._made: dict[int, tuple[Candidate, ...]] = {}
        self._asked: set[tuple[str, int]] = set()

    @cached_property
    def bridges(self) -> tuple[Bridge, ...]:
        """The conda packages that provide the project, by name and version; of many nobody wants to know."""
        return tuple(self._make_bridges())

    @cached_property
    def bridged(self) -> frozenset[int]:
        """Ordinals of the versions that conda packages provide."""
        return frozenset(bridge.ordinal for bridge in self.bridges)

    def at(self, ordinal: int) -> tuple[Candidate, ...]:
        """Return the candidates of one version: wheels that run somewhere, then what could be built."""
        if ordinal not in self._made:
            self._made[ordinal] = tuple(self._make(ordinal))
        return self._made[ordinal]

    def _make(self, ordinal: int) -> Iterator[Candidate]:
        covered: Mask = 0
        files = self._at(ordinal)
        shares = self._compatibility.shares(files.wheels)
        for position, (wheel, mask) in enumerate(shares):
            covered |= mask
            yield Candidate(self.name, position, wheel, ordinal, mask, self._direct)
        sdist = files.sdist
        if sdist is not None and (mask := self._compatibility.limit(sdist) & ~covered):
            yield Candidate(self.name, len(shares), sdist, ordinal, mask, self._direct)

    def _at(self, ordinal: int) -> ReleaseFiles:
        found = self._changed_files.get(ordinal)
        return self._files(ordinal) if found is None else found

    def _set(self, ordinal: int, files: ReleaseFiles) -> None:
        self._changed_files[ordinal] = files
        self._made.pop(ordinal, None)

    def drop(self, file: Wheel | Sdist) -> None:
        """Leave out a file that turned out to be unusable: another of its version may serve in its place."""
        ordinal = self.ordinals.of(file.version)
        self.dropped.append(file)
        files = self._at(ordinal)
        wheels = tuple(each for each in files.wheels if each.url != file.url)
        sdist, unbuilt = (
            None if each is not None and each.url == file.url else each
            for each in (files.sdist, files.unbuilt)
        )
        self._set(ordinal, replace(files, wheels=wheels, sdist=sdist, unbuilt=unbuilt))

    def give_up_building(self) -> list[Sdist]:
        """Leave out every source distribution that is left, and return them."""
        left = []
        for ordinal in range(1, len(self.ordinals) + 1):
            files = self._at(ordinal)
            sdist = files.sdist or files.unbuilt
            if sdist is not None:
                left.append(sdist)
                self._set(ordinal, replace(files, sdist=None, unbuilt=None))
        self.dropped += left
        return left

    def is_exhausted(self, specifier: str) -> bool:
        """Tell whether nothing is left that could meet a specifier, be it conda's or built."""
        return not any(
            each in self.bridged or self.at(each) or self._at(each).unbuilt
            for each in self.ordinals.allowed(specifier)
        )

    def show(self, specifier: str, count: int) -> bool:
        """Show the solver the highest ``count`` versions a specifier allows; return whether any is new."""
        if (specifier, count) in self._asked:
            return False
        self._asked.add((specifier, count))
        before = len(self.shown)
        allowed = self.ordinals.allowed(specifier)
        if self.has_unbuilt and not any(each in self.bridged or self.at(each) for each in reversed(allowed)):
            self._take_unbuilt(allowed)
        for ordinal in reversed(allowed):
            if self.at(ordinal):
                self.shown.add(ordinal)
                count -= 1
                if count <= 0:
                    break
        return len(self.shown) > before

    def _take_unbuilt(self, ordinals: Iterable[int]) -> None:
        """Let the source distributions of some versions take part."""
        for ordinal in ordinals:
            files = self._at(ordinal)
            if files.unbuilt is not None:
                self._set(ordinal, replace(files, sdist=files.unbuilt))

    @property
    def candidates(self) -> Iterator[Candidate]:
        """The candidates that the solver is shown, lowest version first."""
        return (candidate for ordinal in sorted(self.shown) for candidate in self.at(ordinal))

    def upwards(self, ordinals: Iterable[int]) -> Iterator[Candidate]:
        """Yield the candidates of ascending ordinals, the lowest first, shown or not."""
        return (candidate for ordinal in ordinals for candidate in self.at(ordinal))

    def downwards(self, ordinals: Sequence[int]) -> Iterator[Candidate]:
        """Yield the candidates of ascending ordinals, the highest first, shown or not."""
        return (candidate for ordinal in reversed(ordinals) for candidate in self.at(ordinal))

    def misfits(self, ordinals: Iterable[int]) -> Iterator[Wheel | Sdist]:
        """Yield the files of versions none of which runs anywhere; :class:`Compatibility` says why."""
        for ordinal in ordinals:
            if not self.at(ordinal):
                left = {file.url for file in self.dropped}
                files = self._every_file(ordinal)
                sdist = self._at(ordinal).sdist
                yield from (wheel for wheel in files.wheels if wheel.url not in left)
                yield from [sdist] if sdist else []


def make_candidates(
    name: PypiName,
    eligible: EligibleReleases,
    conda_versions: Mapping[CondaName, Mapping[Version, tuple[str, ...]]],
    compatibility: Compatibility,
    index: str,
    *,
    bridging: bool = True,
    may_build: bool = True,
) -> ProjectCandidates:
    """Build a project's pool.

    :param conda_versions: for each conda package that provides the project, its versions and their
        spellings: they may bridge, and a wheel excludes them.
    :param bridging: whether they may.
    :param may_build: whether source distributions that were left aside may take part after all.
    """
    bridged = {
        version
        for versions in conda_versions.values()
        for version in versions
        if bridging and (eligible.prereleases or not version.is_prerelease)
    }
    places = eligible.present
    if eligible.has_unbuilt and not may_build:
        places = [place for place in places if (one := eligible.at(place)).wheels or one.sdist]
    present = _Present(eligible, places)
    ordinals = eligible.numbered(present, frozenset(bridged))

    def position(ordinal: int) -> int | None:
        same = len(ordinals) == len(present)  # conda has no version of its own
        return ordinal - 1 if same else present.position(ordinals.version(ordinal))

    def files(ordinal: int) -> ReleaseFiles:
        found = present.files(position(ordinal), compatibility.fits)
        return found if may_build or found.unbuilt is None else replace(found, unbuilt=None)

    def bridges() -> list[Bridge]:
        return [
            Bridge(name, conda, ordinals.of(version), spellings, partial(_first_wheel, present, version))
            for conda, versions in sorted(conda_versions.items())
            for version, spellings in sorted(versions.items())
            if version in bridged
        ]

    return ProjectCandidates(
        name,
        ordinals,
        files,
        compatibility,
        bridges=bridges,
        owners=conda_versions,
        refusals=eligible.refusals,
        has_unbuilt=eligible.has_unbuilt and may_build,
        index=index,
        every_file=lambda ordinal: present.files(position(ordinal)),
    )


class _Present(Sequence[Version]):
    """The versions that have something to choose, ascending, with their files."""

    def __init__(self, eligible: EligibleReleases, places: Sequence[int]) -> None:
        self._eligible = eligible
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, position: int) -> Version:  # type: ignore[override]
        return self._eligible.releases[self._places[position]]

    def position(self, version: Version) -> int | None:
        """Return where a version is, None where there is no such release. O(log n)."""
        position = bisect_left(self, version)
        return position if position < len(self) and self[position] == version else None

    def files(self, position: int | None, fits: Callable[[str], bool] | None = None) -> ReleaseFiles:
        """Return the files of the version at a position; of wheels, only those that fit, if that is told."""
        if position is None:
            return ReleaseFiles()
        place = self._places[position]
        return self._eligible.at(place) if fits is None else self._eligible.fitting(place, fits)


def _first_wheel(present: _Present, version: Version) -> Wheel | None:
    wheels = present.files(present.position(version)).wheels
    return wheels[0] if wheels else None


def direct_candidates(
    file: Wheel | Sdist, name: PypiName, owners: Iterable[CondaName], compatibility: Compatibility
) -> ProjectCandidates:
    """Build the pool of a project that the user named by URL or path: that file, and nothing else."""
    alone = ReleaseFiles(wheels=(file,)) if isinstance(file, Wheel) else ReleaseFiles(sdist=file)
    return ProjectCandidates(
        name,
        Ordinals([file.version]),
        lambda _: alone,
        compatibility,
        owners=owners,
        index=file.url,
        direct=True,
    )
