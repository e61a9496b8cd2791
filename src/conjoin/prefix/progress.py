"""What hydrating reports while it works; who shows it is the caller's business."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Silent"]


class Progress(Protocol):
    """Receives progress; calls come from several threads, one at a time."""

    def start(self, total_bytes: int, packages: int) -> None:
        """Begin fetching: this many packages and bytes (0 where origins did not say) are not here yet."""

    def advance(self, received_bytes: int, finished_packages: int) -> None:
        """Take that so many more bytes arrived, and so many more packages are ready."""

    def phase(self, name: str) -> None:
        """Begin a step: ``fetch``, ``link`` or ``wheels``."""

    def warn(self, message: str) -> None:
        """Take something the user should know, which does not stop the work."""

    def finish(self) -> None:
        """End: the prefix is complete, or the work failed."""


class Silent:
    """Progress that nobody looks at."""

    def start(self, total_bytes: int, packages: int) -> None:
        """Say nothing."""

    def advance(self, received_bytes: int, finished_packages: int) -> None:
        """Say nothing."""

    def phase(self, name: str) -> None:
        """Say nothing."""

    def warn(self, message: str) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""
