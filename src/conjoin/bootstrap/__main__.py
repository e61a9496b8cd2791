"""``python -m conjoin.bootstrap``, and what ``bootstrap.pyz`` runs."""

from __future__ import annotations

import sys

from conjoin.bootstrap.command import main

__all__ = []  # type: list[str]

if __name__ == "__main__":
    sys.exit(main())
