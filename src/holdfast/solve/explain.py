"""Why nothing satisfies a request, in the words that people typed: the likeliest cause first."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import NoSolution
from holdfast.solve.causes import causes, each_once, together
from holdfast.solve.reasons import Demand, demands, plain
from holdfast.solve.translate import translated
from holdfast.solve.world import PypiWorld
from holdfast.spec.requirements import Requirements

__all__ = ["Explanation", "explain"]

_MOST_LINES = 20


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


def explain(reasons: str, requirements: Requirements, world: PypiWorld | None) -> Explanation:
    """Return the error for an unsatisfiable request.

    :param reasons: the solver's own words.
    :param world: the PyPI side, None where the conda side alone has no solution.
    """
    account = translated(reasons, world)
    asked = demands(account)
    found = causes(reasons, account, asked, requirements, world)
    lines = plain(account).splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} lines more"]
    first = found[0] if found else together(asked)
    return Explanation(
        first.text,
        tuple(dict.fromkeys(cause.text for cause in each_once(found))),
        "\n".join(lines),
        first.advice,
        account=account,
        absent=[cause.absent for cause in found if cause.absent],
    )
