"""What pip and uv are configured to on this host: which indexes, under which names, and whose keyring.

The one module that reads such configuration. In order of precedence: uv's variables, pip's variables, pip's
configuration files, uv's ``uv.toml``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from conjoin.errors import UsageError

__all__ = ["Said", "said_places"]


class Said(NamedTuple):
    """What one place says, as it stands there.

    :ivar place: for people.
    :ivar default: URL of the default index.
    :ivar extra: URLs of indexes asked before it.
    :ivar named: names and URLs of indexes that have a name, asked always or for some packages alone.
    :ivar keyring: how the keyring is asked, as pip and uv spell it.
    """

    place: str
    default: str = ""
    extra: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    keyring: str = ""


def said_places(environ: Mapping[str, str]) -> Iterator[Said]:
    """Yield what each place says, lazily: a variable that is set saves reading the files behind it."""
    default = _named(environ.get("UV_DEFAULT_INDEX", "") or environ.get("UV_INDEX_URL", ""))
    extra = [
        _named(one) for one in (environ.get("UV_INDEX") or environ.get("UV_EXTRA_INDEX_URL", "")).split()
    ]
    yield Said(
        "uv's variables",
        default[1],
        tuple(url for _, url in extra),
        tuple(one for one in (*extra, default) if one[0]),
        environ.get("UV_KEYRING_PROVIDER", ""),
    )
    yield Said(
        "pip's variables",
        environ.get("PIP_INDEX_URL", ""),
        tuple(environ.get("PIP_EXTRA_INDEX_URL", "").split()),
        keyring=environ.get("PIP_KEYRING_PROVIDER", ""),
    )
    yield _pip_files(environ)
    yield from map(_uv_file, _uv_files(environ))


def _pip_files(environ: Mapping[str, str]) -> Said:
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return Said("")  # pip: "load no configuration files"
    there = [path for path in (*_pip_paths(environ), *([Path(own)] if own else [])) if os.path.exists(path)]  # noqa: PTH110
    if not there:
        return Said("")
    import configparser

    parser = configparser.RawConfigParser()
    for path in there:
        # Not ours to judge: pip itself warns about a file it cannot read.
        with suppress(OSError, ValueError, configparser.Error):
            parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    default, extra, keyring = "", "", ""
    for section in ("global", "install"):  # pip: a command's section overrides [global]
        default = parser.get(section, "index-url", fallback="") or default
        extra = parser.get(section, "extra-index-url", fallback="") or extra
        keyring = parser.get(section, "keyring-provider", fallback="") or keyring
    return Said("pip's configuration", default.strip(), tuple(extra.split()), keyring=keyring.strip())


def _pip_paths(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return pip's configuration files, weakest first (pip's manual, "Configuration Files")."""
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "win32":
        file = "pip.ini"
        everybody = [Path(environ.get("PROGRAMDATA", "C:/ProgramData"))]
        users = [home, Path(environ.get("APPDATA", home / "AppData/Roaming"))]
        legacy = [users[0] / "pip" / file]
        users = users[1:]
    else:
        file = "pip.conf"
        shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        everybody = [Path(part) for part in shared.split(":") if part]
        legacy = [home / ".pip" / file]
        users = [Path(environ.get("XDG_CONFIG_HOME") or home / ".config")]
        if sys.platform == "darwin":
            everybody.insert(0, Path("/Library/Application Support"))
            users.append(home / "Library/Application Support")
    return (
        *(folder / "pip" / file for folder in everybody),
        *([] if sys.platform == "win32" else [Path("/etc") / file]),
        *legacy,
        *(folder / "pip" / file for folder in users),
        Path(sys.prefix) / file,
    )


def _uv_files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    if own := environ.get("UV_CONFIG_FILE"):
        return (Path(own),)
    if environ.get("UV_NO_CONFIG"):
        return ()
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "win32":
        users = Path(environ.get("APPDATA", home / "AppData/Roaming"))
        everybody = [Path(environ.get("PROGRAMDATA", "C:/ProgramData"))]
    else:
        users = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        everybody = [*map(Path, (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")), Path("/etc")]
    return tuple(folder / "uv" / "uv.toml" for folder in (users, *everybody))


def _uv_file(path: Path) -> Said:
    from conjoin.config.toml import loads

    try:
        settings = loads(path.read_text(encoding="utf-8"), where=str(path))
    except (OSError, ValueError, UsageError):
        return Said("")
    pip = settings.get("pip")
    tables = [settings, pip] if isinstance(pip, dict) else [settings]
    default, extra, named, keyring = "", [], [], ""
    for table in tables:
        listed = [one for one in _list(table.get("index")) if isinstance(one, dict)]
        defaults = [_text(one.get("url")) for one in listed if one.get("default") is True]
        default = default or next(iter(defaults), "") or _text(table.get("index-url"))
        # An explicit index is asked only for the packages pinned to it (uv's manual, "Package indexes").
        extra += [_text(o.get("url")) for o in listed if not o.get("default") and not o.get("explicit")]
        extra += [_text(one) for one in _list(table.get("extra-index-url"))]
        named += [(_text(one.get("name")), _text(one.get("url"))) for one in listed]
        keyring = _text(table.get("keyring-provider")) or keyring
    known = tuple((name, url) for name, url in named if name and url)
    return Said(str(path), default, tuple(filter(None, extra)), known, keyring)


def _named(text: str) -> tuple[str, str]:
    """Return uv's name of an index, empty where it has none, and its URL: ``internal=https://host/simple``."""
    name, equals, url = text.partition("=")
    return (name, url) if equals and "://" in url and "/" not in name else ("", text)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
