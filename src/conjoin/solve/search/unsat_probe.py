"""Whether specs can be met at all, found out without the solver's account of why not.

py-rattler writes down every way in which a conflict comes about, and cannot be asked not to. Of eight
projects with eight versions each, that can be gigabytes of text, and the process dies of it. So it is never
given an unsatisfiable request: all that is asked for applies only if one package of ours has the version that
is preferred, and it has another one, under which nothing is asked for. That package is decided first; where
the other version is chosen there is no solution, and there is no text either. Where there is a solution, it
is the one that the bare request would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conjoin.solve.candidates.encoding import make_record
from conjoin.spec.requirements import Strategy

if TYPE_CHECKING:
    from rattler import PackageName, RepoDataRecord, Subdir

__all__ = ["WayOut"]


class WayOut:
    """A py-rattler ``RepoDataSource`` of one package: under its preferred version all specs apply, else none.

    :param strategy: which of the two versions the solver prefers.
    """

    NAME = "pypi--request--all"  # no project's name has two dashes in a row

    def __init__(self, strategy: Strategy = "highest") -> None:
        self._all, self._none = (1, 0) if strategy == "highest" else (0, 1)
        self._records = [make_record(self.NAME, self._none, "none"), make_record(self.NAME, self._all, "all")]

    def specs(self, specs: Sequence[str]) -> list[str]:
        """Return MatchSpecs that ask for the same, or for nothing."""
        return [self.NAME, *(_conditional(spec, f"{self.NAME} =={self._all}") for spec in specs)]

    def was_taken(self, solved: Sequence[RepoDataRecord]) -> bool:
        """Tell whether a solution is one without the specs: then they have none."""
        return any(
            record.name.normalized == self.NAME and str(record.version) == str(self._none)
            for record in solved
        )

    def without(self, solved: Sequence[RepoDataRecord]) -> list[RepoDataRecord]:
        """Return a solution's other records."""
        return [record for record in solved if record.name.normalized != self.NAME]

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the two records."""
        return self._records if str(platform) == "noarch" and name.normalized == self.NAME else []

    def package_names(self, platform: Subdir) -> list[str]:
        """Return the only name there is."""
        return [self.NAME]


def _conditional(spec: str, condition: str) -> str:
    """Return a MatchSpec that applies where another one is met (py-rattler's ``when``)."""
    before, bracket, inside = spec.rstrip().removesuffix("]").partition("[")
    return f'{before}[{inside}, when="{condition}"]' if bracket else f'{before}[when="{condition}"]'
