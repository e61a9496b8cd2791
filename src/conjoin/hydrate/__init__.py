"""A lock and a store become a working prefix.

``conjoin.hydrate(lock)`` is the public function (design, section 10), and this package has its name: once
any module of it is imported, the package is what ``conjoin.hydrate`` finds. So the package answers calls,
by handing them to that function.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Path:
        """Make the prefix of an environment: see :func:`conjoin.api.hydrate`."""
        prefix: Path = importlib.import_module("conjoin.api").hydrate(*arguments, **options)
        return prefix


sys.modules[__name__].__class__ = _CallablePackage
