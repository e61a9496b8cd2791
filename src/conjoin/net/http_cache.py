"""What indexes answered, on disk: entries with the validators and the freshness HTTP gave them (RFC 9111).

An entry keeps what was *made* of a body (parsed rows, a digest), not the body. Writing is atomic, reading
tolerates anything: an entry that is torn, truncated or of another format is as none. So several processes
may share one folder without a lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from conjoin.writing import DiskError, replace

__all__ = [
    "DEFAULT_MAX_AGE",
    "Entry",
    "HttpCache",
    "entry_key",
    "entry_path",
    "freshness",
    "make_private",
    "read_checked",
    "write_checked",
]

DEFAULT_MAX_AGE = 600
"""Seconds an answer counts as fresh where the server says nothing: what PyPI itself says of its pages."""

_LONGEST_MAX_AGE = 86400 * 365
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,18})", re.IGNORECASE)


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One answer.

    :ivar key: digest of kind and URL, compared when read: two URLs never share an entry, and what a URL holds
        stands in no cache.
    :ivar stored: seconds since the epoch, when the answer came or was last confirmed.
    :ivar max_age: seconds it is fresh for from then.
    :ivar status: 200, or 404 for something that is not there.
    :ivar body: what was made of the body.
    :ivar seen_by: the mark of the login it was shown to, empty for anybody.
    """

    key: str
    stored: float
    max_age: int
    status: int
    etag: str
    last_modified: str
    body: bytes
    seen_by: str = ""

    def is_fresh(self, now: float) -> bool:
        """Whether it may be used without asking. A clock set back makes it stale, not eternal."""
        return 0 <= now - self.stored < self.max_age

    def validators(self) -> dict[str, str]:
        """Return the headers of a conditional request; none where the server gave no validator."""
        headers = {}
        if self.etag:
            headers["if-none-match"] = self.etag
        if self.last_modified:
            headers["if-modified-since"] = self.last_modified
        return headers if self.status == 200 else {}


def freshness(headers: Mapping[str, str]) -> int | None:
    """Return for how many seconds an answer is fresh, or None where it may not be kept at all."""
    control = headers.get("cache-control", "").lower()
    if "no-store" in control:
        return None
    if "no-cache" in control:
        return 0
    match = _MAX_AGE.search(control)
    if match is None:
        return DEFAULT_MAX_AGE
    age = headers.get("age", "")
    spent = int(age) if age.isascii() and age.isdigit() and len(age) < 20 else 0
    return max(0, min(int(match[1]), _LONGEST_MAX_AGE) - spent)


class HttpCache:
    """Entries under one folder, by kind and URL.

    :param folder: made when first written to, for its owner alone: some pages are not for everybody. Where it
        cannot be written, nothing is kept.
    :param address: what a URL is asked as, login in path and query included: for two tokens there are two
        entries.
    """

    def __init__(self, folder: Path, address: Callable[[str], str] = str) -> None:
        self._folder = folder
        self._address = address
        self._decoder = msgspec.msgpack.Decoder(Entry)

    def load(self, kind: str, url: str) -> Entry | None:
        """Return the entry, or None where there is none that can be read."""
        key = self._key(kind, url)
        payload = read_checked(entry_path(self._folder, key))
        if payload is None:
            return None
        try:
            entry = self._decoder.decode(payload)
        except (msgspec.DecodeError, ValueError):  # bytes that are no UTF-8, too
            return None
        return entry if entry.key == key else None

    def store(
        self,
        kind: str,
        url: str,
        *,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: float,
        seen_by: str = "",
    ) -> None:
        """Keep an answer, unless its headers forbid it."""
        self._keep(self._key(kind, url), status, headers, body, now, seen_by)

    def confirm(self, entry: Entry, headers: Mapping[str, str], now: float) -> None:
        """Keep an entry that the server confirmed (status 304) for another while."""
        merged = {"etag": entry.etag, "last-modified": entry.last_modified, **headers}
        self._keep(entry.key, entry.status, merged, entry.body, now, entry.seen_by)

    def _key(self, kind: str, url: str) -> str:
        return entry_key(f"{kind} {self._address(url)}")

    def _keep(
        self, key: str, status: int, headers: Mapping[str, str], body: bytes, now: float, seen_by: str
    ) -> None:
        max_age = freshness(headers)
        if max_age is None:
            return
        entry = Entry(
            key=key,
            stored=now,
            max_age=max_age,
            status=status,
            etag=headers.get("etag", ""),
            last_modified=headers.get("last-modified", ""),
            body=body,
            seen_by=seen_by,
        )
        make_private(self._folder)
        write_checked(entry_path(self._folder, key), msgspec.msgpack.encode(entry))


def entry_key(text: str) -> str:
    """Return the key of what is cached under a text, which may hold secrets: 64 hex digits of SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def entry_path(folder: Path, key: str) -> Path:
    """Return where a cache below ``folder`` keeps what it has under a key of :func:`entry_key`."""
    return folder / key[:2] / key[2:]


def make_private(folder: Path) -> None:
    """Make a cache's folder that nobody else may look into; one that cannot be made is as none."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
        return
    with contextlib.suppress(OSError):
        if folder.is_dir():
            if folder.stat().st_mode & 0o077:
                folder.chmod(0o700)
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def read_checked(path: Path) -> bytes | None:
    """Return what :func:`write_checked` wrote there, or None where nothing whole stands there."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = content[4:]
    return payload if int.from_bytes(content[:4], "big") == zlib.crc32(payload) and payload else None


def write_checked(path: Path, payload: bytes) -> None:
    """Write a cache file with its checksum, atomically; a cache that cannot be written is only slower."""
    with contextlib.suppress(OSError, DiskError):
        replace(path, zlib.crc32(payload).to_bytes(4, "big") + payload, durable=False, mode=0o600)
