"""Values of settings: as TOML has them, as a variable spells them, as people read them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from conjoin.config.table import Kind, Setting
from conjoin.errors import UsageError

__all__ = ["Value", "of_text", "of_toml", "shown", "to_toml"]

Value: TypeAlias = "str | bool | tuple[str, ...] | dict[str, tuple[str, ...]]"
"""A text, a flag, a list of texts, or a table whose entries are one or several texts."""

_FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_TIMES = re.compile(r"[1-9][0-9]{0,8}")
_ENTRY = re.compile(r"\s*(?P<name>[^\s=]+)\s*[=\s]\s*(?P<text>.*)", re.DOTALL)


def of_toml(setting: Setting, raw: Any, what: str | None = None) -> Value:
    """Return the value that a TOML document's object means.

    :param what: how the document calls it, the setting's name if None.
    :raises UsageError: where it is of another type.
    """
    what = what or setting.name
    if setting.kind is Kind.FLAG:
        if not isinstance(raw, bool):
            raise UsageError(f"{what} is not true or false")
        return raw
    if setting.kind in (Kind.TABLE, Kind.TABLE_OF_LISTS):
        return _table_of_toml(setting, raw, what)
    if setting.kind in (Kind.NAMES, Kind.URLS):
        return _texts(raw, what)
    if setting.kind is Kind.TIMES and isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw)
    if not isinstance(raw, str):
        raise UsageError(f"{what} is not a text")
    return _one_text(setting, raw)


def of_text(setting: Setting, text: str | Sequence[str]) -> Value:
    """Return the value that an environment variable or words on a command line spell.

    Lists are separated by spaces (of names, by commas too); tables are lists of ``name=value`` or
    ``name=value,value``.

    :raises UsageError: where they spell none.
    """
    words = [text] if isinstance(text, str) else list(text)
    if setting.kind is Kind.FLAG:
        value = _FLAGS.get(" ".join(words).strip().lower())
        if value is None:
            raise UsageError(f"{setting.name}: {' '.join(words)!r} is not true or false")
        return value
    if setting.kind is Kind.NAMES:
        return tuple(part for word in words for part in re.split(r"[\s,]+", word) if part)
    if setting.kind is Kind.URLS:
        return tuple(part for word in words for part in word.split())
    if setting.kind in (Kind.TABLE, Kind.TABLE_OF_LISTS):
        return _entries(setting, [part for word in words for part in word.split()], setting.name)
    if len(words) != 1:
        raise UsageError(f"{setting.name} takes one value, not {len(words)}")
    return _one_text(setting, words[0])


def shown(value: Value) -> list[str]:
    """Return a value's parts as people write them: one text, or one for each entry."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return list(value)
    return [f"{name}={','.join(texts)}" for name, texts in value.items()]


def to_toml(setting: Setting, value: Value) -> Any:
    """Return a value as TOML has it, made of Python's lists, dictionaries and texts."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        several = setting.kind is Kind.TABLE_OF_LISTS
        return {name: list(t) if several and len(t) > 1 else t[0] for name, t in value.items()}
    return value


def _one_text(setting: Setting, text: str) -> str:
    text = text.strip()
    if not text:
        raise UsageError(f"{setting.name} is empty", advice="leave it out to have the default")
    if setting.kind is Kind.TIMES and text != "none" and not _TIMES.fullmatch(text):
        raise UsageError(f"{setting.name}: {text[:40]!r} is neither a number of times nor none")
    return text


def _texts(raw: Any, what: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise UsageError(f"{what} is not a list of texts")
    return tuple(raw)


def _table_of_toml(setting: Setting, raw: Any, what: str) -> dict[str, tuple[str, ...]]:
    if isinstance(raw, list):
        return _entries(setting, _texts(raw, what), what)
    if not isinstance(raw, Mapping):
        raise UsageError(f"{what} is not a table of texts")
    several = setting.kind is Kind.TABLE_OF_LISTS
    table: dict[str, tuple[str, ...]] = {}
    for name, value in raw.items():
        if isinstance(value, str):
            table[name] = (value,)
        elif several and isinstance(value, list) and value and all(isinstance(one, str) for one in value):
            table[name] = tuple(value)
        else:
            raise UsageError(f"{what}.{name} is not a text{' or a list of texts' if several else ''}")
    return table


def _entries(setting: Setting, words: Sequence[str], what: str) -> dict[str, tuple[str, ...]]:
    """Return a table of ``name=value`` texts."""
    table: dict[str, tuple[str, ...]] = {}
    for word in words:
        match = _ENTRY.fullmatch(word)
        if match is None:
            raise UsageError(f"{what}: {word!r} is not name=value")
        several = setting.kind is Kind.TABLE_OF_LISTS
        parts = [part for part in match["text"].split(",") if part] if several else [match["text"]]
        if not parts:
            raise UsageError(f"{what}: {word!r} is not name=URL")
        table[match["name"]] = tuple(parts)
    return table
