"""The table ``[tool.holdfast]`` of a pyproject.toml or a script: everything the command line can say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from holdfast.errors import UsageError
from holdfast.spec.asked import located
from holdfast.spec.gather import Gathering

__all__ = ["Place", "read_tool_table", "texts"]

Place = Callable[[str], str]
"""Where a text stands in the file: ``file:line``, or the file alone."""


def read_tool_table(table: Any, into: Gathering, place: Place) -> None:
    """Read ``[tool.holdfast]``.

    :raises UsageError: with the place, for an unknown key or a value that is not what it should be.
    """
    where = place("[tool.holdfast")
    if not isinstance(table, dict):
        raise UsageError("tool.holdfast is not a table", where=where)
    lists = {
        "channels": into.channel,
        "constraints": into.constraint,
        "find-links": into.find_links,
        "indexes": into.extra_index,
        "no-binary": into.no_binary,
        "only-binary": into.only_binary,
        "overrides": into.override,
        "platforms": into.platform,
        "pypi": into.pypi,
    }
    tables = {"conda": (into.conda, " "), "virtual-packages": (into.virtual_package, "=")}
    single = {
        "channel-priority": into.channel_priority,
        "exclude-newer": into.exclude_newer,
        "index-url": into.index_url,
        "mapping": into.mapping,
        "python": into.python,
        "python-source": into.python_source,
        "strategy": into.strategy,
    }
    flags = {"no-index": into.no_index, "pre": into.prereleases}
    known = ", ".join(sorted([*lists, *tables, *single, *flags]))
    for key, value in table.items():
        what = f"tool.holdfast.{key}"
        if key in lists:
            for text in texts(value, what, place):
                with located(place(text)):
                    lists[key](text)
        elif key in tables:
            add, separator = tables[key]
            for text, needle in _entries(value, what, separator, place):
                with located(place(needle)):
                    add(text)
        elif key in single:
            if not isinstance(value, str):
                raise UsageError(f"{what} is not a text", where=place(key))
            with located(place(value)):
                single[key](value)
        elif key in flags:
            if not isinstance(value, bool):
                raise UsageError(f"{what} is not true or false", where=place(key))
            flags[key](value)
        else:
            raise UsageError(
                f"key {key!r} is unknown in [tool.holdfast]",
                where=place(key),
                advice=f"expected one of {known}",
            )


def texts(value: Any, what: str, place: Place) -> list[str]:
    """Return a list of texts.

    :raises UsageError: where it is anything else.
    """
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{what} is not a list of texts", where=place(what.rpartition(".")[2]))
    return value


def _entries(value: Any, what: str, separator: str, place: Place) -> list[tuple[str, str]]:
    """Return what a list of texts, or a table of names and versions, says: texts, and what to look for."""
    if isinstance(value, Mapping):
        if not all(isinstance(one, str) for one in value.values()):
            raise UsageError(f"{what} is not a table of texts", where=place(what.rpartition(".")[2]))
        return [(f"{name}{separator}{text}", name) for name, text in value.items()]
    return [(text, text) for text in texts(value, what, place)]
