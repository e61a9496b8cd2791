"""The PyPI indexes that pip and uv would ask on this host: for requests and settings that name none.

In order of precedence, for the default index:
``UV_DEFAULT_INDEX``, ``UV_INDEX_URL``; ``PIP_INDEX_URL``; pip's configuration files; uv's ``uv.toml``; PyPI.
Extra indexes come from the first of these groups that names any.

Only http(s) indexes count. A ``file:`` index or a find-links place in a host's configuration is a fact of
that host: it would give one request different identities on different machines, so it is left aside.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from conjoin.errors import UsageError
from conjoin.spec.configured.places import said_places
from conjoin.spec.credentials import take_credentials
from conjoin.spec.requirements import Credential
from conjoin.spec.syntax.index_urls import index_url

__all__ = ["ConfiguredIndexes", "configured_indexes"]


class ConfiguredIndexes(NamedTuple):
    """What to ask where neither a request nor Conjoin's own configuration says.

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
    for said in said_places(environ):
        if not default and (found := usable([said.default] if said.default else [])):
            default, default_from = found[0], said.place
        if not extra and (found := usable(said.extra)):
            extra, extra_from = found, said.place
        if default and extra:
            break
    return ConfiguredIndexes(
        default or index_url(_pypi()), extra, tuple(credentials), default_from, extra_from
    )


_PARSING = threading.Lock()
"""CPython before 3.12 may raise SystemError where several threads parse at once."""


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
            with _PARSING:
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
