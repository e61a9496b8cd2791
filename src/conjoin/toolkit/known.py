"""Which toolkits this user trusts: the sha256 of what describes them, kept since it was made or first seen.

Whoever may write a store could replace what describes its toolkit, and so the programs that containers run
first. So the descriptions are not asked for at each start: what was remembered is passed on, and a container
that finds another one refuses it.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from conjoin.config.places import state_dir
from conjoin.spec.grammars import is_sha256
from conjoin.store.backend.atomic import replace
from conjoin.store.store import Store

__all__ = ["KnownToolkit"]


class KnownToolkit:
    """What is known of the descriptions below one prefix of a store.

    :param prefix: of their keys.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        name = hashlib.sha256(f"{store.place}\n{prefix}".encode()).hexdigest()[:40]
        self._file = state_dir() / "toolkits" / f"{name}.json"

    def digest(self, key: str, *, reread: bool = False) -> str:
        """Return the sha256 of a description: as it is remembered, else as it is in the store now.

        :param reread: look at the store again, and remember that.
        :return: empty where the store has none.
        """
        known = self._read()
        if key in known and not reread:
            return known[key]
        found = self._store.backend.get(key)
        if found is None:
            return ""
        self.remember(key, found.data)
        return hashlib.sha256(found.data).hexdigest()

    def remember(self, key: str, data: bytes) -> None:
        """Remember what describes a toolkit; a home that is read-only is left so."""
        known = {**self._read(), key: hashlib.sha256(data).hexdigest()}
        with suppress(OSError):
            replace(self._file, msgspec.json.encode(known) + b"\n", durable=False)

    def _read(self) -> dict[str, str]:
        try:
            known = msgspec.json.decode(Path(self._file).read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return {key: digest for key, digest in known.items() if is_sha256(digest)}
