"""What a package was asked for by, where that is no index (PEP 610): `pip freeze` reads it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urldefrag, urlsplit

from conjoin.lock.model import LockedPackage
from conjoin.spec.credentials import without_credentials

__all__ = ["NAME", "direct_url"]

NAME = "direct_url.json"
_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")


def direct_url(package: LockedPackage) -> bytes | None:
    """Return the content of a package's ``direct_url.json``, the same on every machine.

    :returns: None for what comes from an index, built here or not.
    """
    url = package.source_url or package.url
    if not (package.direct or package.editable or url.startswith("git+")):
        return None
    text = json.dumps(_document(package, without_credentials(url)), sort_keys=True, separators=(",", ":"))
    return text.encode()


def _document(package: LockedPackage, url: str) -> dict[str, Any]:
    address, fragment = urldefrag(url)
    below = fragment.removeprefix("subdirectory=") if fragment.startswith("subdirectory=") else ""
    said: dict[str, Any] = {"subdirectory": below} if below else {}
    if url.startswith("git+"):
        # A lock has the commit. Not read by `index.git`, which bare containers do not have.
        repository, _, commit = address.removeprefix("git+").rpartition("@")
        return {**said, "url": repository, "vcs_info": {"commit_id": commit, "vcs": "git"}}
    if package.editable:
        return {**said, "url": address, "dir_info": {"editable": True}}
    if not urlsplit(address).path.endswith(_ARCHIVES):
        return {**said, "url": address, "dir_info": {}}
    sha256 = package.source_sha256 if package.source_url else package.sha256
    # `hash` is what readers from before `hashes` look for.
    archive = {"hash": f"sha256={sha256}", "hashes": {"sha256": sha256}}
    return {**said, "url": address, "archive_info": archive}
