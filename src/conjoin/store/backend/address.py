"""Where a store is: a folder, or a URL of an object store and how this host reaches it."""

from __future__ import annotations

import functools
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from conjoin.errors import UsageError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, MemoryStore, ObjectStore, RetryConfig

__all__ = ["Address", "parse_address"]

RETRIES = 8
LONGEST_PAUSE = timedelta(seconds=10)  # no shorter than obstore's first one, 0.1 s
PATIENCE = timedelta(seconds=120)
"""How long one request is tried again, from its first try on."""
SILENCE = timedelta(seconds=30)
"""How long a server may say nothing."""
PART_TIME = timedelta(minutes=10)
"""How long one part of an upload may take; the server says nothing meanwhile, and the line may be slow."""

_SCHEMES = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "az", "azure": "az", "memory": "memory"}
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~=@-]*")
_EXPECTED = "expected a folder, file://, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"


class Address(msgspec.Struct, frozen=True):
    """The address of an object store; credentials are no part of it.

    :ivar scheme: ``s3``, ``gs``, ``az`` or ``memory``.
    :ivar bucket: bucket or container; of ``memory``, the store's name.
    :ivar prefix: what every key begins with, without slashes around; may be empty.
    """

    scheme: str
    bucket: str
    prefix: str

    @property
    def text(self) -> str:
        """The address as people type it."""
        return f"{self.scheme}://{self.bucket}{f'/{self.prefix}' if self.prefix else ''}"

    def open(self, *, to_upload: bool = False) -> ObjectStore:
        """Return obstore's store, configured from the environment as the cloud's own tools are.

        :param to_upload: be patient with big bodies on slow lines.
        """
        from obstore.store import AzureStore, GCSStore, S3Store

        if self.scheme == "memory":
            return _memory(self.text)
        store: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[self.scheme]
        config = {"s3": _s3, "gs": _google, "az": _azure}[self.scheme]()
        endpoint = str(config.get("endpoint") or config.get("base_url") or "")
        opened: ObjectStore = store(
            self.bucket,
            prefix=self.prefix or None,
            config=config,
            # Whoever configured an endpoint without TLS said so.
            client_options=_client(to_upload, allow_http=endpoint.startswith("http://")),
            retry_config=_retries(to_upload),
        )
        return opened


def parse_address(place: str) -> Path | Address:
    """Return the folder or the object store that ``place`` names.

    :raises UsageError: where it names none, or carries credentials, which belong into the environment.
    """
    if place.startswith("file:"):
        split = urlsplit(place)
        if split.netloc not in ("", "localhost") or split.query or split.fragment:
            raise UsageError("a file: URL names a folder of this machine", advice="expected file:///folder")
        return Path(unquote(split.path)).absolute()
    scheme, separator, rest = place.partition("://")
    if not separator:
        return Path(place).expanduser().absolute()
    if scheme not in _SCHEMES:
        raise UsageError(f"{_plain(scheme)}:// is no store", advice=_EXPECTED)
    bucket, *parts = rest.rstrip("/").split("/")
    if "@" in bucket or "?" in rest or "#" in rest:
        raise UsageError(
            "a store's address is a bucket and a prefix, nothing else",
            where=f"{scheme}://",
            advice="credentials and options are taken from the cloud's usual variables and profiles",
        )
    if (not bucket and scheme != "memory") or not all(map(_PART.fullmatch, [bucket or "_", *parts])):
        raise UsageError(
            "this is no address of a store", where=f"{scheme}://{_plain(rest)}", advice=_EXPECTED
        )
    return Address(_SCHEMES[scheme], bucket, "/".join(parts))


@functools.cache
def _memory(name: str) -> MemoryStore:
    # The same name is the same store for as long as the process lives.
    from obstore.store import MemoryStore

    return MemoryStore()


def _client(to_upload: bool, *, allow_http: bool) -> ClientConfig:
    options: ClientConfig = {"user_agent": "conjoin", "connect_timeout": timedelta(seconds=10)}
    if to_upload:
        options["timeout"] = PART_TIME
    else:
        # A stalled connection is noticed by the pause between two reads; a big package may take its time.
        options["read_timeout"] = SILENCE
        options["timeout"] = timedelta(hours=1)
    if allow_http:
        options["allow_http"] = True
    return options


def _retries(to_upload: bool) -> RetryConfig:
    patience = PATIENCE + (PART_TIME if to_upload else timedelta())
    return {"max_retries": RETRIES, "retry_timeout": patience, "backoff": {"max_backoff": LONGEST_PAUSE}}


def _s3() -> dict[str, Any]:
    from conjoin.store.backend.aws_profile import profile_configuration

    endpoint = _first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return profile_configuration() | ({"endpoint": endpoint} if endpoint else {})


def _google() -> dict[str, Any]:
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if not emulator:
        endpoint = os.environ.get("GOOGLE_BASE_URL")
        return {"base_url": endpoint} if endpoint else {}
    # As Google's libraries do: a host with or without a scheme, and no credentials of anybody sent to it.
    return {
        "base_url": (emulator if "://" in emulator else f"http://{emulator}").rstrip("/"),
        "bearer_token": "emulator",
    }


def _azure() -> dict[str, Any]:
    from conjoin.store.backend.azure_connection import connection_configuration

    config = connection_configuration()
    if "endpoint" not in config and (endpoint := _first_of("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")):
        config["endpoint"] = endpoint
    if not config.keys() & {"account_key", "sas_key", "use_emulator"} and shutil.which("az"):
        # After keys, tokens and identities of the environment, before a virtual machine's identity.
        config["use_azure_cli"] = True
    return config


def _first_of(*variables: str) -> str | None:
    return next((value for value in map(os.environ.get, variables) if value), None)


def _plain(text: str) -> str:
    return text if text.isprintable() and len(text) < 200 else "..."
