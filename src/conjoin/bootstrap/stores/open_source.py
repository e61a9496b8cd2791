"""From a store's address to where its objects are read from; of the clouds, one is loaded alone."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from conjoin.bootstrap.grammar import PLACE_PART
from conjoin.bootstrap.stores.source import FolderSource, Source, WebSource
from conjoin.errors import UsageError

__all__ = ["open_source"]

_EXPECTED = "expected s3://bucket/prefix, gs://, az://, https://, file:// or a folder"


def open_source(place: str, endpoint: str | None = None) -> Source:
    """Return the source that an address means.

    :param endpoint: the URL of the server, where it is not the cloud's own.
    :raises UsageError: where it means none.
    """
    try:
        urlsplit(place).port  # noqa: B018 (it is read to know whether it can be)
    except ValueError as error:
        raise UsageError(f"this is no address of a store ({error})", advice=_EXPECTED) from None
    if "\0" in place:
        raise UsageError("this is no address of a store (it holds a null character)", advice=_EXPECTED)
    scheme, separator, rest = place.partition("://")
    if not separator and not place.startswith("file:"):
        return FolderSource(os.path.abspath(os.path.expanduser(place)))
    if place.startswith("file:"):
        return FolderSource(unquote(urlsplit(place).path))
    if scheme in ("http", "https"):
        split = urlsplit(place)
        if "@" in split.netloc or split.query or split.fragment:
            raise UsageError("a store's address holds no credentials", where=f"{scheme}://{split.hostname}")
        return WebSource(place.rstrip("/"))
    bucket, *parts = rest.rstrip("/").split("/")
    if "@" in rest or "?" in rest or not all(PLACE_PART.fullmatch(part) for part in [bucket, *parts]):
        raise UsageError("this is no address of a store", where=scheme + "://", advice=_EXPECTED)
    prefix = "/".join(parts)
    if scheme == "s3":
        from conjoin.bootstrap.stores.s3 import S3Source

        return S3Source(bucket, prefix, endpoint)
    if scheme in ("gs", "gcs"):
        from conjoin.bootstrap.stores.google import GoogleSource

        return GoogleSource(bucket, prefix, endpoint)
    if scheme in ("az", "azure"):
        from conjoin.bootstrap.stores.azure import AzureSource

        return AzureSource(bucket, prefix, endpoint)
    raise UsageError(f"{scheme}:// is no store", advice=_EXPECTED)
