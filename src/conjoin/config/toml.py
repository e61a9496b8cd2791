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
    begin = _begin(text, below)
    quoted = [at for quote in "\"'" if (at := text.find(f"{quote}{needle}{quote}", begin)) >= 0]
    if quoted:
        return _number(text, min(quoted))
    if "\n" not in needle and (key := _line(text, begin, (rf"^[ \t]*{re.escape(needle)}[ \t]*=",))):
        return key
    at = text.find(needle, begin)
    return _number(text, at) if at >= 0 else None


def line_of_key(text: str, key: str, *, below: str = "") -> int | None:
    """Return the number of the line in which ``key`` gets its value, or a table of that name begins."""
    exact = rf"""["']?{re.escape(key)}["']?"""
    begin = _begin(text, below)
    return _line(
        text, begin, (rf"^[ \t]*{exact}[ \t]*[=.]", rf"^[ \t]*\[[^\]\n]*(?<![\w-]){exact}[ \t]*[\].]")
    )


def _begin(text: str, below: str) -> int:
    # White space of one line, never `\s`: from each of a thousand empty lines it would walk through the rest.
    header = re.search(rf"^[ \t]*{re.escape(below)}", text, re.MULTILINE) if below else None
    return header.start() if header else 0


def _line(text: str, begin: int, patterns: tuple[str, ...]) -> int | None:
    for pattern in patterns:
        if match := re.compile(pattern, re.MULTILINE).search(text, begin):
            return _number(text, match.end())
    return None


def _number(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
