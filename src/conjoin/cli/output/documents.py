"""The JSON documents that commands write to stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conjoin.lock.changes import Change
    from conjoin.lock.model import Lock, LockedPackage
    from conjoin.resolving import Resolution

__all__ = ["change_document", "lock_document", "resolution_document", "write_json"]


def write_json(document: dict[str, Any]) -> None:
    """Write a document to stdout, and nothing else."""
    import json

    import msgspec

    # Indented afterwards: json alone would do that in Python, ten times slower.
    text = msgspec.json.format(json.dumps(document, ensure_ascii=False), indent=1)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def resolution_document(resolution: Resolution, *, with_changes: bool = False) -> dict[str, Any]:
    """Return what ``conjoin resolve --json`` says.

    :param with_changes: of an update, say what moved.
    """
    lock = lock_document(resolution.lock)
    platforms = lock.pop("platforms")
    return {
        **lock,
        "newly_resolved": resolution.newly_resolved,
        "seconds": round(resolution.seconds, 3),
        **_taken_from(resolution),
        **({"changes": [change_document(change) for change in resolution.changes]} if with_changes else {}),
        "platforms": platforms,
    }


def change_document(change: Change) -> dict[str, str]:
    """Return one package that moved; without ``from`` it came, without ``to`` it went."""
    document = {"platform": change.platform, "kind": change.kind, "name": change.name}
    if change.before:
        document["from"] = change.before
    if change.now:
        document["to"] = change.now
    return document


def _taken_from(resolution: Resolution) -> dict[str, Any]:
    """Return whose resolution it is, or keeps platforms of; nothing where all of it was solved now."""
    taken = resolution.taken_from
    if taken is None:
        return {}
    return {"taken_from": {"user": taken.user, "time": taken.time, "store": taken.place}}


def lock_document(lock: Lock) -> dict[str, Any]:
    """Return what ``conjoin show --json`` says."""
    return {
        "req_id": lock.req_id,
        "full_id": lock.full_id,
        "platforms": {
            platform: [_package(package) for package in locked.packages]
            for platform, locked in lock.platforms.items()
        },
    }


def _package(package: LockedPackage) -> dict[str, Any]:
    document: dict[str, Any] = {
        "kind": package.kind,
        "name": package.name,
        "version": package.version,
    }
    if package.kind == "conda":
        document["build"] = package.build
    document["file"] = package.file
    if package.kind == "python":
        return document | {"implementation": package.implementation, "abi": package.abi}
    if package.extras:
        document["extras"] = list(package.extras)
    if package.source_url:
        document |= {"source_url": package.source_url, "source_sha256": package.source_sha256}
    if package.build_key:
        document["build_key"] = package.build_key
    if package.built_with:
        document["built_with"] = list(package.built_with)
    if package.editable:
        document["editable"] = True
    return document | {"url": package.url, "sha256": package.sha256, "size": package.size}
