"""Virtual packages as users set them: ``__cuda=12.0``, ``__glibc==2.31=0``, ``__cuda=`` to take it away."""

from __future__ import annotations

import re

from conjoin.errors import UsageError

__all__ = ["virtual_package"]

_VIRTUAL = re.compile(
    r"(?P<name>__[a-z0-9_]+)\s*(?:={1,2}|\s)\s*(?P<version>[A-Za-z0-9_.+!-]*)(?:=(?P<build>[A-Za-z0-9_.+-]*))?",
    re.IGNORECASE,
)


def virtual_package(text: str) -> tuple[str, str]:
    """Return name and ``version`` or ``version=build`` of a virtual package (CEP 30).

    An empty version, ``none`` or ``false`` means: the target does not have it.

    >>> virtual_package("__archspec=1=x86_64_v3"), virtual_package("__cuda=none")
    (('__archspec', '1=x86_64_v3'), ('__cuda', ''))

    :raises UsageError: where it is none.
    """
    match = _VIRTUAL.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is not a virtual package", advice="expected __name=version, as in __cuda=12.0"
        )
    version, build = match["version"], match["build"] or ""
    if version.lower() in ("", "none", "false"):
        return match["name"].lower(), ""
    # `0` is the build of every virtual package that has none to tell.
    return match["name"].lower(), f"{version}={build}" if build not in ("", "0") else version
