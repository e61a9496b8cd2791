"""Extracted conda packages into a prefix: linked by rattler, then made the same on every machine.

What rattler notes of this machine in ``conda-meta`` is taken out again: it is as any machine would write it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from conjoin.errors import UsageError
from conjoin.lock.model import LockedPackage
from conjoin.prefix.link import rattler_bridge
from conjoin.prefix.link.conda_cache import CondaEntry
from conjoin.store.backend.atomic import replace

__all__ = ["check_placeholders", "link_conda"]


def check_placeholders(packages: Mapping[LockedPackage, CondaEntry], prefix: Path) -> None:
    """Check that the path of the prefix can be written into every package.

    :raises UsageError: where one leaves less room: rattler would notice halfway through, and leave the first
        half behind.
    """
    length = len(os.fsencode(prefix))
    for package, entry in packages.items():
        if 0 < entry.shortest_placeholder < length:
            raise UsageError(
                f"the conda package {package.name} leaves room for a prefix of {entry.shortest_placeholder} "
                f"bytes, this one has {length}",
                where=str(prefix),
                advice="choose a shorter one with --prefix, or set CONJOIN_ENVS",
            )


async def link_conda(
    folders: Mapping[LockedPackage, Path], prefix: Path, *, layer: Path, platform: str
) -> None:
    """Link extracted conda packages into an empty prefix.

    :param folders: where each package was extracted to.
    :param layer: a folder of this process alone, made for rattler.
    :raises ConjoinError: where rattler cannot link; the prefix is incomplete then.
    :raises Unreachable: where the disk is full; likewise.
    """
    await rattler_bridge.link(folders, layer, prefix, platform)
    await asyncio.to_thread(_normalise, prefix, folders)


def _normalise(prefix: Path, packages: Iterable[LockedPackage]) -> None:
    """Rewrite the ``conda-meta`` records of ``packages``: real origins, no paths of caches, readable by all.

    Also drop the ``CACHEDIR.TAG`` that makes backup programs skip the prefix.
    """
    for package in packages:
        path = prefix / "conda-meta" / f"{rattler_bridge.layer_entry(package)}.json"
        record: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        record["url"] = package.url
        for key in ("extracted_package_dir", "package_tarball_full_path"):
            record.pop(key, None)
        if isinstance(link := record.get("link"), dict):
            # conda knows the key, so it stays; where the cache was is nobody's business.
            link["source"] = ""
        replace(path, msgspec.json.format(msgspec.json.encode(record), indent=2), durable=False)
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)
