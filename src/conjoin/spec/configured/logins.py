"""Logins that are configured on this host, whatever is asked for, and whether the keyring is asked.

``CONJOIN_CREDENTIALS`` (``credentials`` in the user's file): URLs with a login in them, for what lies below
it. ``UV_INDEX_<NAME>_USERNAME`` and ``..._PASSWORD``, for the indexes that uv's configuration has a name for.
And whatever login stands in the URL of a channel, an index or a find-links place that is configured.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from conjoin.config.load import load_settings
from conjoin.errors import UsageError
from conjoin.spec.configured.index import configured_indexes
from conjoin.spec.configured.places import said_places
from conjoin.spec.configured.request import DEFAULT_CHANNELS, with_settings
from conjoin.spec.credentials import take_credentials
from conjoin.spec.partial_requirements import PartialRequirements
from conjoin.spec.requirements import Credential

__all__ = ["configured_logins", "named_origins", "uses_keyring"]

_NO_NAME = re.compile(r"[^A-Z0-9]")
_KEYRING = {
    "subprocess": True,
    "import": True,  # pip: the keyring that lies beside it; the command has the same answers
    "disabled": False,
    "auto": False,  # pip's default: not asked for
    "native": False,  # uv's own store
    "": False,
}


def configured_logins(environ: Mapping[str, str] | None = None) -> tuple[Credential, ...]:
    """Return them, the strongest first.

    :param environ: environment variables, those of this process if None.
    :raises UsageError: where the configuration cannot be read.
    """
    environ = os.environ if environ is None else environ
    return tuple(
        dict.fromkeys(
            [
                *_own(),
                *with_settings(PartialRequirements(), load_settings()).credentials,
                *_of_names(environ),
                *configured_indexes(environ).credentials,
            ]
        )
    )


def named_origins(given: Iterable[str] = ()) -> Iterator[str]:
    """Yield URLs, one for each origin at least, of what the user of this host names.

    Those are ``given``, and what is configured: channels (those that nobody names are conda's default),
    indexes, find-links places, URLs with a login. Cheap ones come first: what the name of a channel stands
    for, py-rattler is asked.

    :param given: channels and URLs that were typed for the command at hand.
    :raises UsageError: where the configuration cannot be read.
    """
    asked = with_settings(PartialRequirements(), load_settings())
    indexes = configured_indexes()
    aliases = [url for _, urls in asked.channel_aliases for url in urls]
    places = [
        *given,
        *(one.url_prefix for one in configured_logins()),
        *(url for url in (asked.index_url, indexes.default) if url),
        *asked.extra_indexes,
        *indexes.extra,
        *asked.find_links,
        *aliases,
        *(asked.channels or DEFAULT_CHANNELS),
    ]
    yield from (place for place in places if "://" in place)
    for name in dict.fromkeys(place for place in places if "://" not in place):
        with suppress(Exception):  # no name of a channel, or no py-rattler here: it names no origin
            from rattler import Channel

            yield Channel(name).base_url


def uses_keyring(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether the ``keyring`` command is asked: only where Conjoin, uv or pip were told to.

    :raises UsageError: where Conjoin's setting is not what it should be.
    """
    own = load_settings().said("keyring-provider")
    if own:
        value = str(own[0].value)
        if value not in ("subprocess", "disabled"):
            raise UsageError(
                f"keyring-provider is {value!r}", where=own[0].where, advice="expected subprocess or disabled"
            )
        return _KEYRING[value]
    environ = os.environ if environ is None else environ
    said = next((place.keyring for place in said_places(environ) if place.keyring), "")
    return _KEYRING.get(said, False)


def _own() -> Iterator[Credential]:
    for said in load_settings().said("credentials"):
        for url in said.value if isinstance(said.value, tuple) else ():
            _, found = take_credentials(url)
            if not found:
                raise UsageError(
                    "an entry of credentials has no login in it",
                    where=said.where,
                    advice="expected a user name and password before the host, or a parameter such as token",
                )
            yield from found


def _of_names(environ: Mapping[str, str]) -> Iterator[Credential]:
    """Yield what ``UV_INDEX_<NAME>_USERNAME`` and ``_PASSWORD`` say (uv's manual, "Package indexes")."""
    if not any(name.startswith("UV_INDEX_") for name in environ):
        return
    for place in said_places(environ):
        for name, url in place.named:
            variable = f"UV_INDEX_{_NO_NAME.sub('_', name.upper())}"
            username = environ.get(f"{variable}_USERNAME", "")
            password = environ.get(f"{variable}_PASSWORD", "")
            if username or password:
                yield Credential(take_credentials(url)[0].rstrip("/"), username, password)
