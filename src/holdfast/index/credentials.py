"""Who may see an index: the credentials for a URL, taken out of URLs somebody typed or from ``.netrc``."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from holdfast.spec.credentials import CONDA_TOKEN_USER
from holdfast.spec.requirements import Credential

__all__ = ["Credentials"]

_PORTS = {"http": 80, "https": 443}


class Credentials:
    """Answers which ``Authorization`` header a URL gets.

    A credential counts for its whole origin (scheme, host, port), as in pip and uv: an index and its files
    often live under different paths of one host. Of several, the one with the longest matching path wins.

    :param given: taken out of the index URLs.
    """

    def __init__(self, given: Sequence[Credential] = ()) -> None:
        split = [(urlsplit(credential.url_prefix), credential) for credential in given]
        self._given = [item for item in split if item[1].username != CONDA_TOKEN_USER]
        self._tokens = {
            _origin(prefix): credential.password
            for prefix, credential in split
            if credential.username == CONDA_TOKEN_USER
        }
        self._netrc: dict[str, tuple[str, str]] = {}

    def address(self, url: str) -> str:
        """Return the URL to ask for ``url``: with the ``/t/<token>`` of anaconda's servers, if it has one.

        The result is a secret: what is kept and shown is ``url``.
        """
        if not self._tokens:
            return url
        parts = urlsplit(url)
        token = self._tokens.get(_origin(parts))
        if token is None or parts.path.startswith("/t/"):
            return url
        return parts._replace(path=f"/t/{quote(token, safe='')}{parts.path}").geturl()

    def bare(self, url: str) -> str:
        """Return a URL that a server sent without the token that :meth:`address` adds."""
        for token in self._tokens.values():
            url = url.replace(f"/t/{quote(token, safe='')}/", "/", 1)
        return url

    def authorization(self, url: str) -> str | None:
        """Return the value of the ``Authorization`` header (RFC 7617), or None."""
        target = urlsplit(url)
        best: tuple[int, Credential] | None = None
        for prefix, credential in self._given:
            if _origin(prefix) != _origin(target):
                continue
            path = prefix.path.rstrip("/")
            length = len(path) if target.path == path or target.path.startswith(path + "/") else -1
            if best is None or length > best[0]:
                best = (length, credential)
        if best is not None:
            return _basic(best[1].username, best[1].password)
        found = self._from_netrc(target.hostname or "")
        return _basic(*found) if found else None

    def with_login(self, url: str) -> str:
        """Return a URL with user name and password in it, for programs that know no other way: a secret."""
        header = self.authorization(url)
        parts = urlsplit(self.address(url))
        if header is None or parts.scheme not in _PORTS:
            return parts.geturl()
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        login = f"{quote(name, safe='')}:{quote(password, safe='')}"
        return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()

    def _from_netrc(self, host: str) -> tuple[str, str] | None:
        if host not in self._netrc:
            self._netrc[host] = _read_netrc(host) or ("", "")
        found = self._netrc[host]
        return found if any(found) else None


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.scheme, parts.hostname or "", port or _PORTS.get(parts.scheme)


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def _read_netrc(host: str) -> tuple[str, str] | None:
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    import netrc

    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None  # as pip and curl: a broken .netrc is as none
    return (found[0], found[2] or "") if found else None
