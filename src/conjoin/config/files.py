"""The two files that settings stand in: the user's config.toml, a pyproject.toml's ``[tool.conjoin]``."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from conjoin.config.settings import Layer
from conjoin.config.table import REQUEST_KEYS, Setting, setting_named, unknown_key
from conjoin.config.toml import line_of_key, loads
from conjoin.config.values import Value, of_toml
from conjoin.errors import UsageError
from conjoin.untrusted import path_of

__all__ = [
    "TABLE",
    "Signature",
    "key_of",
    "nearest_project",
    "project_file",
    "project_layer",
    "signature",
    "user_file",
    "user_layer",
]

TABLE = "[tool.conjoin"
"""How the header of a project's table, and of those below it, begins."""

_PROJECT = "pyproject.toml"

Signature = tuple[str, int, int, int]
"""A file, and what changes when somebody writes it."""


def user_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return the path of the user's file: ``CONJOIN_CONFIG``, else in the user's configuration.

    The null device means: none.
    """
    environ = os.environ if environ is None else environ
    if given := environ.get("CONJOIN_CONFIG"):
        return path_of(given, variable="CONJOIN_CONFIG").absolute()
    import platformdirs

    return platformdirs.user_config_path("conjoin", appauthor=False) / "config.toml"


def signature(path: Path) -> Signature | None:
    """Return what tells one content of a file from the next, None where there is no file.

    :raises UsageError: where it cannot be looked at.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from None
    if stat.S_ISCHR(found.st_mode):
        return None  # the null device
    return str(path), found.st_mtime_ns, found.st_size, found.st_ino


def project_file(folder: Path, environ: Mapping[str, str] | None = None) -> Signature | None:
    """Return the pyproject.toml whose ``[tool.conjoin]`` counts: ``CONJOIN_PROJECT``, else the nearest one.

    Looked for from ``folder`` upward, as uv and ruff do; one without that table does not end the search. In a
    folder that everybody may write to (``/tmp``), only a file of one's own counts.

    :raises UsageError: where ``CONJOIN_PROJECT`` names none, or a file cannot be read.
    """
    environ = os.environ if environ is None else environ
    if given := environ.get("CONJOIN_PROJECT"):
        path = path_of(given, variable="CONJOIN_PROJECT").absolute()
        path = path / _PROJECT if os.path.isdir(path) else path  # noqa: PTH112 (which raises nothing)
        found = signature(path)
        if found is None and not os.path.exists(path):  # noqa: PTH110
            raise UsageError("the file does not exist", where=str(path), advice="check CONJOIN_PROJECT")
        return found
    for parent in (folder, *folder.parents):
        found = signature(parent / _PROJECT)
        if found is not None and _is_trusted(parent) and _table(found) is not None:
            return found
    return None


def nearest_project(folder: Path) -> Path | None:
    """Return the nearest pyproject.toml, whatever stands in it, None where there is none."""
    candidates = (parent / _PROJECT for parent in (folder, *folder.parents))
    return next((path for path in candidates if path.is_file()), None)


@lru_cache(maxsize=8)
def user_layer(file: Signature) -> Layer:
    """Return what the user's file says.

    :raises UsageError: with file and line, for TOML that is none, an unknown key or a wrong type.
    """
    path = Path(file[0])
    text = _read(path)
    return _layer("user", loads(text, where=str(path)), path, text)


@lru_cache(maxsize=8)
def project_layer(file: Signature) -> Layer:
    """Return what a project's ``[tool.conjoin]`` says, but for the keys that ask for packages.

    :raises UsageError: with file and line, for an unknown key, a wrong type, or a setting of the machine.
    """
    path = Path(file[0])
    table = _table(file)
    if table is None:
        return Layer("project", {})
    if not isinstance(table, dict):
        raise UsageError("tool.conjoin is not a table", where=str(path))
    return _layer("project", table, path, _read(path))


def key_of(key: str, *, project: bool) -> Setting | None:
    """Return the setting a key of a file means; None for one that asks for packages.

    :param project: whether it stands in ``[tool.conjoin]``.
    :raises UsageError: where it is unknown, or may not stand there.
    """
    setting = setting_named(key)
    if setting is None:
        if project and key.lower().replace("_", "-") in REQUEST_KEYS:
            return None
        raise unknown_key(key, project=project)
    if project and not setting.in_project:
        raise UsageError(
            f"{setting.name} is not for a project to say",
            advice=f"it is this machine's: conjoin config set {setting.name}, or {setting.variable}",
        )
    return setting


def _layer(name: str, table: dict[str, Any], path: Path, text: str) -> Layer:
    project = name == "project"
    values: dict[str, Value] = {}
    places: dict[str, str] = {}
    for key, raw in table.items():
        line = line_of_key(text, key, below=TABLE if project else "")
        where = f"{path}:{line}" if line else str(path)
        try:
            setting = key_of(key, project=project)
            if setting is None:
                continue
            value = of_toml(setting, raw, f"tool.conjoin.{key}" if project else key)
        except UsageError as error:
            error.add_place(where)
            raise
        if setting.name in values:
            raise UsageError(f"{setting.name} is said twice, in two spellings", where=where)
        values[setting.name] = value
        places[setting.name] = where
    return Layer(name, values, places, path.parent)


@lru_cache(maxsize=64)
def _table(file: Signature) -> Any:
    """Return ``[tool.conjoin]`` of a pyproject.toml, None where there is none."""
    path = Path(file[0])
    text = _read(path)
    if "conjoin" not in text:
        return None  # most of them: no need to read TOML, nor to judge it
    tool = loads(text, where=str(path)).get("tool")
    return tool.get("conjoin") if isinstance(tool, dict) else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError("the file is not UTF-8 text", where=f"{path}:{line}") from None


def _is_trusted(folder: Path) -> bool:
    """Tell whether a pyproject.toml in a folder was put there by somebody who may decide."""
    if sys.platform == "win32":
        return True
    try:
        if not folder.stat().st_mode & stat.S_IWOTH:
            return True
        # Of a link, whose it is: the file it leads to may be one's own, and relative paths start here.
        return (folder / _PROJECT).lstat().st_uid == os.getuid()
    except OSError:
        return False


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the file cannot be read: {error.strerror or error}", where=str(path))
