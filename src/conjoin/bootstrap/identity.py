"""What a lock is called, computed of its JSON: as :mod:`conjoin.lock.identity` does, which a test holds.

That module needs what a bare container has not.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["document_digest", "full_id", "platform_digest"]

_ORIGINS = ("url", "channel")
_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")


def platform_digest(platform: str, packages: Iterable[Mapping[str, Any]]) -> str:
    """Return what the environment of one platform is called: 40 hex digits."""
    return _digest([platform, sorted(map(_bound, packages))])[:40]


def full_id(platforms: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the ``full_id`` of the ``platforms`` of a lock: 40 hex digits."""
    rows = [[name, sorted(map(_bound, locked["packages"]))] for name, locked in sorted(platforms.items())]
    return _digest(rows)[:40]


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the digest of a whole lock but for where its packages come from: 64 hex digits."""
    platforms = {}
    for name, locked in document["platforms"].items():
        packages = [
            {field: value for field, value in package.items() if field not in _ORIGINS}
            for package in locked["packages"]
        ]
        platforms[name] = dict(locked, packages=packages)
    return _digest(dict(document, platforms=platforms))


def _bound(package: Mapping[str, Any]) -> list[Any]:
    source = package.get("source_url", "")
    url = source or package.get("url", "")
    named = package.get("direct", False) or package.get("editable", False) or url.startswith("git+")
    return [
        package["kind"],
        package["name"],
        package["version"],
        package.get("build", ""),
        package["file"],
        package.get("sha256", ""),
        package.get("size", 0),
        package.get("noarch", ""),
        package.get("python_site_packages_path", ""),
        package.get("implementation", ""),
        package.get("abi", ""),
        package.get("editable", False),
        url if named else "",
        package.get("source_sha256", "") if named and url.partition("#")[0].endswith(_ARCHIVES) else "",
    ]


def _digest(told: Any) -> str:
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
