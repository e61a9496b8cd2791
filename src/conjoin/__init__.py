"""Conjoin: one exact, hash-locked environment out of conda and PyPI together, re-hydrated anywhere.

>>> import conjoin
>>> asked = conjoin.Requirements.build(conda=["numpy"], pypi=["requests"], python="3.12")
>>> lock = conjoin.resolve(asked, platforms=["linux-64"])  # doctest: +SKIP
>>> prefix = conjoin.hydrate(lock)  # doctest: +SKIP
"""

from __future__ import annotations

# As type checkers understand it without `typing`, which takes longer to import than all the rest here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conjoin.api import Store, hydrate, resolve
    from conjoin.errors import ConjoinError
    from conjoin.lock.format import read_lock, write_lock
    from conjoin.lock.model import Lock
    from conjoin.requirements import Requirements
    from conjoin.version import __version__

__all__ = [
    "ConjoinError",
    "Lock",
    "Requirements",
    "Store",
    "__version__",
    "hydrate",
    "read_lock",
    "resolve",
    "write_lock",
]

# Imported when first asked for (PEP 562): `import conjoin` costs next to nothing.
_HOMES = {
    "ConjoinError": "conjoin.errors",
    "Lock": "conjoin.lock.model",
    "Requirements": "conjoin.requirements",
    "Store": "conjoin.api",
    "__version__": "conjoin.version",
    "hydrate": "conjoin.api",
    "read_lock": "conjoin.lock.format",
    "resolve": "conjoin.api",
    "write_lock": "conjoin.lock.format",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'conjoin' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
