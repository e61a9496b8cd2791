"""The Python version somebody asks for, as a conda version expression: conda's ``python`` carries it out."""

from __future__ import annotations

import re

from conjoin.errors import UsageError
from conjoin.spec.syntax.conda_version import conda_version, conjunction

__all__ = ["joined", "python_version", "requires_python"]

_SHORT = re.compile(r"\d+(\.\d+)?")
_PYTHON = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.\*)?")
_WORD = re.compile(r"[^<>=!~,|()]+")
_EXPECTED = "expected a version such as 3.11, 3.11.7, 3.12.* or >=3.10,<3.13"


def python_version(text: str) -> str:
    """Return what ``--python``, a decorator's ``python=`` or a conda file's ``python`` says, canonical.

    >>> python_version("3.11"), python_version("3.11.7"), python_version(">=3.10, <3.13")
    ('3.11.*', '==3.11.7', '>=3.10,<3.13')

    :raises UsageError: where it is none.
    """
    stripped = text.strip()
    if stripped in ("", "*"):
        return ""
    try:
        # `--python 3.11` means that minor version, whatever the patch: no 3.11 exists that is no 3.11.z.
        version = conda_version(f"{stripped}.*" if _SHORT.fullmatch(stripped) else stripped)
    except UsageError:
        version = ""
    if not version or not all(_PYTHON.fullmatch(word) for word in _WORD.findall(version)):
        raise UsageError(f"{text!r} is not a Python version", advice=_EXPECTED)
    return version


def requires_python(text: str) -> str:
    """Return a ``requires-python`` (PEP 440 specifier set, as in PEP 621 and PEP 723) as conda says it.

    conda's rules give another meaning to ``~=3.10`` (none) and to pre-releases; of what remains after
    ``~=X.Y`` became ``>=X.Y,==X.*``, both ecosystems mean the same for versions of Python.

    :raises UsageError: where it is none.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(text)
    except InvalidSpecifier:
        raise UsageError(
            f"{text!r} is not a Python version specifier",
            advice="expected PEP 440, as in >=3.10,<3.13 or ==3.11.*",
        ) from None
    clauses: list[str] = []
    for one in specifiers:
        if one.operator == "~=":
            prefix = one.version.rpartition(".")[0]
            clauses += [f">={one.version}", f"{prefix}.*"]
        elif one.operator == "===":
            clauses.append(f"=={one.version}")
        else:
            clauses.append(f"{one.operator}{one.version}")
    return conda_version(",".join(clauses))


def joined(expressions: tuple[str, ...]) -> str:
    """Return the expression that satisfies every source that said something about Python."""
    return conjunction(expressions)
