"""Which files of a project may take part at all: decided once per project, before the first round.

Pre-releases and yanked files are a matter of the project, not of one requirement (docs/solving.md):
were they admitted requirement by requirement, ordinals would move and "unsatisfiable" would stop
meaning unsatisfiable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from conjoin.errors import Unreachable
from conjoin.index.pypi.project import (
    PRERELEASE,
    SDIST,
    WHEEL,
    YANKED,
    IndexFile,
    Project,
    Releases,
    Sdist,
    Wheel,
)
from conjoin.solve.candidates.ordinals import Ordinals
from conjoin.spec.names import PypiName
from conjoin.spec.requirements import PypiRequirement, Requirements
from conjoin.untrusted import split_url

__all__ = ["CandidatePolicy", "EligibleReleases", "Refusal", "ReleaseFiles"]

_EXACT = ("==", "===")


class Refusal(msgspec.Struct, frozen=True):
    """Why a file cannot be chosen.

    :ivar reason: one clause, fit to follow the file's name.
    """

    filename: str
    version: Version
    reason: str


class ReleaseFiles(msgspec.Struct, frozen=True):
    """The files of one release: those that may take part, and why others may not.

    :ivar wheels: sorted as the index lists them.
    :ivar sdist: to be built where no wheel serves.
    :ivar unbuilt: a source distribution left aside, since wheels are tried first.
    """

    wheels: tuple[Wheel, ...] = ()
    sdist: Sdist | None = None
    unbuilt: Sdist | None = None
    refusals: tuple[Refusal, ...] = ()


class EligibleReleases:
    """The releases of a project that may take part; their files are looked at when somebody asks for them.

    :ivar releases: all there are.
    :ivar present: positions of those that have something to choose, ascending.
    :ivar prereleases: whether pre-releases of this project take part.
    :ivar has_unbuilt: whether there are source distributions left aside.
    """

    def __init__(
        self,
        releases: Releases,
        present: Sequence[int],
        choose: Callable[[Iterable[Wheel | Sdist]], ReleaseFiles],
        *,
        prereleases: bool,
        has_unbuilt: bool,
        known: Mapping[int, ReleaseFiles] | None = None,
    ) -> None:
        self.releases = releases
        self.present = present
        self.prereleases = prereleases
        self.has_unbuilt = has_unbuilt
        self._choose = choose
        self._files: dict[int, ReleaseFiles] = dict(known or {})
        self._versions: dict[int, frozenset[Version]] = {}
        self._numbered: dict[tuple[int, frozenset[Version]], Ordinals] = {}

    def at(self, position: int) -> ReleaseFiles:
        """Return the files of the release at a position."""
        found = self._files.get(position)
        if found is None:
            found = self._files[position] = self._choose(self.releases.files(position))
        return found

    def fitting(self, position: int, fits: Callable[[str], bool]) -> ReleaseFiles:
        """Return the same without the wheels whose tags do not fit."""
        return self._choose(self.releases.fitting(position, fits))

    def numbered(self, present: Sequence[Version], bridged: frozenset[Version]) -> Ordinals:
        """Return ordinals for versions of these releases, and for those that conda packages provide.

        Platforms for which they are the same share them, with what specifiers allow of them.
        """
        if bridged and len(present) not in self._versions:
            self._versions[len(present)] = frozenset(present)
        # Conda mostly provides what wheels do.
        new = bridged - self._versions[len(present)] if bridged else bridged
        key = (len(present), new)
        if key not in self._numbered:
            self._numbered[key] = Ordinals([*present, *new]) if new else Ordinals.of_ascending(present)
        return self._numbered[key]

    def refusals(self) -> tuple[Refusal, ...]:
        """Return why files may not take part; every file of the project is looked at."""
        return tuple(each for place in range(len(self.releases)) for each in self.at(place).refusals)


class CandidatePolicy:
    """The user's rules on pre-releases, yanked files, hashes, dates and binaries.

    :param sources: whether source distributions of every project take part, not only of those that
        ``--no-binary`` names.
    """

    def __init__(self, requirements: Requirements, *, sources: bool = False) -> None:
        self._requirements = requirements
        self._sources = sources
        self._eligible: dict[tuple[PypiName, bool], tuple[Project, EligibleReleases]] = {}
        self._typed: dict[PypiName, list[PypiRequirement]] = {}
        for requirement in _typed(requirements):
            self._typed.setdefault(requirement.name, []).append(requirement)
        self._cutoff = (
            datetime.fromisoformat(requirements.exclude_newer.replace("Z", "+00:00"))
            if requirements.exclude_newer
            else None
        )

    def eligible(self, project: Project, conda_versions: Iterable[Version]) -> EligibleReleases:
        """Divide a project's files into those that may take part and those that may not.

        :param conda_versions: versions that conda packages provide; a final one among them counts when
            asking whether nothing but pre-releases exists.
        :raises Unreachable: where ``exclude-newer`` is asked for and the index gives no upload times.
        """
        conda_final = not self._cutoff and any(not version.is_prerelease for version in conda_versions)
        # Platforms that are solved side by side ask for the same page.
        key = (project.name, conda_final)
        known, eligible = self._eligible.get(key, (None, None))
        if eligible is None or known is not project:
            eligible = self._divide(project, conda_final)
            self._eligible[key] = project, eligible
        return eligible

    def _divide(self, project: Project, conda_final: bool) -> EligibleReleases:
        name, releases = project.name, project.releases
        self._check_upload_times(project)
        pinned = self._pinned_versions(name)
        hashes = self.hashes(name)
        finals = conda_final or any(
            kind & (WHEEL | SDIST)
            and not kind & PRERELEASE
            and (not self._cutoff or self._has_early(releases.files(place)))
            for place, kind in enumerate(releases.kinds)
        )
        prereleases = self._requirements.prereleases or self._asks_for_prereleases(name) or not finals
        must_build = _names(self._requirements.no_binary, name)
        may_build = not _names(self._requirements.only_binary, name)
        builds = may_build and (self._sources or must_build)

        def choose(files: Iterable[Wheel | Sdist]) -> ReleaseFiles:
            wheels: list[Wheel] = []
            sdist: Sdist | None = None
            refusals: list[Refusal] = []
            for file in files:
                reason = self._refusal(file, name, pinned, hashes, prereleases)
                if reason is not None:
                    refusals.append(Refusal(file.filename, file.version, reason))
                elif isinstance(file, Wheel):
                    wheels.append(file)
                else:
                    sdist = file
            aside = None if builds else sdist
            return ReleaseFiles(tuple(wheels), sdist if builds else None, aside, tuple(refusals))

        # Thousands of releases, nearly all of which are plain: of those what they are says enough.
        wanted = (0 if must_build else WHEEL) | (SDIST if may_build else 0)
        shut = 0 if prereleases else PRERELEASE
        is_plain = not self._cutoff and not hashes
        looked_at: dict[int, ReleaseFiles] = {}
        present: list[int] = []
        has_unbuilt = False
        for place, kind in enumerate(releases.kinds):
            if is_plain and not (pinned and kind & YANKED):
                if kind & wanted and not kind & shut:
                    present.append(place)
                    has_unbuilt |= bool(kind & wanted & SDIST) and not builds
            else:
                one = looked_at[place] = choose(releases.files(place))
                if one.wheels or one.sdist or one.unbuilt:
                    present.append(place)
                    has_unbuilt |= one.unbuilt is not None
        return EligibleReleases(
            releases, present, choose, prereleases=prereleases, has_unbuilt=has_unbuilt, known=looked_at
        )

    def _has_early(self, files: Iterable[IndexFile]) -> bool:
        """Tell whether a file of these was uploaded in time, and was not yanked."""
        return any(file.yanked is None and not self._is_too_new(file) for file in files)

    def hashes(self, name: PypiName) -> set[str]:
        """Return the digests (``sha256:...``) of which a project's file must have one; none for any."""
        typed = self._typed.get(name, [])
        return {digest for item in typed for digest in (*item.hashes, *url_digests(item.url))}

    def may_bridge(self, name: PypiName) -> bool:
        """Tell whether a conda package may provide a project: not where a hash or a build is asked for."""
        return not self.hashes(name) and not _names(self._requirements.no_binary, name)

    def _is_too_new(self, file: IndexFile) -> bool:
        return self._cutoff is not None and (file.upload_time is None or file.upload_time > self._cutoff)

    def _refusal(
        self,
        file: IndexFile,
        name: PypiName,
        pinned: list[SpecifierSet],
        hashes: set[str],
        prereleases: bool,
    ) -> str | None:
        if file.version.is_prerelease and not prereleases:
            return "is a pre-release (--pre admits them)"
        if file.yanked is not None and not any(file.version in pin for pin in pinned):
            said = f": {file.yanked}" if file.yanked else ""
            return f"was yanked{said} (only == admits it)"
        if self._cutoff is not None:
            if file.upload_time is None:
                return "has no upload time, and exclude-newer is set"
            if file.upload_time > self._cutoff:
                return f"was uploaded after {self._requirements.exclude_newer}"
        if hashes and file.sha256 is not None and f"sha256:{file.sha256}" not in hashes:
            return "has none of the hashes asked for"
        must_build = _names(self._requirements.no_binary, name)
        if isinstance(file, Sdist):
            if _names(self._requirements.only_binary, name):
                return "is a source distribution, and --only-binary excludes it"
            return None
        return "is a wheel, and --no-binary asks for a source distribution" if must_build else None

    def _check_upload_times(self, project: Project) -> None:
        if self._cutoff and len(project.releases) and not any(file.upload_time for file in project.files):
            raise Unreachable(
                f"the index gives no upload times for {project.name}, so exclude-newer cannot be honoured",
                where=project.index or None,
                advice="use an index that gives them (PEP 700), or drop --exclude-newer",
            )

    def _pinned_versions(self, name: PypiName) -> list[SpecifierSet]:
        pins: list[SpecifierSet] = []
        for requirement in self._typed.get(name, []):
            pins.extend(
                SpecifierSet(str(specifier), prereleases=True)
                for specifier in SpecifierSet(requirement.specifier)
                if specifier.operator in _EXACT and not specifier.version.endswith(".*")
            )
        return pins

    def _asks_for_prereleases(self, name: PypiName) -> bool:
        return any(
            _names_prerelease(requirement.specifier)
            for requirement in self._typed.get(name, [])
            if requirement.specifier
        )


def _names_prerelease(specifier: str) -> bool:
    try:
        return bool(SpecifierSet(specifier).prereleases)
    except InvalidVersion:  # packaging before 26, of `===` with what is no version
        return False


def _names(listed: Iterable[str], name: PypiName) -> bool:
    return name in listed or ":all:" in listed


def url_digests(url: str) -> list[str]:
    """Return the digest in a URL's fragment (``#sha256=...``), as ``sha256:...``."""
    found = parse_qs(split_url(url).fragment).get("sha256", [])
    return [f"sha256:{digest.lower()}" for digest in found]


def _typed(requirements: Requirements) -> Iterable[PypiRequirement]:
    yield from requirements.pypi
    yield from requirements.constraints
    yield from requirements.overrides
