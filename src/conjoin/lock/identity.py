"""Identities (docs/adr/0003-what-ids-cover.md): what the same decision is called, whoever made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from conjoin.lock.model import SCHEMA, Lock, LockedPackage, LockedPlatform
from conjoin.spec.grammars import ENVIRONMENT_ID, HEX_40, HEX_64, is_id, is_plain_file_name, is_sha256

__all__ = [
    "ENVIRONMENT_ID",
    "HEX_40",
    "HEX_64",
    "environment_name",
    "full_id",
    "is_id",
    "is_plain_file_name",
    "is_sha256",
    "lock_digest",
    "make_lock",
    "package_order",
    "requirements_id",
    "same_but_for_sources",
]

_HEX_DIGITS = 40


def requirements_id(canonical: Mapping[str, Any]) -> str:
    """Return the ``req_id`` of canonical requirements: 40 hex digits of SHA-256 over their JSON."""
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_HEX_DIGITS]


def full_id(platforms: Mapping[str, LockedPlatform]) -> str:
    """Return the ``full_id`` of what was locked together: 40 hex digits of SHA-256.

    Hashed are the sorted (platform, file name, sha256) of every package, as JSON without spaces: the URL a
    file came from, and everything its bytes decide anyway, is no part of it.
    """
    rows = sorted(
        [platform, package.file, package.sha256]
        for platform, locked in platforms.items()
        for package in locked.packages
    )
    text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_HEX_DIGITS]


def lock_digest(lock: Lock) -> str:
    """Return SHA-256 over a lock's document without origins: 64 hex digits. It binds all that is decided."""
    document: dict[str, Any] = msgspec.to_builtins(lock)
    for locked in document["platforms"].values():
        for package in locked["packages"]:
            package.pop("url", None)
            package.pop("channel", None)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def environment_name(req_id: str, full_id: str) -> str:
    """Return the name an environment's prefix has on disk."""
    return f"metaflow_{req_id}_{full_id}"


def same_but_for_sources(lock: Lock, other: Lock) -> bool:
    """Return whether two locks differ, if at all, only in what their wheels were built from.

    Another commit, or another state of a folder, may give the very same wheel: the environment is the same.
    """
    return _without_sources(lock) == _without_sources(other)


def _without_sources(lock: Lock) -> Lock:
    platforms = {
        platform: replace(
            locked,
            packages=tuple(
                replace(
                    package,
                    source_url="",
                    source_sha256="",
                    build_key="",
                    build_request="",
                    built_with=(),
                    direct=False,
                )
                for package in locked.packages
            ),
        )
        for platform, locked in lock.platforms.items()
    }
    return replace(lock, platforms=platforms)


def package_order(package: LockedPackage) -> tuple[str, str, str]:
    """Sort key of packages in a lock: by kind, then name, then file."""
    return package.kind, package.name, package.file


def make_lock(
    requirements_canonical: Mapping[str, Any], req_id: str, platforms: Mapping[str, LockedPlatform]
) -> Lock:
    """Return the lock of a decision: everything in canonical order, ``full_id`` computed.

    :param requirements_canonical: the requirements as they went into ``req_id``.
    """
    ordered = {
        platform: LockedPlatform(
            virtual_packages=dict(sorted(locked.virtual_packages.items())),
            packages=tuple(sorted(locked.packages, key=package_order)),
        )
        for platform, locked in sorted(platforms.items())
    }
    return Lock(
        schema=SCHEMA,
        req_id=req_id,
        full_id=full_id(ordered),
        requirements=dict(requirements_canonical),
        platforms=ordered,
    )
