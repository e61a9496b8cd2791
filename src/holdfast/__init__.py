"""Holdfast: one exact, hash-locked environment out of conda and PyPI together, re-hydrated anywhere.

>>> import holdfast
>>> asked = holdfast.Requirements.build(conda=["numpy"], pypi=["requests"], python="3.12")
>>> lock = holdfast.resolve(asked, platforms=["linux-64"])  # doctest: +SKIP
>>> prefix = holdfast.hydrate(lock)  # doctest: +SKIP
"""

from __future__ import annotations

# As type checkers understand it without `typing`, which takes longer to import than all the rest here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from holdfast.api import hydrate, resolve
    from holdfast.errors import HoldfastError
    from holdfast.lock.format import read_lock, write_lock
    from holdfast.lock.model import Lock
    from holdfast.spec.requirements import Requirements
    from holdfast.store.store import Store
    from holdfast.version import __version__

__all__ = [
    "HoldfastError",
    "Lock",
    "Requirements",
    "Store",
    "__version__",
    "hydrate",
    "read_lock",
    "resolve",
    "write_lock",
]

# Imported when first asked for (PEP 562): `import holdfast` costs next to nothing.
_HOMES = {
    "HoldfastError": "holdfast.errors",
    "Lock": "holdfast.lock.model",
    "Requirements": "holdfast.spec.requirements",
    "Store": "holdfast.store.store",
    "__version__": "holdfast.version",
    "hydrate": "holdfast.api",
    "read_lock": "holdfast.lock.format",
    "resolve": "holdfast.api",
    "write_lock": "holdfast.lock.format",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
