"""The candidates of one PyPI project: wheels grouped by the Pythons they serve, and bridges to conda."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from holdfast.index.project import Sdist, Wheel
from holdfast.index.wheel_tags import PythonAbi, supported, why_not
from holdfast.solve.admission import Admitted, Refusal
from holdfast.solve.ordinals import Ordinals
from holdfast.solve.pythons import Mask, PythonBuild, PythonPool
from holdfast.spec.names import CondaName, PypiName

__all__ = ["Bridge", "Candidate", "ProjectPool", "WheelJudge", "direct_pool", "make_pool"]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A file, and the Python builds it is the best of its version for.

    :ivar file: a wheel, or a source distribution to make one of.
    :ivar number: position in the pool, which names its records.
    :ivar direct: whether the user named the file itself by URL or path.
    """

    project: PypiName
    number: int
    file: Wheel | Sdist
    ordinal: int
    mask: Mask
    direct: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Bridge:
    """A conda package that provides the project in one version.

    :ivar spellings: the conda versions equal to it under PEP 440.
    :ivar file: a wheel of the same version to read extras' requirements from, if there is one.
    """

    project: PypiName
    conda: CondaName
    ordinal: int
    spellings: tuple[str, ...]
    file: Wheel | None


@dataclass(slots=True, eq=False)
class ProjectPool:
    """One project, as the solver is shown it.

    :ivar owners: conda packages that provide the project; a wheel constrains them away.
    :ivar refusals: files that the user's rules exclude, with the reason.
    :ivar unbuilt: source distributions left aside, since wheels are tried first.
    :ivar misfits: wheels that run on no Python of the pool; :meth:`WheelJudge.refusal` says why.
    """

    name: PypiName
    ordinals: Ordinals
    candidates: tuple[Candidate, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    owners: tuple[CondaName, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    misfits: tuple[Wheel, ...] = ()
    unbuilt: tuple[Sdist, ...] = ()
    index: str = ""

    def candidates_at(self, ordinal: int) -> list[Candidate]:
        """Return the candidates of one version."""
        return [candidate for candidate in self.candidates if candidate.ordinal == ordinal]


class WheelJudge:
    """Tells which Python builds a wheel runs on, and which of a version's wheels serves each best."""

    def __init__(self, pythons: PythonPool, platform_tags: Sequence[str]) -> None:
        self.pythons = pythons
        self._platform_tags = tuple(platform_tags)
        self._ranks: dict[str, tuple[int | None, ...]] = {}
        self._abis = tuple(_abi(build) for build, _ in pythons.abi_groups)

    def ranks(self, tags: str) -> tuple[int | None, ...]:
        """Return, for each ABI of the pool, how well the tags fit (less is better), None for not at all."""
        if tags not in self._ranks:
            self._ranks[tags] = tuple(supported(tags, abi, self._platform_tags) for abi in self._abis)
        return self._ranks[tags]

    def shares(self, wheels: Sequence[Wheel]) -> list[tuple[Wheel, Mask]]:
        """Divide the Python builds among the wheels of one version: each build gets its best wheel.

        Ties go to the higher build tag, then to the file name that sorts first.
        """
        limits = [self.limit(wheel) for wheel in wheels]
        masks = [0] * len(wheels)
        order = sorted(
            range(len(wheels)),
            key=lambda index: (_negated_build(wheels[index]), wheels[index].filename),
        )
        for group, (_, members) in enumerate(self.pythons.abi_groups):
            ranked = [
                (rank, place, index)
                for place, index in enumerate(order)
                if (rank := self.ranks(wheels[index].tags)[group]) is not None
            ]
            left = members
            for _, _, index in sorted(ranked):
                share = left & limits[index]
                masks[index] |= share
                left &= ~share
                if not left:
                    break
        return [(wheel, mask) for wheel, mask in zip(wheels, masks, strict=True) if mask]

    def limit(self, file: Wheel | Sdist) -> Mask:
        """Return the Python builds that a file's Requires-Python admits."""
        return self.pythons.requires_python(file.requires_python) or 0

    def runs_on(self, tags: str) -> Mask:
        """Return the Python builds that wheels with these tags run on."""
        return sum(
            members
            for rank, (_, members) in zip(self.ranks(tags), self.pythons.abi_groups, strict=True)
            if rank is not None
        )

    def refusal(self, wheel: Wheel) -> Refusal:
        """Say why no Python build of the pool can use a wheel."""
        if self.pythons.requires_python(wheel.requires_python) is None:
            reason = f"has an invalid Requires-Python ({wheel.requires_python})"
        elif not any(rank is not None for rank in self.ranks(wheel.tags)):
            reason = (
                why_not(wheel.tags, self._abis, self._platform_tags)
                if self._abis
                else "there is no Python for it"
            )
        else:
            reason = f"needs Python {wheel.requires_python}"
        return Refusal(wheel.filename, wheel.version, reason)


def make_pool(
    name: PypiName,
    admitted: Admitted,
    conda_versions: Mapping[CondaName, Mapping[Version, tuple[str, ...]]],
    judge: WheelJudge,
    index: str,
) -> ProjectPool:
    """Build a project's pool.

    :param conda_versions: for each conda package that provides the project, its versions and their
        spellings: they may bridge, and a wheel excludes them.
    """
    by_version: dict[Version, list[Wheel]] = {}
    for wheel in admitted.wheels:
        by_version.setdefault(wheel.version, []).append(wheel)
    bridged = {
        version
        for versions in conda_versions.values()
        for version in versions
        if admitted.prereleases or not version.is_prerelease
    }
    sdists = {sdist.version: sdist for sdist in admitted.sdists}
    ordinals = Ordinals([*by_version, *bridged, *sdists])
    misfits: list[Wheel] = []
    covered: dict[Version, Mask] = {}
    candidates: list[Candidate] = []
    for version, wheels in by_version.items():
        shares = judge.shares(wheels)
        for wheel, mask in shares:
            candidates.append(Candidate(name, len(candidates), wheel, ordinals.of(version), mask))
        if not shares:
            misfits.extend(wheels)
        covered[version] = sum(mask for _, mask in shares)  # no Python has two of them
    for version, sdist in sdists.items():
        mask = judge.limit(sdist) & ~covered.get(version, 0)
        if mask:
            candidates.append(Candidate(name, len(candidates), sdist, ordinals.of(version), mask))
    bridges = [
        Bridge(
            name,
            conda,
            ordinals.of(version),
            spellings,
            by_version.get(version, [None])[0],
        )
        for conda, versions in sorted(conda_versions.items())
        for version, spellings in sorted(versions.items())
        if version in bridged
    ]
    return ProjectPool(
        name,
        ordinals,
        tuple(candidates),
        tuple(bridges),
        tuple(sorted(conda_versions)),
        admitted.refusals,
        tuple(misfits),
        admitted.unbuilt,
        index,
    )


def direct_pool(wheel: Wheel, name: PypiName, owners: Iterable[CondaName], judge: WheelJudge) -> ProjectPool:
    """Build the pool of a project that the user named by URL or path: that file, and nothing else."""
    ordinals = Ordinals([wheel.version])
    candidates = tuple(
        Candidate(name, number, wheel, 1, mask, direct=True)
        for number, (_, mask) in enumerate(judge.shares([wheel]))
    )
    misfits = () if candidates else (wheel,)
    return ProjectPool(name, ordinals, candidates, (), tuple(sorted(owners)), (), misfits, (), wheel.url)


def _abi(build: PythonBuild) -> PythonAbi:
    return PythonAbi(build.implementation, *build.minor, build.free_threaded)


def _negated_build(wheel: Wheel) -> tuple[int, str]:
    return (-wheel.build[0], wheel.build[1]) if wheel.build else (0, "")
