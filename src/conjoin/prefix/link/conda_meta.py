"""conda-meta as any machine would have written it: what rattler notes of this machine is taken out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from conjoin.lock.model import LockedPackage
from conjoin.prefix.link.rattler_bridge import layer_entry
from conjoin.store.backend.atomic import replace

__all__ = ["normalise"]


def normalise(prefix: Path, packages: Iterable[LockedPackage]) -> None:
    """Rewrite the ``conda-meta`` records of ``packages``: real origins, no paths of caches, readable by all.

    Also drop the ``CACHEDIR.TAG`` that makes backup programs skip the prefix.
    """
    for package in packages:
        path = prefix / "conda-meta" / f"{layer_entry(package)}.json"
        record: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        record["url"] = package.url
        for key in ("extracted_package_dir", "package_tarball_full_path"):
            record.pop(key, None)
        if isinstance(link := record.get("link"), dict):
            # conda knows the key, so it stays; where the cache was is nobody's business.
            link["source"] = ""
        replace(path, msgspec.json.format(msgspec.json.encode(record), indent=2), durable=False)
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)
