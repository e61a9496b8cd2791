"""How many examples hypothesis tries: a few that are always the same, or for hours, others each time.

What decides whether a change lands must not depend on chance; ``make fuzz`` looks for what nobody has seen
(docs/testing.md).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

__all__ = ["examples"]

_FEW = 60
_TIMES = 20
"""As many examples ``make fuzz`` tries for each one here."""

# No test has a clock: how long an example takes, or is thought of, is the machine's affair.
_clockless = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", _clockless, max_examples=_FEW, derandomize=True)
settings.register_profile("fuzz", _clockless, max_examples=_FEW * _TIMES, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "few"))


def examples(few: int) -> int:
    """Return how many examples a test tries that needs other than the usual number, which is 60.

    :param few: where the examples are always the same.
    """
    return few * settings.default.max_examples // _FEW
