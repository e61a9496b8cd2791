"""Wheels that were built, by what they were built from: nobody builds one that a store has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from conjoin.errors import ConjoinError, IntegrityError, NotFound, UsageError
from conjoin.lock.model import LockedPackage
from conjoin.spec.grammars import is_plain_file_name, is_sha256
from conjoin.store.backend.protocol import Backend, Listed
from conjoin.store.layout import build_key_key
from conjoin.untrusted import decode_json

if TYPE_CHECKING:
    from conjoin.build.built_wheels import KeptWheel
    from conjoin.store.store import Store

__all__ = ["Builds", "note_builds", "notes_of"]


_TOOL = re.compile(r"([^#]+)#sha256=([0-9a-f]{64})")


class _Built(msgspec.Struct, frozen=True, kw_only=True):
    """The wheel of a build key or a build request; a later version may say more of it.

    :ivar build_key: of a build request, what the wheel's is.
    :ivar built_with: the files that it was built with.
    """

    file: str
    sha256: str
    size: int = 0
    build_key: str = ""
    built_with: tuple[str, ...] = ()


class Builds:
    """Finds wheels that were built before: in this host's store, then in the one that many use.

    :param store: as the user named it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, key: str) -> Path | None:
        """Return where a wheel lies on this host, as :meth:`look_up` does."""
        found = self.look_up(key)
        return found.path if found else None

    def look_up(self, key: str) -> KeptWheel | None:
        """Return a wheel on this host, verified, and fetched if need be; None where nobody has it.

        A store that does not answer, or whose wheel is gone or damaged, has none: the wheel can be built.
        Whose wheel it is, only the hash of a source proves, and that is in the key alone: whoever may write
        the store is believed that it was built of that. The caller looks whether it can be.

        :param key: its build key, or what its build was asked by.
        """
        from conjoin.build.built_wheels import KeptWheel  # bare containers push, and never look up

        near = self._store.near()
        for store in dict.fromkeys((near, self._store)):
            with suppress(ConjoinError):
                built = _read(store.backend, key)
                if built is not None:
                    path = _fetched(store, built)
                    return KeptWheel(path, built.build_key or key, built.built_with) if path else None
        return None


def note_builds(backend: Backend, packages: Iterable[LockedPackage]) -> None:
    """Say which wheels were built of what; called once their bytes are in the store.

    :raises Unreachable: where the store cannot be written.
    """
    for package in packages:
        built = _Built(
            file=package.file,
            sha256=package.sha256,
            size=package.size,
            build_key=package.build_key,
            built_with=package.built_with,
        )
        for key in filter(None, (package.build_key, package.build_request)):
            _note(backend, build_key_key(key), msgspec.json.encode(built, order="deterministic") + b"\n")


def _note(backend: Backend, key: str, data: bytes) -> None:
    if not backend.put_if_absent(key, data):
        there = backend.get(key)
        if there is not None and there.data != data:
            # Both are wheels of this source. The one that is surely here now replaces one that may have been
            # collected.
            backend.put(key, data)


def notes_of(backend: Backend, gone: Set[str]) -> list[Listed]:
    """Return what says that a wheel among ``gone`` was built.

    :param gone: sha256 of packages.
    """
    notes = []
    for listed in backend.objects("builds"):
        built = _read(backend, listed.key.rpartition("/")[2])
        if built is not None and built.sha256 in gone:
            notes.append(listed)
    return notes


def _read(backend: Backend, build_key: str) -> _Built | None:
    try:
        found = backend.get(build_key_key(build_key))
    except UsageError:
        return None
    if found is None:
        return None
    try:
        built = decode_json(found.data, _Built)
    except msgspec.DecodeError:
        return None  # of a later version: it may be built again
    return built if _is_plain(built) else None


def _is_plain(built: _Built) -> bool:
    """Return whether a note has the form of one: whoever may write the store chose every field of it."""
    tools = [_TOOL.fullmatch(each) for each in built.built_with]
    return (
        is_plain_file_name(built.file)
        and built.file.endswith(".whl")
        and is_sha256(built.sha256)
        and (not built.build_key or is_sha256(built.build_key))
        and all(tool is not None and is_plain_file_name(tool[1]) for tool in tools)
    )


def _fetched(store: Store, built: _Built) -> Path | None:
    try:
        return store.packages.get(built.sha256, built.file)
    except NotFound:
        pass
    except IntegrityError:
        return None  # damaged here; what is built takes its place
    if store.shared is None or not store.shared.has(built.sha256, built.file, built.size):
        return None
    chunks = store.shared.stream(built.sha256, built.file, built.size)
    return store.packages.put(built.sha256, built.file, chunks) if chunks is not None else None
