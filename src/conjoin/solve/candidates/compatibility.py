"""Which Python builds a wheel runs on, and which of a version's wheels serves each best."""

from __future__ import annotations

from collections.abc import Sequence

from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.index.pypi.wheel_tags import PythonAbi, supported, why_not
from conjoin.solve.candidates.policy import Refusal
from conjoin.solve.candidates.pythons import Mask, PythonBuild, PythonPool

__all__ = ["Compatibility"]


class Compatibility:
    """Tells which Python builds a wheel runs on, and which of a version's wheels serves each best."""

    def __init__(self, pythons: PythonPool, platform_tags: Sequence[str]) -> None:
        self.pythons = pythons
        self._platform_tags = tuple(platform_tags)
        self._ranks: dict[str, tuple[int | None, ...]] = {}
        self._fits: dict[str, bool] = {}
        self._abis = tuple(_abi(build) for build, _ in pythons.abi_groups)

    def ranks(self, tags: str) -> tuple[int | None, ...]:
        """Return, for each ABI of the pool, how well the tags fit (less is better), None for not at all."""
        if tags not in self._ranks:
            self._ranks[tags] = tuple(supported(tags, abi, self._platform_tags) for abi in self._abis)
        return self._ranks[tags]

    def fits(self, tags: str) -> bool:
        """Tell whether wheels with these tags run on any Python build."""
        fits = self._fits.get(tags)
        if fits is None:
            fits = self._fits[tags] = any(rank is not None for rank in self.ranks(tags))
        return fits

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

    def refusal(self, wheel: Wheel | Sdist) -> Refusal:
        """Say why no Python build of the pool can use a file."""
        if isinstance(wheel, Sdist):
            reason = f"needs Python {wheel.requires_python}"
        elif self.pythons.requires_python(wheel.requires_python) is None:
            reason = f"has an invalid Requires-Python ({wheel.requires_python})"
        elif not self.fits(wheel.tags):
            reason = (
                why_not(wheel.tags, self._abis, self._platform_tags)
                if self._abis
                else "there is no Python for it"
            )
        else:
            reason = f"needs Python {wheel.requires_python}"
        return Refusal(wheel.filename, wheel.version, reason)


def _abi(build: PythonBuild) -> PythonAbi:
    return PythonAbi(build.implementation, *build.minor, build.free_threaded)


def _negated_build(wheel: Wheel) -> tuple[int, str]:
    return (-wheel.build[0], wheel.build[1]) if wheel.build else (0, "")
