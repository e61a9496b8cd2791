"""What the demo asks for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from conjoin.config.load import load_settings
from conjoin.spec.build import build_requirements
from conjoin.spec.requirements import Requirements

__all__ = ["NUMPYS", "PYPI", "conda_packages", "has_compiler", "requirements"]

NUMPYS = ("numpy==1.26.4", "numpy==2.2.6")
"""What the channel has; both have wheels for Python 3.10, 3.11 and 3.12."""

PYPI = ("contourpy==1.2.0", "requests", "rich")
"""The first one asks for ``numpy>=1.20,<2.0``."""


def has_compiler() -> bool:
    """Tell whether the sample, a C library and a program, can be built here."""
    return any(shutil.which(name) for name in ("cc", "gcc", "clang"))


def conda_packages() -> tuple[str, ...]:
    """Return what is asked of the channel: the newest numpy and, where there is one, the C program."""
    return ("numpy", "forgedemo") if has_compiler() else ("numpy",)


def requirements(channel: Path, conda: Sequence[str], pypi: Sequence[str] = ()) -> Requirements:
    """Return a request on the demo's channel and the user's PyPI index, deaf to all other settings."""
    settings = load_settings().only("index-url", "extra-index-urls")
    return build_requirements(conda=conda, pypi=pypi, channels=[str(channel)], settings=settings)
