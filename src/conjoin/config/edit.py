"""Changing a file that people write by hand: one key, and everything else as it stood."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from conjoin.config.table import Setting, setting_named
from conjoin.config.toml import loads
from conjoin.config.values import Value, to_toml
from conjoin.errors import UsageError
from conjoin.untrusted import read_as
from conjoin.writing import replace

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from tomlkit import TOMLDocument

__all__ = ["set_key", "unset_key"]

_OWN = 0o600
"""Mode of a file that is new: an index's URL may hold a password."""


def set_key(path: Path, setting: Setting, value: Value, *, project: bool = False) -> None:
    """Make a file say a setting, in the place where it said it before, else at the end; whole or not at all.

    Of a table, the entries given are set and others stay.

    :param project: it stands in ``[tool.conjoin]``, which is made if there is none.
    :raises UsageError: where the file is no TOML, or cannot be written.
    """
    import tomlkit

    document = _read(path)
    table: MutableMapping[str, Any] = document
    if project:
        for name in ("tool", "conjoin"):
            if name not in table:
                # `[tool]` alone on a line would say nothing.
                table[name] = tomlkit.table(is_super_table=name == "tool")
            table = table[name]
            if not hasattr(table, "keys"):
                raise UsageError(f"{name} is not a table", where=str(path))
    key = _key_of(table, setting) or setting.name
    raw = to_toml(setting, value)
    if isinstance(raw, dict) and hasattr(table.get(key), "keys"):
        for entry, one in raw.items():
            table[key][entry] = one
    else:
        table[key] = raw
    _write(path, document)


def unset_key(path: Path, key: str, *, project: bool = False) -> bool:
    """Take a key out of a file.

    :param key: a setting's name in any spelling, or a key as it stands there, also one that is unknown; of a
        table's entry, ``table.entry``.
    :return: whether the file said it.
    :raises UsageError: where the file is no TOML, or cannot be written.
    """
    document = _read(path)
    table: Any = document
    for name in ("tool", "conjoin") if project else ():
        table = table.get(name) if hasattr(table, "keys") else None
    if not hasattr(table, "keys"):
        return False
    key, _, entry = (key, "", "") if key in table else key.partition(".")
    setting = setting_named(key)
    found = key if key in table or setting is None else _key_of(table, setting)
    if found is not None and entry:
        table, found = table.get(found), entry
    if found is None or not hasattr(table, "keys") or found not in table:
        return False
    del table[found]
    _write(path, document)
    return True


def _key_of(table: MutableMapping[str, Any], setting: Setting) -> str | None:
    """Return the key a table has a setting under: any of its spellings."""
    return next((str(key) for key in table if setting_named(str(key)) == setting), None)


def _read(path: Path) -> TOMLDocument:
    import tomlkit

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return tomlkit.document()
    except OSError as error:
        raise UsageError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from None
    except UnicodeDecodeError:
        raise UsageError("the file is not UTF-8 text", where=str(path)) from None
    loads(text, where=str(path))  # whose errors are ours
    with read_as(UsageError, "the file cannot be changed", where=str(path)):
        return tomlkit.parse(text)


def _write(path: Path, document: TOMLDocument) -> None:
    """Put a document in a file's place, keeping its mode; through a link, as those who keep such files do."""
    import tomlkit

    try:
        target = path.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else _OWN
        replace(target, tomlkit.dumps(document).encode(), mode=mode)
    except OSError as error:
        raise UsageError(
            f"the file cannot be written: {error.strerror or error}",
            where=str(path),
            advice="check its permissions",
        ) from None
