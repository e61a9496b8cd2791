"""Which store a flow's environments are kept in: below the root of its datastore."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator
from urllib.parse import urlsplit

from metaflow_extensions.conjoin.config.settings import configured
from metaflow_extensions.conjoin.errors import told_by_metaflow

if TYPE_CHECKING:
    from conjoin.store.store import Store

__all__ = ["cloud_variables", "endpoint_variables", "open_store", "store_address"]

FOLDER = "conda_env"

_ROOTS = {"s3": "S3", "azure": "AZURE", "gs": "GS", "local": "LOCAL"}
_SCHEMES = {"azure": "az://"}
_AZURE_ACCOUNT = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_CONNECTION_STRING")


def store_address(datastore_type: str) -> str | None:
    """Return the address of a flow's store by the type of its datastore.

    It is ``METAFLOW_CONDA_<TYPE>ROOT``, else ``conda_env`` below ``METAFLOW_DATASTORE_SYSROOT_<TYPE>``. None
    means Conjoin's own default store, which serves where neither is set: out of the box.
    """
    which = _ROOTS.get("local" if datastore_type == "spin" else datastore_type)
    if which is None:
        return None
    address = configured(f"CONDA_{which}ROOT")
    if not address:
        root = configured("DATASTORE_SYSROOT_" + which)
        if not root:
            return None
        address = f"{root.rstrip('/')}/{FOLDER}"
    if "://" not in address:
        # Metaflow writes Azure's roots as container/prefix.
        return _SCHEMES.get(datastore_type, "") + address
    return address


def open_store(datastore_type: str) -> Store:
    """Return a flow's store.

    :raises EnvironmentProblem: where its address is none, or this host is not configured for that cloud.
    """
    from conjoin.store.store import Store

    with told_by_metaflow(), cloud_variables():
        return Store(store_address(datastore_type))


def endpoint_variables() -> dict[str, str]:
    """Return the variables that tell the engine which server (S3) and account (Azure) Metaflow means."""
    found: dict[str, str] = {}
    endpoint = configured("S3_ENDPOINT_URL")
    if endpoint and "AWS_ENDPOINT_URL_S3" not in os.environ:
        found["AWS_ENDPOINT_URL_S3"] = endpoint
    # https://<account>.blob.core.windows.net
    account = (urlsplit(configured("AZURE_STORAGE_BLOB_SERVICE_ENDPOINT")).hostname or "").partition(".")[0]
    if account and not any(name in os.environ for name in _AZURE_ACCOUNT):
        found["AZURE_STORAGE_ACCOUNT_NAME"] = account
    return found


@contextmanager
def cloud_variables() -> Iterator[None]:
    """Set those variables while a store is opened; user code in tasks must not see them."""
    added = endpoint_variables()
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
