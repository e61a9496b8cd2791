"""What a try may fail with, where the next one may not."""

from __future__ import annotations

__all__ = ["TryAgain"]


class TryAgain(Exception):
    """A server error, throttling, a cut connection: of this moment.

    :param pause: seconds that the server asked to wait, 0 where it did not.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause
