"""Reading TOML: the standard library's reader where there is one, with our error."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from conjoin.errors import UsageError
from conjoin.untrusted import PARSER_FAILURES, reason_of

__all__ = ["line_of", "line_of_key", "loads"]


def loads(text: str, *, where: str) -> dict[str, Any]:
    """Return the TOML document ``text``.

    :param where: the file it came from, for the error.
    :raises UsageError: where it is none, with file and line.
    """
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, position = str(error).partition(" (at ")
        line = position.removeprefix("line ").partition(",")[0]
        if position.startswith("end of document"):
            line = str(len(text.rstrip().splitlines()) or 1)
        place = f"{where}:{line}" if line.isdigit() else where
        raise UsageError(f"invalid TOML: {what[0].lower()}{what[1:]}", where=place) from None
    except PARSER_FAILURES as error:  # deep nesting, numbers of 5,000 digits, offsets of days
        raise UsageError(f"invalid TOML: {reason_of(error)}", where=where) from None
    return document


def line_of(text: str, needle: str, *, below: str = "") -> int | None:
    """Return the number of the line in which ``needle`` stands, None where it stands in none.

    The standard library's reader keeps no places. Looked for in this order: a string of that very text, a key
    of that name, the text anywhere.

    :param below: begin at the line that begins with this, if there is one.
    """
    exact = re.escape(needle)
    return _line(text, below, (rf"""(["']){exact}\1""", rf"^\s*{exact}\s*=", exact))


def line_of_key(text: str, key: str, *, below: str = "") -> int | None:
    """Return the number of the line in which ``key`` gets its value, or a table of that name begins."""
    exact = rf"""["']?{re.escape(key)}["']?"""
    return _line(text, below, (rf"^\s*{exact}\s*[=.]", rf"^\s*\[[^\]\n]*(?<![\w-]){exact}\s*[\].]"))


def _line(text: str, below: str, patterns: tuple[str, ...]) -> int | None:
    begin = 0
    if below and (header := re.search(rf"^\s*{re.escape(below)}", text, re.MULTILINE)):
        begin = header.start()
    for pattern in patterns:
        if match := re.compile(pattern, re.MULTILINE).search(text, begin):
            return text.count("\n", 0, match.end()) + 1
    return None
