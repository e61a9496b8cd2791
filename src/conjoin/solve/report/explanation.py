"""The error of a request that nothing satisfies; imported by who catches it, too, so it imports little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conjoin.errors import NoSolution

if TYPE_CHECKING:
    from conjoin.solve.report.reasons import Demand

__all__ = ["Explanation"]


class Explanation(NoSolution):
    """No environment can satisfy the requirements.

    :ivar causes: one sentence each, the likeliest first.
    :ivar reasons: who asks for what along the chains, as a tree, in names and versions that people know.
    :ivar account: the same in the solver's own words.
    :ivar absent: requirements that nothing meets, of which channels and indexes may know more.
    """

    def __init__(
        self,
        what: str,
        causes: tuple[str, ...],
        reasons: str,
        advice: str | None,
        *,
        account: str = "",
        absent: Sequence[Demand] = (),
    ) -> None:
        super().__init__(what, advice=advice)
        self.causes = causes
        self.reasons = reasons
        self.account = account or reasons
        self.absent = tuple(absent)

    def told(self, cause: str, advice: str | None) -> Explanation:
        """Return it with another cause in front, once more is known of what is absent."""
        causes = (cause, *self.causes[1:])
        return Explanation(cause, causes, self.reasons, advice or self.advice, account=self.account)
