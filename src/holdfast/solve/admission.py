"""Which files of a project may take part at all: decided once per project, before the first round.

Pre-releases and yanked files are a matter of the project, not of one requirement (design, section 5):
were they admitted requirement by requirement, ordinals would move and "unsatisfiable" would stop
meaning unsatisfiable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from holdfast.errors import Unreachable
from holdfast.index.project import IndexFile, Project, Sdist, Wheel
from holdfast.spec.names import PypiName
from holdfast.spec.requirements import PypiRequirement, Requirements

__all__ = ["Admission", "Admitted", "Refusal"]

_EXACT = ("==", "===")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file cannot be chosen.

    :ivar reason: one clause, fit to follow the file's name.
    """

    filename: str
    version: Version
    reason: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """The files of a project that may take part, and why others may not.

    :ivar wheels: sorted as the index lists them.
    :ivar sdists: to be built where no wheel serves.
    :ivar unbuilt: source distributions left aside, since wheels are tried first.
    :ivar prereleases: whether pre-releases of this project are admitted.
    """

    wheels: tuple[Wheel, ...]
    refusals: tuple[Refusal, ...]
    prereleases: bool
    sdists: tuple[Sdist, ...] = ()
    unbuilt: tuple[Sdist, ...] = ()


class Admission:
    """The user's rules on pre-releases, yanked files, hashes, dates and binaries.

    :param sources: whether source distributions of every project take part, not only of those that
        ``--no-binary`` names.
    """

    def __init__(self, requirements: Requirements, *, sources: bool = False) -> None:
        self._requirements = requirements
        self._sources = sources
        self._admitted: dict[tuple[PypiName, bool], tuple[Project, Admitted]] = {}
        self._typed: dict[PypiName, list[PypiRequirement]] = {}
        for requirement in _typed(requirements):
            self._typed.setdefault(requirement.name, []).append(requirement)
        self._cutoff = (
            datetime.fromisoformat(requirements.exclude_newer.replace("Z", "+00:00"))
            if requirements.exclude_newer
            else None
        )

    def admit(self, project: Project, conda_versions: Iterable[Version]) -> Admitted:
        """Sort a project's files into those that may take part and those that may not.

        :param conda_versions: versions that conda packages provide; a final one among them counts when
            asking whether nothing but pre-releases exists.
        :raises Unreachable: where ``exclude-newer`` is asked for and the index gives no upload times.
        """
        conda_final = not self._cutoff and any(not version.is_prerelease for version in conda_versions)
        # Platforms that are solved side by side ask for the same page.
        key = (project.name, conda_final)
        known, admitted = self._admitted.get(key, (None, None))
        if admitted is None or known is not project:
            admitted = self._sorted(project, conda_final)
            self._admitted[key] = project, admitted
        return admitted

    def _sorted(self, project: Project, conda_final: bool) -> Admitted:
        name = project.name
        self._check_upload_times(project)
        pinned = self._pinned_versions(name)
        hashes = self.hashes(name)
        finals = conda_final or any(
            not file.version.is_prerelease
            for file in project.files
            if file.yanked is None and not self._is_too_new(file)
        )
        prereleases = self._requirements.prereleases or self._asks_for_prereleases(name) or not finals
        wheels: list[Wheel] = []
        sdists: list[Sdist] = []
        unbuilt: list[Sdist] = []
        refusals: list[Refusal] = []
        must_build = _names(self._requirements.no_binary, name)
        may_build = not _names(self._requirements.only_binary, name)
        builds = may_build and (self._sources or must_build)
        is_prerelease: dict[Version, bool] = {}
        for file in project.files:
            # Thousands of files, of which nearly all are plain: the reasons are worked out for the rest.
            version = file.version
            early = is_prerelease.get(version)
            if early is None:
                early = is_prerelease[version] = version.is_prerelease
            plain = (
                file.yanked is None and not (early and not prereleases) and not self._cutoff and not hashes
            )
            wanted = not must_build if isinstance(file, Wheel) else may_build
            reason = None if plain and wanted else self._refusal(file, name, pinned, hashes, prereleases)
            if reason is not None:
                refusals.append(Refusal(file.filename, version, reason))
            elif isinstance(file, Wheel):
                wheels.append(file)
            else:
                (sdists if builds else unbuilt).append(file)
        return Admitted(tuple(wheels), tuple(refusals), prereleases, tuple(sdists), tuple(unbuilt))

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
        if self._cutoff and project.files and not any(file.upload_time for file in project.files):
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
            bool(SpecifierSet(requirement.specifier).prereleases)
            for requirement in self._typed.get(name, [])
            if requirement.specifier
        )


def _names(listed: Iterable[str], name: PypiName) -> bool:
    return name in listed or ":all:" in listed


def url_digests(url: str) -> list[str]:
    """Return the digest in a URL's fragment (``#sha256=...``), as ``sha256:...``."""
    found = parse_qs(urlsplit(url).fragment).get("sha256", [])
    return [f"sha256:{digest.lower()}" for digest in found]


def _typed(requirements: Requirements) -> Iterable[PypiRequirement]:
    yield from requirements.pypi
    yield from requirements.constraints
    yield from requirements.overrides
