"""Logins that other tools keep in files, by host: ``.netrc``, and rattler's (and so pixi's) store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conjoin.net.login import Login

__all__ = ["netrc_login", "rattler_login"]


def netrc_login(host: str) -> Login | None:
    """Return what ``NETRC``, else ``~/.netrc``, has for a host; its ``default`` entry counts too."""
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    import netrc

    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None  # as pip and curl: a broken .netrc is as none
    if not found or not (found[0] or found[2]):
        return None
    return Login("basic", found[0], found[2] or "")


def rattler_login(host: str) -> Login | None:
    """Return what rattler's store has for a host.

    The file is ``RATTLER_AUTH_FILE``, else ``~/.rattler/credentials.json``: hosts, or ``*.host`` for all
    below one, with ``BasicHTTP``, ``BearerToken`` or ``CondaToken``. One that cannot be read is as none.
    """
    path = Path(os.environ.get("RATTLER_AUTH_FILE") or Path.home() / ".rattler" / "credentials.json")
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(kept, dict):
        return None
    for name in _names(host):
        if (login := _login(kept.get(name))) is not None:
            return login
    return None


def _names(host: str) -> Iterator[str]:
    """Yield what a host may stand under, the closest first."""
    yield host
    labels = host.split(".")
    for first in range(len(labels)):
        yield "*." + ".".join(labels[first:])


def _login(entry: Any) -> Login | None:
    match entry:
        case {"BasicHTTP": {"username": str(username), "password": str(password)}}:
            return Login("basic", username, password)
        case {"BearerToken": str(token)}:
            return Login("bearer", secret=token)
        case {"CondaToken": str(token)}:
            return Login("conda-token", secret=token)
    return None
