"""Secrets that people write into URLs: taken out before anything is parsed, named, hashed or shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

from conjoin.spec.requirements import Credential

__all__ = ["CONDA_TOKEN_USER", "take_credentials", "without_credentials"]

CONDA_TOKEN_USER = "conda-token"  # noqa: S105 - a marker, not a secret
"""User name of a :class:`Credential` whose password is a ``/t/<token>/`` path, as anaconda's servers use."""

# The authority ends at the first of / ? # (RFC 3986, 3.2); the user information at its last @. What follows
# is looked at only: it says for what below the host the login was typed.
_PATH = r"(?=(?P<path>/[^?#\s'\"\[\],;]*)?)"
_USERINFO = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<userinfo>[^/?#\s]*)@"
    r"(?P<host>(?:\[[^\]\s]*\])?[^/?#\s@'\"\],]*)" + _PATH,
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?P<before>[a-z][a-z0-9+.-]*://[^/?#\s]+)/t/(?P<token>[A-Za-z0-9_.~%-]+)(?=/)" + _PATH, re.IGNORECASE
)
_TOKEN_PATH = re.compile(r"^/t/[^/]+(?=/|$)")


def take_credentials(text: str) -> tuple[str, tuple[Credential, ...]]:
    """Return ``text`` without the credentials of the URLs in it, and those credentials.

    A user name alone stays in an ssh URL (``git+ssh://git@host``): there it is part of the address. Anywhere
    else it is a token.
    """
    taken: list[Credential] = []

    def strip_userinfo(match: re.Match[str]) -> str:
        scheme, userinfo, host = match["scheme"], match["userinfo"], match["host"]
        username, colon, password = userinfo.partition(":")
        is_ssh = scheme.lower().endswith("ssh")
        if is_ssh and not colon:
            return match.group()
        address = f"{username}@{host}" if is_ssh else host
        bare_scheme, path = scheme.rpartition("+")[2], _place(match["path"], is_vcs="+" in scheme)
        if userinfo:
            taken.append(Credential(f"{bare_scheme}://{address}{path}", unquote(username), unquote(password)))
        return f"{scheme}://{address}"

    def strip_token(match: re.Match[str]) -> str:
        scheme, _, host = match["before"].partition("://")
        prefix = f"{scheme.rpartition('+')[2]}://{host}{_place(match['path'])}"
        taken.append(Credential(prefix, CONDA_TOKEN_USER, unquote(match["token"])))
        return match["before"]

    return _TOKEN.sub(strip_token, _USERINFO.sub(strip_userinfo, text)), tuple(taken)


def _place(path: str | None, *, is_vcs: bool = False) -> str:
    """Return below what a login counts: a path without a token, a package's name and a revision."""
    place = _TOKEN_PATH.sub("", (path or "").partition("::")[0])
    if is_vcs and "@" in place.rpartition("/")[2]:
        place = place.rpartition("@")[0]
    return place.rstrip("/")


def without_credentials(text: str) -> str:
    """Return ``text`` without the credentials of the URLs in it."""
    return take_credentials(text)[0]
