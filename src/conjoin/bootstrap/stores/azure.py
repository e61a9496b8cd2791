"""Azure Blob Storage: by a key or a shared access signature of the variables, else azure-identity's token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from email.utils import formatdate
from urllib.parse import quote, urlsplit

from conjoin.bootstrap.stores.source import Body, TokenSource, body_of, first_variable
from conjoin.errors import Unreachable, UsageError

__all__ = ["AzureSource", "shared_key"]

_VERSION = "2021-08-06"
_SCOPE = "https://storage.azure.com/.default"


class AzureSource(TokenSource):
    """A prefix of a container.

    :param endpoint: the URL of the account's blob service; default: of the variables.
    :raises UsageError: where nothing says which account.
    """

    def __init__(self, container: str, prefix: str, endpoint: str | None = None) -> None:
        told = dict(
            part.split("=", 1)
            for part in os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";")
            if "=" in part
        )
        account = (
            told.get("AccountName")
            or first_variable("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
            or ""
        )
        suffix = told.get("EndpointSuffix", "core.windows.net")
        server = (
            endpoint
            or told.get("BlobEndpoint")
            or first_variable("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")
            or ""
        )
        if not server and not account:
            raise UsageError(
                "nothing says which Azure account",
                where="az://" + container,
                advice="set AZURE_STORAGE_ACCOUNT_NAME",
            )
        server = server or f"https://{account}.blob.{suffix}"
        tail = "{}{}".format(container, "/" + prefix if prefix else "")
        super().__init__("{}/{}".format(server.rstrip("/"), tail))
        self.place = "az://" + tail
        self._account = account or (urlsplit(server).hostname or "").partition(".")[0]
        self._key = told.get("AccountKey") or first_variable(
            "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"
        )
        signature = told.get("SharedAccessSignature") or first_variable(
            "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"
        )
        self._signature = (signature or "").lstrip("?")

    def open(self, key: str, start: int = 0) -> Body | None:
        """Return an object's bytes."""
        url = self._base + "/" + quote(key)
        headers = {"x-ms-version": _VERSION, "x-ms-date": formatdate(usegmt=True)}
        if start:
            headers["Range"] = f"bytes={start}-"
        if self._key:
            headers["Authorization"] = shared_key(url, headers, self._account, self._key)
        elif self._signature:
            url += "?" + self._signature
        else:
            headers["Authorization"] = self.bearer()
        answer = self._connections.get(url, headers)
        missing = answer.header("x-ms-error-code") == "ContainerNotFound"
        if missing:
            answer.text()
            raise Unreachable(
                "there is no such container", where=self.place, advice="check the store's address"
            )
        return body_of(answer, start, self.where(key))

    def fresh_token(self) -> tuple[str, float]:
        """Return a new token of azure-identity's."""
        try:
            from azure.identity import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
                DefaultAzureCredential,
            )
        except ImportError:
            raise Unreachable(
                "Azure's credentials need azure-identity",
                where=self.place,
                advice="install it, or set AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_ACCOUNT_KEY",
            ) from None
        try:
            token = DefaultAzureCredential().get_token(_SCOPE)
        except Exception as error:  # one class per way
            words = " ".join(str(error).split())
            raise Unreachable(f"Azure gives no credentials ({words[:300]})", where=self.place) from None
        return token.token, float(token.expires_on)


def shared_key(url: str, headers: dict[str, str], account: str, key: str) -> str:
    """Return the ``Authorization`` of a GET (Azure: "Authorize with Shared Key")."""
    special = sorted(name for name in headers if name.startswith("x-ms-"))
    lines = ["GET"] + [""] * 10 + [headers.get("Range", "")]
    lines += [f"{name}:{headers[name]}" for name in special]
    lines.append(f"/{account}{urlsplit(url).path}")
    digest = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"
