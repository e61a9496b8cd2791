"""Where a store is: a folder, or a URL of an object store and how this host reaches it."""

from __future__ import annotations

import functools
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from conjoin.errors import UsageError
from conjoin.store.layout import is_plain_name
from conjoin.untrusted import path_of, split_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig, MemoryStore, ObjectStore, RetryConfig

__all__ = [
    "Address",
    "aws_configuration_from_profile",
    "azure_configuration_from_connection_string",
    "parse_address",
]

RETRIES = 8
LONGEST_PAUSE = timedelta(seconds=10)  # no shorter than obstore's first one, 0.1 s
PATIENCE = timedelta(seconds=120)
"""How long one request is tried again, from its first try on."""
SILENCE = timedelta(seconds=30)
"""How long a server may say nothing."""
PART_TIME = timedelta(minutes=10)
"""How long one part of an upload may take; the server says nothing meanwhile, and the line may be slow."""

_SCHEMES = {"s3": "s3", "gs": "gs", "gcs": "gs", "az": "az", "azure": "az", "memory": "memory"}
_EXPECTED = "expected a folder, file://, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"


_AWS_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_AWS_FIELDS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_AZURE_CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
_AZURE_FIELDS = {
    "accountname": "account_name",
    "accountkey": "account_key",
    "sharedaccesssignature": "sas_key",
}
_AZURE_PUBLIC_CLOUD = "core.windows.net"


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

    @property
    def identity(self) -> str:
        """What tells this store from all others, without credentials; empty for one of this process alone.

        One address means other stores at other servers (S3, GCS) and in other accounts (Azure).
        """
        if self.scheme == "memory":
            return ""
        server = {"s3": _s3_server, "gs": _google_server, "az": _azure_server}[self.scheme]()
        return f"{self.text} at {server}" if server else self.text

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
        split = split_url(place, shown="" if "@" in place else place)
        if split.netloc not in ("", "localhost") or split.query or split.fragment:
            raise UsageError("a file: URL names a folder of this machine", advice="expected file:///folder")
        return path_of(unquote(split.path), home=False).absolute()
    scheme, separator, rest = place.partition("://")
    if not separator:
        return path_of(place).absolute()
    if scheme not in _SCHEMES:
        raise UsageError(f"{_plain(scheme)}:// is no store", advice=_EXPECTED)
    bucket, *parts = rest.rstrip("/").split("/")
    if "@" in bucket or "?" in rest or "#" in rest:
        raise UsageError(
            "a store's address is a bucket and a prefix, nothing else",
            where=f"{scheme}://",
            advice="credentials and options are taken from the cloud's usual variables and profiles",
        )
    if (not bucket and scheme != "memory") or not all(map(is_plain_name, [bucket or "_", *parts])):
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
    endpoint = _first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return aws_configuration_from_profile() | ({"endpoint": endpoint} if endpoint else {})


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
    config = azure_configuration_from_connection_string()
    if "endpoint" not in config and (endpoint := _first_of("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")):
        config["endpoint"] = endpoint
    if not config.keys() & {"account_key", "sas_key", "use_emulator"} and shutil.which("az"):
        # After keys, tokens and identities of the environment, before a virtual machine's identity.
        config["use_azure_cli"] = True
    return config


def aws_configuration_from_profile() -> dict[str, str]:
    """Return what ``AWS_PROFILE`` (else ``default``) says in AWS's files, as obstore's configuration.

    Everything else of AWS's chain obstore knows itself.
    Keys where the environment names none, and the region where it names none: the order of AWS's chain.
    """
    profile = os.environ.get("AWS_PROFILE") or "default"
    found: dict[str, str] = {}
    config = _profile_section("AWS_CONFIG_FILE", "~/.aws/config", profile, f"profile {profile}")
    if not any(map(os.environ.get, ("AWS_REGION", "AWS_DEFAULT_REGION"))) and "region" in config:
        found["region"] = config["region"]
    if any(map(os.environ.get, _AWS_CREDENTIALS)):
        return found
    secrets = {**config, **_profile_section("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", profile)}
    if "aws_access_key_id" in secrets and "aws_secret_access_key" in secrets:
        found |= {ours: secrets[theirs] for theirs, ours in _AWS_FIELDS.items() if theirs in secrets}
    return found


def _profile_section(variable: str, default: str, *names: str) -> dict[str, str]:
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read(Path(os.environ.get(variable) or default).expanduser(), encoding="utf-8")
    except (configparser.Error, OSError, ValueError, RuntimeError):
        return {}  # it is not ours to complain about; a request without credentials is refused with advice
    return {key: value for name in names if parser.has_section(name) for key, value in parser.items(name)}


def azure_configuration_from_connection_string() -> dict[str, Any]:
    """Return what ``AZURE_STORAGE_CONNECTION_STRING`` says, as obstore's configuration; empty for none.

    Azure's own tools and its emulator are configured by it; obstore knows it not.
    It goes before the other variables, as it does for Azure's own tools. Understood are the blob service's
    settings of Microsoft's "Configure Azure Storage connection strings": account and key or shared access
    signature, ``BlobEndpoint``, ``EndpointSuffix`` (sovereign clouds), ``UseDevelopmentStorage`` (Azurite).

    :raises UsageError: where it is no connection string; its content is not repeated.
    """
    text = os.environ.get(_AZURE_CONNECTION, "").strip()
    if not text:
        return {}
    given: dict[str, str] = {}
    for setting in filter(None, (part.strip() for part in text.split(";"))):
        name, separator, value = setting.partition("=")
        if not separator:
            raise _no_connection_string("expected Name=value;Name=value")
        given[name.strip().lower()] = value.strip()
    if given.get("usedevelopmentstorage", "").lower() == "true":
        return {"use_emulator": True}
    found: dict[str, Any] = {
        ours: given[theirs] for theirs, ours in _AZURE_FIELDS.items() if given.get(theirs)
    }
    endpoint = given.get("blobendpoint", "").rstrip("/")
    if "account_name" not in found and endpoint:
        found["account_name"] = (split_url(endpoint).hostname or "").partition(".")[0]
    if not found.get("account_name"):
        raise _no_connection_string("it names neither an account (AccountName) nor a BlobEndpoint")
    suffix = given.get("endpointsuffix") or _AZURE_PUBLIC_CLOUD
    protocol = given.get("defaultendpointsprotocol") or "https"
    if not endpoint and (protocol, suffix) != ("https", _AZURE_PUBLIC_CLOUD):
        endpoint = f"{protocol}://{found['account_name']}.blob.{suffix}"
    return found | ({"endpoint": endpoint} if endpoint else {})


def _no_connection_string(problem: str) -> UsageError:
    return UsageError(
        f"{_AZURE_CONNECTION} is no connection string: {problem}",
        advice="copy it from the storage account's access keys, or set AZURE_STORAGE_ACCOUNT_NAME and a key",
    )


def _s3_server() -> str:
    return _without_login(_first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"))


def _google_server() -> str:
    return _without_login(_first_of("STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"))


def _azure_server() -> str:
    config = azure_configuration_from_connection_string()
    if config.get("use_emulator"):
        return "emulator"
    named = _first_of("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
    endpoint = config.get("endpoint") or _first_of("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
    return " ".join(filter(None, (config.get("account_name") or named, _without_login(endpoint))))


def _without_login(url: str | None) -> str:
    split = split_url(url or "")
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path.rstrip('/')}" if url else ""


def _first_of(*variables: str) -> str | None:
    return next((value for value in map(os.environ.get, variables) if value), None)


def _plain(text: str) -> str:
    return text if text.isprintable() and len(text) < 200 else "..."
