"""Azure's connection string, by which its own tools and its emulator are configured; obstore knows none."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from conjoin.errors import UsageError

__all__ = ["connection_configuration"]

_VARIABLE = "AZURE_STORAGE_CONNECTION_STRING"
_FIELDS = {"accountname": "account_name", "accountkey": "account_key", "sharedaccesssignature": "sas_key"}
_PUBLIC_CLOUD = "core.windows.net"


def connection_configuration() -> dict[str, Any]:
    """Return what ``AZURE_STORAGE_CONNECTION_STRING`` says, as obstore's configuration; empty for none.

    It goes before the other variables, as it does for Azure's own tools. Understood are the blob service's
    settings of Microsoft's "Configure Azure Storage connection strings": account and key or shared access
    signature, ``BlobEndpoint``, ``EndpointSuffix`` (sovereign clouds), ``UseDevelopmentStorage`` (Azurite).

    :raises UsageError: where it is no connection string; its content is not repeated.
    """
    text = os.environ.get(_VARIABLE, "").strip()
    if not text:
        return {}
    given: dict[str, str] = {}
    for setting in filter(None, (part.strip() for part in text.split(";"))):
        name, separator, value = setting.partition("=")
        if not separator:
            raise _unreadable("expected Name=value;Name=value")
        given[name.strip().lower()] = value.strip()
    if given.get("usedevelopmentstorage", "").lower() == "true":
        return {"use_emulator": True}
    found: dict[str, Any] = {ours: given[theirs] for theirs, ours in _FIELDS.items() if given.get(theirs)}
    endpoint = given.get("blobendpoint", "").rstrip("/")
    if "account_name" not in found and endpoint:
        found["account_name"] = (urlsplit(endpoint).hostname or "").partition(".")[0]
    if not found.get("account_name"):
        raise _unreadable("it names neither an account (AccountName) nor a BlobEndpoint")
    suffix = given.get("endpointsuffix") or _PUBLIC_CLOUD
    protocol = given.get("defaultendpointsprotocol") or "https"
    if not endpoint and (protocol, suffix) != ("https", _PUBLIC_CLOUD):
        endpoint = f"{protocol}://{found['account_name']}.blob.{suffix}"
    return found | ({"endpoint": endpoint} if endpoint else {})


def _unreadable(problem: str) -> UsageError:
    return UsageError(
        f"{_VARIABLE} is no connection string: {problem}",
        advice="copy it from the storage account's access keys, or set AZURE_STORAGE_ACCOUNT_NAME and a key",
    )
