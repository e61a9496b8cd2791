"""Conjoin's own version: pyproject.toml takes it from here.

So nobody has to read the metadata of an installed distribution for it, which takes longer than most commands.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
