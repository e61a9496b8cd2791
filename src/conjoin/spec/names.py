"""Names of conda packages and of PyPI projects: different types, because mixing them up is the classic bug.

conda's `graphviz` is a C library, PyPI's `graphviz` a Python binding to it. A function that takes a
:data:`CondaName` can never be handed a :data:`PypiName` by accident: the type checker refuses.
"""

from __future__ import annotations

import re
from typing import NewType

from conjoin.errors import UsageError

__all__ = [
    "CondaName",
    "ExtraName",
    "PypiName",
    "conda_name",
    "extra_name",
    "name_of_spec",
    "pypi_name",
]

CondaName = NewType("CondaName", str)
"""A conda package name, lower case (CEP 26)."""

PypiName = NewType("PypiName", str)
"""A PyPI project name, normalised as PEP 503 says."""

ExtraName = NewType("ExtraName", str)
"""An extra's name, normalised as PEP 685 says."""

# CEP 26, with a leading underscore (`_libgcc_mutex`) and virtual packages (`__glibc`).
_CONDA_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
# PEP 508.
_PYPI_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE)
_SEPARATORS = re.compile(r"[-_.]+")
_NAME_END = re.compile(r"[ =<>!~\[;]")


def conda_name(text: str) -> CondaName:
    """Return ``text`` as a conda package name.

    :raises UsageError: where it is none (CEP 26).
    """
    lowered = text.strip().lower()
    if not _CONDA_NAME.fullmatch(lowered):
        raise UsageError(f"{text!r} is not a conda package name")
    return CondaName(lowered)


def pypi_name(text: str) -> PypiName:
    """Return ``text`` as a normalised PyPI project name (PEP 503).

    :raises UsageError: where it is none (PEP 508).
    """
    stripped = text.strip()
    if not _PYPI_NAME.fullmatch(stripped):
        raise UsageError(f"{text!r} is not a PyPI project name")
    return PypiName(_SEPARATORS.sub("-", stripped).lower())


def extra_name(text: str) -> ExtraName:
    """Return ``text`` as a normalised extra (PEP 685).

    :raises UsageError: where it is none.
    """
    return ExtraName(str(pypi_name(text)))


def name_of_spec(text: str) -> str:
    """Return the name that a conda MatchSpec is about, as records spell theirs.

    >>> name_of_spec("conda-forge::NumPy>=1.2,<2"), name_of_spec("python_abi 3.12.* *_cp312")
    ('numpy', 'python_abi')
    """
    return _NAME_END.split(text.rpartition("::")[2].strip(), maxsplit=1)[0].lower()
