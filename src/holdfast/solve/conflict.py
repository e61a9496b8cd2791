"""Whether specs can be met at all, and why not in few words.

py-rattler writes down every way in which a conflict comes about, and cannot be asked not to. Of eight
projects with eight versions each, that can be gigabytes of text, and the process dies of it. So it is never
given an unsatisfiable request with many candidates: all that is asked for hangs on one package, which has
another version that needs nothing. It is decided first, so where that version is chosen there is no solution,
and there is no text either. What people are shown is the text of the same conflict among the newest versions:
what has no solution has none with fewer candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.solve.encoding import is_solver_name, make_record

if TYPE_CHECKING:
    from rattler import PackageName, RepoDataRecord, Subdir
    from rattler.repo_data.source import RepoDataSource

__all__ = ["LONGEST_TEXT", "MOST_VERSIONS", "Newest", "WayOut"]

LONGEST_TEXT = 1000
"""Characters: beyond, no account of one version more is asked for, since each makes it a few times longer."""
MOST_VERSIONS = 4
"""Of each project that an account speaks of."""

_WHOLE, _NOTHING = 1, 0


class WayOut:
    """A py-rattler ``RepoDataSource`` of one package: its higher version needs all specs, the lower nothing.

    :param specs: MatchSpecs, in the order in which the solver gets them.
    """

    NAME = "pypi--request--all"  # no project's name has two dashes in a row

    def __init__(self, specs: Sequence[str]) -> None:
        self._records = [
            make_record(self.NAME, _NOTHING, "nothing"),
            make_record(self.NAME, _WHOLE, "whole", depends=specs),
        ]

    def was_taken(self, solved: Sequence[RepoDataRecord]) -> bool:
        """Tell whether a solution is one without the specs: then they have none."""
        return any(
            record.name.normalized == self.NAME and str(record.version) == str(_NOTHING) for record in solved
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


class Newest:
    """Another source, of which only the newest versions of each PyPI project are there.

    :param count: how many.
    :ivar left_out: whether there were more.
    """

    def __init__(self, source: RepoDataSource, count: int) -> None:
        self._source = source
        self._count = count
        self.left_out = False

    async def fetch_package_records(self, platform: Subdir, name: PackageName) -> list[RepoDataRecord]:
        """Return the records of the newest versions."""
        records = await self._source.fetch_package_records(platform, name)
        if not is_solver_name(str(name.normalized)):
            return records
        ordinals = {int(str(record.version)) for record in records}
        kept = set(sorted(ordinals)[-self._count :])
        self.left_out |= len(kept) < len(ordinals)
        return [record for record in records if int(str(record.version)) in kept]

    def package_names(self, platform: Subdir) -> list[str]:
        """Return the names of the source."""
        return self._source.package_names(platform)
