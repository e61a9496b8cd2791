"""Metadata of wheels, on disk: read once per wheel and kept, by index and the wheel's own sha256.

A wheel of a given sha256 has one content for ever, so such entries never age. Where the index announces no
hash, the entry is by URL and fresh for a while only. The index belongs to the key because most metadata is
the index's word: what one index says of a wheel must not count for the same wheel from another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.dependency import Dependency
from conjoin.index.pypi.project import CoreMetadata, IndexFile
from conjoin.net.http_cache import (
    DEFAULT_MAX_AGE,
    entry_key,
    entry_path,
    make_private,
    read_checked,
    write_checked,
)
from conjoin.spec.names import PypiName

__all__ = ["MetadataCache"]

# Part of the key: what an older reader made of the same bytes is not looked at.
_FORMAT = 2


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    key: str
    stored: float
    name: str
    version: str
    dependencies: tuple[Dependency, ...]
    requires_python: str
    provides_extras: tuple[str, ...]
    unusable: str


class MetadataCache:
    """Metadata under one folder; safe for several processes at once.

    :param folder: made when first written to, for its owner alone.
    :param offline: entries by URL never age.
    :param address: as of :class:`conjoin.net.http_cache.HttpCache`.
    """

    def __init__(self, folder: Path, *, offline: bool = False, address: Callable[[str], str] = str) -> None:
        self._folder = folder
        self._address = address
        self._offline = offline
        self._decoder = msgspec.msgpack.Decoder(_Kept)

    def load(self, file: IndexFile) -> CoreMetadata | MetadataUnusable | None:
        """Return what is known of a file: its metadata, why it has none, or None where nothing is known."""
        key = self._key(file)
        payload = read_checked(entry_path(self._folder, key))
        if payload is None:
            return None
        try:
            kept = self._decoder.decode(payload)
            version = Version(kept.version)
        except (msgspec.DecodeError, InvalidVersion):
            return None
        if kept.key != key or (
            file.sha256 is None and not self._offline and not 0 <= time.time() - kept.stored < DEFAULT_MAX_AGE
        ):
            return None
        if kept.unusable:
            return MetadataUnusable(kept.unusable)
        return CoreMetadata(
            name=PypiName(kept.name),
            version=version,
            dependencies=kept.dependencies,
            requires_python=kept.requires_python,
            provides_extras=frozenset(kept.provides_extras),
        )

    def store(self, file: IndexFile, known: CoreMetadata | MetadataUnusable) -> None:
        """Keep what was learned of a file."""
        key = self._key(file)
        usable = known if isinstance(known, CoreMetadata) else None
        kept = _Kept(
            key=key,
            stored=time.time(),
            name=usable.name if usable else "",
            version=str(file.version),
            dependencies=usable.dependencies if usable else (),
            requires_python=usable.requires_python if usable else "",
            provides_extras=tuple(sorted(usable.provides_extras)) if usable else (),
            unusable=known.reason if isinstance(known, MetadataUnusable) else "",
        )
        make_private(self._folder)
        write_checked(entry_path(self._folder, key), msgspec.msgpack.encode(kept))

    def _key(self, file: IndexFile) -> str:
        # The file name belongs to it: name and version must agree with the metadata.
        known_by = file.sha256 or self._address(file.url)
        return entry_key(f"{_FORMAT} {file.index} {file.filename} {known_by}")
