"""Downloads that read what has arrived at once: httpx alone asks for 64 KiB, and of TLS gets 16.

Each piece of a body costs the same walk through httpx, httpcore and h11 with the interpreter's lock held: at
16 KiB that is more work than the hash. What is read here is what the kernel has at that moment, up to a
megabyte; nobody waits for more than one piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

__all__ = ["read_widely"]

_WIDE = 1 << 20
"""Bytes handed on at once, or a little less than twice that."""


def read_widely(client: httpx.Client) -> None:
    """Make a client's connections, those through proxies too, hand on bodies in big pieces.

    httpx has no option for it: the back-end of the network is exchanged in its pools, where it is found. With
    an httpx that keeps it elsewhere, downloads are as they were.
    """
    for transport in (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            pool._network_backend = _Network(pool._network_backend)


class _Network:
    """An ``httpcore.NetworkBackend`` around another one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, *arguments: Any, **options: Any) -> _WideStream:
        return _WideStream(self._inner.connect_tcp(*arguments, **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _WideStream:
    """An ``httpcore.NetworkStream`` around another one."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def start_tls(self, *arguments: Any, **options: Any) -> _WideStream:
        return _WideStream(self._inner.start_tls(*arguments, **options))

    def read(self, _max_bytes: int, timeout: float | None = None) -> bytes:
        """Wait for some bytes, and return them with all that came meanwhile; none where there are no more."""
        first: bytes = self._inner.read(_WIDE, timeout)
        if not first:
            return first
        pieces, size = [first], len(first)
        while size < _WIDE and (piece := self._arrived()):
            pieces.append(piece)
            size += len(piece)
        return first if len(pieces) == 1 else b"".join(pieces)

    def _arrived(self) -> bytes:
        """Return what can be read without waiting."""
        if not self._inner.get_extra_info("is_readable"):
            return b""
        try:
            piece: bytes = self._inner.read(_WIDE, 0.0)
        except Exception:  # half a record of TLS, or the end
            return b""  # the next read says so; what came before is kept, for the download to go on from
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
