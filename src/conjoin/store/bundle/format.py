"""The bytes of an offline bundle: a plain tar archive, of which there is exactly one for a content.

The members are a manifest, the lock, and the packages, under the keys they have in a store: unpacked by
``tar``, a bundle is a store. A reader need not understand tar, and cannot be deceived by it: the manifest
says what every other byte that is not a package's has to be (docs/bundle-format.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from conjoin.lock.model import Lock
from conjoin.store.layout import package_key
from conjoin.store.transfer.selection import packages_of

__all__ = [
    "BLOCK",
    "END",
    "FORMAT",
    "MANIFEST_KEY",
    "MOST_DOCUMENT",
    "BundleFile",
    "Manifest",
    "Member",
    "encode_manifest",
    "header",
    "lay_out",
    "package_files",
]

FORMAT = 1
"""Version of the format; a reader accepts every version up to its own."""

MANIFEST_KEY = "conjoin-bundle.json"

MOST_DOCUMENT = 64 << 20
"""Bytes of the longest manifest or lock that is read, as each is held in memory: some 100,000 packages."""

BLOCK = 512
END = bytes(2 * BLOCK)
"""What tar ends with."""

_NAME = 100
_PREFIX = 155
_OCTAL_SIZE = 8**11
_FILE = b"0"
_PAX = b"x"


class BundleFile(msgspec.Struct, frozen=True):
    """A member beside the manifest.

    :ivar key: its name, which is its key in a store.
    """

    key: str
    sha256: str
    size: Annotated[int, msgspec.Meta(ge=0)]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says of itself.

    :ivar platforms: those whose packages it has, sorted.
    :ivar alias: the name it was exported by; empty for none.
    :ivar files: the lock, then the packages by file name.
    """

    format: int
    req_id: str
    full_id: str
    platforms: tuple[str, ...]
    alias: str
    files: tuple[BundleFile, ...]


def encode_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as bytes: JSON as locks are written."""
    return f"{json.dumps(msgspec.to_builtins(manifest), indent=1, sort_keys=True)}\n".encode()


def package_files(lock: Lock, platforms: Sequence[str], sizes: Mapping[str, int]) -> tuple[BundleFile, ...]:
    """Return the packages of a bundle, in their order.

    :param sizes: bytes by key, of packages whose size the lock does not tell.
    """
    packages = sorted(packages_of(lock, platforms), key=lambda package: (package.file, package.sha256))
    keyed = [(package_key(package.sha256, package.file), package) for package in packages]
    return tuple(BundleFile(key, package.sha256, package.size or sizes.get(key, 0)) for key, package in keyed)


@dataclass(frozen=True, slots=True)
class Member:
    """A member's place in the archive.

    :ivar header: what stands before its content.
    :ivar at: where the header begins.
    """

    key: str
    size: int
    header: bytes
    at: int

    @property
    def content_at(self) -> int:
        """Where its content begins."""
        return self.at + len(self.header)

    @property
    def padding(self) -> int:
        """Zeros behind its content."""
        return -self.size % BLOCK

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.content_at + self.size + self.padding


def lay_out(sizes: Iterable[tuple[str, int]]) -> list[Member]:
    """Return the place of every member, given keys and bytes; behind the last follows :data:`END`."""
    members: list[Member] = []
    for key, size in sizes:
        members.append(Member(key, size, header(key, size), members[-1].end if members else 0))
    return members


def header(key: str, size: int) -> bytes:
    """Return what stands before a member (POSIX.1-2001: ustar, with pax where that is too small).

    Nothing in it depends on this machine: owner 0, no time, mode 644.
    """
    folder, name = "", key
    if len(key) > _NAME:
        folder, _, name = key.rpartition("/")
    records = b""
    if len(name) > _NAME or len(folder) > _PREFIX:
        records += _record("path", key)
        folder, name = folder[:_PREFIX], name[:_NAME]
    if size >= _OCTAL_SIZE:
        records += _record("size", str(size))
        size = 0
    plain = _ustar(folder, name, size, _FILE)
    if not records:
        return plain
    return _ustar("", "@PaxHeader", len(records), _PAX) + records + bytes(-len(records) % BLOCK) + plain


def _record(keyword: str, value: str) -> bytes:
    """Return a pax record: it begins with its own length, digits included."""
    rest = f" {keyword}={value}\n".encode()
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def _ustar(folder: str, name: str, size: int, kind: bytes) -> bytes:
    fields = (
        name.encode().ljust(_NAME, b"\0"),
        b"0000644\x000000000\x000000000\x00",  # mode, owner, group
        f"{size:011o}\x00".encode(),
        b"00000000000\x00",  # time
        b" " * 8,  # the checksum, while it is computed
        kind,
        bytes(_NAME),  # of a link, its target
        b"ustar\x0000",
        bytes(32 + 32 + 8 + 8),  # names of owner and group, device
        folder.encode().ljust(_PREFIX, b"\0"),
        bytes(12),
    )
    block = b"".join(fields)
    return block[:148] + f"{sum(block):06o}\x00 ".encode() + block[156:]
