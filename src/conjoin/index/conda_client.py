"""The client that py-rattler asks conda channels with: logged in where a channel wants it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from conjoin.net.credentials import Credentials

if TYPE_CHECKING:
    from rattler.networking import Client

__all__ = ["client_for"]

_CLOUDS = ("s3", "gcs", "oci")
_TRIES = 3


def client_for(channels: Sequence[str], credentials: Credentials) -> Client | None:
    """Return a client for channels, None where py-rattler's own will do: nobody has to log in anywhere.

    :param channels: their URLs.
    """
    there = [channel.rstrip("/") for channel in channels if channel.startswith(("http:", "https:"))]
    for channel in there:
        credentials.ask_keyring(channel)  # before: py-rattler does not tell us that it was refused
    logins = {channel: login for channel in there if (login := credentials.find(channel))}
    in_clouds = any(urlsplit(channel).scheme in _CLOUDS for channel in channels)
    if not logins and not in_clouds:
        return None
    from rattler.networking import (
        AddHeadersMiddleware,
        AuthenticationMiddleware,
        Client,
        GCSMiddleware,
        MirrorMiddleware,
        OciMiddleware,
        RetryMiddleware,
        S3Middleware,
    )

    # What a channel's token does to its URL is done on the way out: a channel that is named with its token
    # would leave it in the names and files of py-rattler's cache.
    tokens = {
        channel: [credentials.address(channel)]
        for channel, login in logins.items()
        if login.kind == "conda-token"
    }
    parts = [urlsplit(channel) for channel in there]

    def headers_for(host: str, path: str) -> dict[str, str] | None:
        same = [each for each in parts if each.hostname == host]
        below = [each for each in same if f"{path}/".startswith(f"{each.path}/")]
        longest = max((len(each.path) for each in below), default=0)
        asked = [each for each in below if len(each.path) == longest] or same
        headers = {credentials.authorization(each._replace(path=path).geturl()) for each in asked}
        # Of two ports of one host we are not told which is asked: no login is shown to the other one.
        header = headers.pop() if len(headers) == 1 else None
        return {"Authorization": header} if header else None

    layers: list[Any] = [RetryMiddleware(_TRIES), AddHeadersMiddleware(headers_for)]
    if tokens:
        layers.insert(1, MirrorMiddleware(tokens))
    if in_clouds:
        # rattler's own look into its store: for clouds alone, elsewhere it would be a second answer.
        layers += [AuthenticationMiddleware(), OciMiddleware(), S3Middleware(), GCSMiddleware()]
    return Client(layers)
