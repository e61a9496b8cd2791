"""``python -m holdfast.bootstrap``, and what ``bootstrap.pyz`` runs."""

from __future__ import annotations

import sys

from holdfast.bootstrap.command import main

__all__ = []  # type: list[str]

if __name__ == "__main__":
    sys.exit(main())
