"""The PyPI indexes that pip and uv would ask on this host: for requests and settings that name none.

The one module that reads such configuration. In order of precedence, for the default index:
``UV_DEFAULT_INDEX``, ``UV_INDEX_URL``; ``PIP_INDEX_URL``; pip's configuration files; uv's ``uv.toml``; PyPI.
Extra indexes come from the first of these groups that names any.

Only http(s) indexes count. A ``file:`` index or a find-links place in a host's configuration is a fact of
that host: it would give one request different identities on different machines, so it is left aside.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import UsageError
from holdfast.spec.credentials import take_credentials
from holdfast.spec.requirements import Credential
from holdfast.spec.urls import index_url

__all__ = ["ConfiguredIndexes", "configured_indexes"]


@dataclass(frozen=True, slots=True)
class ConfiguredIndexes:
    """What to ask where neither a request nor Holdfast's own configuration says.

    :ivar default: URL of the default index.
    :ivar extra: URLs of indexes asked before it, in order.
    :ivar default_from: who says so, for people; empty where nobody does.
    :ivar extra_from: who names them, for people.
    :ivar credentials: taken out of the configured URLs.
    """

    default: str
    extra: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()
    default_from: str = ""
    extra_from: str = ""


@dataclass(frozen=True, slots=True)
class _Said:
    """What one place says, as it stands there."""

    place: str
    default: str = ""
    extra: tuple[str, ...] = ()


def configured_indexes(environ: Mapping[str, str] | None = None) -> ConfiguredIndexes:
    """Return the indexes that uv and pip would ask on this host.

    :param environ: environment variables, those of this process if None.
    """
    environ = os.environ if environ is None else environ
    credentials: dict[Credential, None] = {}

    def usable(urls: Iterable[str]) -> tuple[str, ...]:
        found = []
        for url in urls:
            public, secrets = take_credentials(url)
            try:
                canonical = index_url(public)
            except UsageError:
                continue  # pip reads paths too: facts of this host, see above
            if canonical.startswith("file:"):
                continue
            credentials.update(dict.fromkeys(secrets))
            found.append(canonical)
        return tuple(dict.fromkeys(found))

    default, extra = "", ()  # type: str, tuple[str, ...]
    default_from, extra_from = "", ""
    for said in _places(environ):
        if not default and (found := usable([said.default] if said.default else [])):
            default, default_from = found[0], said.place
        if not extra and (found := usable(said.extra)):
            extra, extra_from = found, said.place
        if default and extra:
            break
    return ConfiguredIndexes(
        default or index_url(_pypi()), extra, tuple(credentials), default_from, extra_from
    )


def _places(environ: Mapping[str, str]) -> Iterator[_Said]:
    """Yield what each place says, lazily: a variable that is set saves reading the files behind it."""
    yield _Said(
        "uv's variables",
        _unnamed(environ.get("UV_DEFAULT_INDEX", "") or environ.get("UV_INDEX_URL", "")),
        tuple(map(_unnamed, _words(environ.get("UV_INDEX", "") or environ.get("UV_EXTRA_INDEX_URL", "")))),
    )
    yield _Said(
        "pip's variables", environ.get("PIP_INDEX_URL", ""), _words(environ.get("PIP_EXTRA_INDEX_URL", ""))
    )
    yield _pip_files(environ)
    yield from map(_uv_file, _uv_files(environ))


def _pip_files(environ: Mapping[str, str]) -> _Said:
    import configparser

    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return _Said("")  # pip: "load no configuration files"
    parser = configparser.RawConfigParser()
    for path in (*_pip_paths(environ), *([Path(own)] if own else [])):
        # Not ours to judge: pip itself warns about a file it cannot read.
        with suppress(OSError, UnicodeDecodeError, configparser.Error):
            parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    default, extra = "", ""
    for section in ("global", "install"):  # pip: a command's section overrides [global]
        default = parser.get(section, "index-url", fallback="") or default
        extra = parser.get(section, "extra-index-url", fallback="") or extra
    return _Said("pip's configuration", default.strip(), _words(extra))


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


def _uv_file(path: Path) -> _Said:
    from holdfast.config.toml import loads

    try:
        settings = loads(path.read_text(encoding="utf-8"), where=str(path))
    except (OSError, UnicodeDecodeError, UsageError):
        return _Said("")
    pip = settings.get("pip")
    tables = [settings, pip] if isinstance(pip, dict) else [settings]
    default, extra = "", []
    for table in tables:
        listed = [one for one in _list(table.get("index")) if isinstance(one, dict)]
        defaults = [_text(one.get("url")) for one in listed if one.get("default") is True]
        default = default or next(iter(defaults), "") or _text(table.get("index-url"))
        # An explicit index is asked only for the packages pinned to it (uv's manual, "Package indexes").
        extra += [_text(o.get("url")) for o in listed if not o.get("default") and not o.get("explicit")]
        extra += [_text(one) for one in _list(table.get("extra-index-url"))]
    return _Said(str(path), default, tuple(filter(None, extra)))


def _pypi() -> str:
    """Return ``pypi_simple.PYPI_SIMPLE_ENDPOINT`` without importing that package.

    The import takes 0.2 s (requests, BeautifulSoup), and a resolve that finds its answer in the store takes
    less than 0.3 s altogether; reading the constant out of the source takes a millisecond.
    """
    import ast
    import importlib.util

    found = importlib.util.find_spec("pypi_simple")
    if found is not None and found.origin:
        try:
            source = ast.parse(Path(found.origin).read_bytes())
        except (OSError, SyntaxError, ValueError):
            source = ast.Module([], [])
        for node in source.body:
            targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
            named = any(isinstance(one, ast.Name) and one.id == "PYPI_SIMPLE_ENDPOINT" for one in targets)
            value = getattr(node, "value", None)
            if named and isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    return PYPI_SIMPLE_ENDPOINT


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _unnamed(text: str) -> str:
    """Take uv's name off an index: ``internal=https://host/simple``."""
    name, equals, url = text.partition("=")
    return url if equals and "://" in url and "/" not in name else text


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
