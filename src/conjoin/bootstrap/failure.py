"""What a try may fail with, where the next one may not."""

from __future__ import annotations

__all__ = ["TryAgain"]


class TryAgain(Exception):
    """A server error, throttling, a cut connection: of this moment."""
