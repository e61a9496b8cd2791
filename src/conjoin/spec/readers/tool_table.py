"""The table ``[tool.conjoin]`` of a file that is asked for: packages, and every setting a project may say.

The same keys, in the same spellings, are a project's configuration when nobody asks for the file itself
(:mod:`conjoin.config.files`): there the keys that ask for packages are left aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from conjoin.config.files import key_of
from conjoin.config.values import of_toml
from conjoin.errors import UsageError
from conjoin.spec.configured.request import parse_setting
from conjoin.spec.partial_requirements import located
from conjoin.spec.requirements_parser import RequirementsParser

__all__ = ["Place", "read_tool_table", "texts"]

Place = Callable[[str], str]
"""Where a text stands in the file: ``file:line``, or the file alone."""


def read_tool_table(table: Any, into: RequirementsParser, place: Place) -> None:
    """Read ``[tool.conjoin]``.

    :raises UsageError: with the place, for an unknown key, one that is not a project's to say, or a value
        that is not what it should be.
    """
    if not isinstance(table, dict):
        raise UsageError("tool.conjoin is not a table", where=place("[tool.conjoin"))
    seen: set[str] = set()
    for key, value in table.items():
        what = f"tool.conjoin.{key}"
        with located(place, key):
            setting = key_of(key, project=True)
            name = setting.name if setting is not None else key.lower().replace("_", "-")
            if name in seen:
                raise UsageError(f"{name} is said twice, in two spellings")
            seen.add(name)
            read = of_toml(setting, value, what) if setting is not None else None
        if setting is not None and read is not None:
            parse_setting(into, setting.name, read, place)
        else:
            _read_request_key(name, value, what, into, place)


def _read_request_key(name: str, value: Any, what: str, into: RequirementsParser, place: Place) -> None:
    """Read a key that asks for packages."""
    if name == "no-index":
        if not isinstance(value, bool):
            raise UsageError(f"{what} is not true or false", where=place(name))
        into.no_index(value)
    elif name == "python":
        if not isinstance(value, str):
            raise UsageError(f"{what} is not a text", where=place(name))
        with located(place, value):
            into.python(value)
    elif name == "conda":
        for text, needle in _entries(value, what, " ", place):
            with located(place, needle):
                into.conda(text)
    else:
        add = {"constraints": into.constraint, "overrides": into.override, "pypi": into.pypi}[name]
        for text in texts(value, what, place):
            with located(place, text):
                add(text)


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
