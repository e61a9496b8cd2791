"""Why nothing satisfies a request, in the words that people typed: the likeliest cause first."""

from __future__ import annotations

from conjoin.solve.report.causes import causes, each_once, together
from conjoin.solve.report.explanation import Explanation
from conjoin.solve.report.reasons import demands, plain
from conjoin.solve.report.translate import translated
from conjoin.solve.search.provider import PypiProvider
from conjoin.spec.requirements import Requirements

__all__ = ["Explanation", "explain"]

_MOST_LINES = 20


def explain(reasons: str, requirements: Requirements, provider: PypiProvider | None) -> Explanation:
    """Return the error for an unsatisfiable request.

    :param reasons: the solver's own words.
    :param provider: the PyPI side, None where the conda side alone has no solution.
    """
    account = translated(reasons, provider)
    asked = demands(account)
    found = causes(reasons, account, asked, requirements, provider)
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
