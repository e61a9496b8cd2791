"""Identities (docs/adr/0003-what-ids-cover.md): what the same decision is called, whoever made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from msgspec import to_builtins

from conjoin.lock.model import SCHEMA, Lock, LockedPackage, LockedPlatform
from conjoin.spec.grammars import ENVIRONMENT_ID, HEX_40, HEX_64, is_id, is_plain_file_name, is_sha256

__all__ = [
    "ARCHIVES",
    "ENVIRONMENT_ID",
    "HEX_40",
    "HEX_64",
    "document_digest",
    "environment_name",
    "full_id",
    "is_id",
    "is_plain_file_name",
    "is_sha256",
    "lock_digest",
    "lock_document",
    "make_lock",
    "package_order",
    "platform_digest",
    "requirements_id",
]

_HEX_DIGITS = 40
ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
"""What a URL of an archive ends with; of a folder, nothing that is linked tells the hash (PEP 610)."""

_ORIGINS = frozenset({"url", "channel"})


def requirements_id(canonical: Mapping[str, Any]) -> str:
    """Return the ``req_id`` of canonical requirements: 40 hex digits of SHA-256 over their JSON."""
    return _digest(canonical)


def platform_digest(platform: str, locked: LockedPlatform) -> str:
    """Return what the environment of one platform is called: 40 hex digits of SHA-256.

    Prefixes, and whatever else is made of packages, are found by it: a lock that gained a platform, or came
    through a mirror, keeps what was made for the others.
    """
    return _digest([platform, sorted(map(_bound, locked.packages))])


def full_id(platforms: Mapping[str, LockedPlatform]) -> str:
    """Return the ``full_id`` of what was locked together: 40 hex digits of SHA-256.

    Hashed are the packages of each platform: what they are called, their bytes, and whatever decides on
    the tree that they are linked into and is not proved by these bytes. The URL a file came from is no part
    of it.
    """
    rows = [
        [platform, sorted(map(_bound, locked.packages))] for platform, locked in sorted(platforms.items())
    ]
    return _digest(rows)


def lock_digest(lock: Lock) -> str:
    """Return the digest of a whole lock but for where its packages come from: 64 hex digits of SHA-256.

    It binds dependencies, virtual packages and licences as well, and is what ``ENV@sha256:...``, the names of
    a store and signatures hold. Not the ``url`` and ``channel`` of packages: a mirror has the same bytes.
    """
    return document_digest(lock_document(lock))


def document_digest(document: Mapping[str, Any]) -> str:
    """Return the digest of a lock that is given as it stands in its JSON (see :func:`lock_digest`)."""
    platforms = {
        platform: {
            **locked,
            "packages": [
                {name: value for name, value in package.items() if name not in _ORIGINS}
                for package in locked["packages"]
            ],
        }
        for platform, locked in document["platforms"].items()
    }
    return hashlib.sha256(_canonical_json({**document, "platforms": platforms})).hexdigest()


def lock_document(lock: Lock) -> dict[str, Any]:
    """Return a lock as plain data, in canonical order, what has its default left out."""
    document: dict[str, Any] = to_builtins(lock)
    for platform, locked in lock.platforms.items():
        ordered = sorted(locked.packages, key=package_order)
        document["platforms"][platform]["packages"] = [_without_empty(package) for package in ordered]
    return document


def _without_empty(package: LockedPackage) -> dict[str, Any]:
    # msgspec leaves out an empty tuple only where it is the very object of the default, which the one that
    # Python 3.10 makes of an empty generator is not.
    return {name: value for name, value in to_builtins(package).items() if value not in ((), [])}


def _bound(package: LockedPackage) -> list[Any]:
    """Return what an identity covers of a package, as :mod:`conjoin.bootstrap.identity` does."""
    url = package.source_url or package.url
    # What becomes its direct_url.json (PEP 610): the folder of an editable package, a commit, an archive.
    named = package.direct or package.editable or url.startswith("git+")
    return [
        package.kind,
        package.name,
        package.version,
        package.build,
        package.file,
        package.sha256,
        package.size,
        package.noarch,
        package.python_site_packages_path,
        package.implementation,
        package.abi,
        package.editable,
        url if named else "",
        package.source_sha256 if named and url.partition("#")[0].endswith(ARCHIVES) else "",
    ]


def _digest(told: Any) -> str:
    return hashlib.sha256(_canonical_json(told)).hexdigest()[:_HEX_DIGITS]


def _canonical_json(told: Any) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def environment_name(req_id: str, full_id: str) -> str:
    """Return the name an environment's prefix has on disk."""
    return f"metaflow_{req_id}_{full_id}"


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
