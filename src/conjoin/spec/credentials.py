"""Secrets that people write into URLs: taken out before anything is parsed, named, hashed or shown."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from conjoin.redaction import Found, redacted
from conjoin.spec.requirements import Credential

__all__ = [
    "CONDA_TOKEN_USER",
    "NAMED_PLACE",
    "SECRET_PARAMETERS",
    "named_places",
    "take_credentials",
    "without_credentials",
]

CONDA_TOKEN_USER = "conda-token"  # noqa: S105 - a marker, not a secret
"""User name of a :class:`Credential` whose password is a ``/t/<token>/`` path, as anaconda's servers use."""

SECRET_PARAMETERS = "secret-parameters"  # noqa: S105 - as above
"""User name of a :class:`Credential` whose password is the URL as it was written, parameters included."""

NAMED_PLACE = "named-place"
"""User name of a :class:`Credential` that holds no secret: the user named this channel or URL, so a login
that is kept for its host may be shown there."""


def take_credentials(text: str) -> tuple[str, tuple[Credential, ...]]:
    """Return ``text`` without the credentials of the URLs in it, and those credentials.

    A user name alone stays in an ssh URL (``git+ssh://git@host``): there it is part of the address. Anywhere
    else it is a token. What may stand where, :mod:`conjoin.redaction` knows.
    """
    found: list[Found] = []
    public = redacted(text, _names_for(text), found.append)
    return public, tuple(map(_credential, found))


def without_credentials(text: str) -> str:
    """Return ``text`` without the credentials of the URLs in it."""
    return redacted(text, _names_for(text))


def named_places(places: Iterable[str]) -> tuple[Credential, ...]:
    """Return what says that somebody named these channels or URLs, in the words that logins travel in."""
    return tuple(Credential(place, NAMED_PLACE, "") for place in dict.fromkeys(places))


def _names_for(text: str) -> tuple[str, ...]:
    """Return the names of parameters that configuration adds, where ``text`` may have parameters at all."""
    if ("=" not in text and "%" not in text) or not any(mark in text for mark in "?#;%"):
        return ()
    from conjoin.config.load import load_settings
    from conjoin.errors import UsageError

    try:
        return load_settings().texts("secret-parameters")
    except UsageError:
        return ()  # told by whoever needs the configuration for its work


def _credential(found: Found) -> Credential:
    scheme = found.scheme.rpartition("+")[2]
    place = f"{scheme}://{found.host}"
    if found.kind == "parameters":
        public, whole = (_address(path, is_vcs="+" in found.scheme) for path in (found.path, found.secret))
        return Credential(place + public, SECRET_PARAMETERS, place + whole)
    if found.kind == "token":
        return Credential(place + _place(found.path), CONDA_TOKEN_USER, unquote(found.secret))
    username, _, password = found.secret.partition(":")
    prefix = place + _place(found.path, is_vcs="+" in found.scheme)
    return Credential(prefix, unquote(username), unquote(password))


def _place(path: str, *, is_vcs: bool = False) -> str:
    """Return below what a login counts: a path without a token, a package's name and a revision."""
    place = redacted(f"x://x{path.partition('::')[0]}").removeprefix("x://x")
    return (_without_revision(place) if is_vcs else place).rstrip("/")


def _address(address: str, *, is_vcs: bool) -> str:
    """Return path and query of a URL without the revision of a repository."""
    path, mark, query = address.partition("?")
    return (_without_revision(path) if is_vcs else path) + mark + query


def _without_revision(path: str) -> str:
    return path.rpartition("@")[0] if "@" in path.rpartition("/")[2] else path
