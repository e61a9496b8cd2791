"""The keys of a store (design, section 7): the one layout that folders and object stores share.

Keys are relative, with ``/`` between their parts, whatever the machine.
"""

from __future__ import annotations

import re

from conjoin.errors import UsageError

__all__ = [
    "ANNOUNCED",
    "LEASE",
    "alias_key",
    "build_key_key",
    "complete_key",
    "deployment_key",
    "lock_key",
    "lock_prefix",
    "package_key",
    "plain_name",
    "pointer_key",
    "pointers_prefix",
    "req_id_prefix",
    "toolkit_file_key",
    "toolkit_key",
    "used_key",
]

ANNOUNCED = "announced"
"""The prefix of what is being worked on (:mod:`conjoin.store.announcements`)."""

LEASE = "gc/lease.json"
"""The key that says who collects garbage in an object store (:mod:`conjoin.store.gc_lock`)."""

_ID = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~=@-]*")


def package_key(sha256: str, file: str) -> str:
    """Return the key of a package's bytes.

    :raises UsageError: where ``sha256`` is no digest or ``file`` no plain file name.
    """
    if not _SHA256.fullmatch(sha256):
        raise UsageError(f"{sha256!r} is not a sha256", where=file)
    return f"packages/{sha256[:2]}/{sha256}/{plain_name(file)}"


def build_key_key(build_key: str) -> str:
    """Return the key of what says which wheel was built under a build key.

    :raises UsageError: where ``build_key`` is no digest.
    """
    if not _SHA256.fullmatch(build_key):
        raise UsageError(f"{build_key!r} is not a build key", advice="expected 64 hex digits")
    return f"builds/{build_key[:2]}/{build_key}"


def req_id_prefix(req_id: str) -> str:
    """Return the prefix of everything resolved for ``req_id``."""
    return f"envs/{_checked_id(req_id)}"


def lock_prefix(req_id: str, full_id: str) -> str:
    """Return the prefix of a lock, and of what is said about its packages."""
    return f"{req_id_prefix(req_id)}/{_checked_id(full_id)}"


def lock_key(req_id: str, full_id: str) -> str:
    """Return the key of a lock."""
    return f"{lock_prefix(req_id, full_id)}/lock.json"


def complete_key(req_id: str, full_id: str, platform: str) -> str:
    """Return the key that says: an object store has every package of the lock for ``platform``."""
    return f"{lock_prefix(req_id, full_id)}/complete/{plain_name(platform)}"


def used_key(req_id: str, full_id: str, user: str) -> str:
    """Return the key whose age says when ``user`` used a lock last."""
    return f"{lock_prefix(req_id, full_id)}/used/{plain_name(user)}"


def pointers_prefix(req_id: str, user: str) -> str:
    """Return the prefix of one user's pointers to locks of ``req_id``."""
    return f"{req_id_prefix(req_id)}/by-user/{plain_name(user)}"


def pointer_key(req_id: str, user: str, time: str, full_id: str) -> str:
    """Return the key of a pointer; ``time`` sorts as text (``20261120T201500.123456Z``)."""
    return f"{pointers_prefix(req_id, user)}/{plain_name(time)}-{_checked_id(full_id)}.json"


def alias_key(name: str, tag: str) -> str:
    """Return the key of an alias whose name and tag were checked already."""
    return f"aliases/{name}/{tag}.json"


def deployment_key(workflow: str) -> str:
    """Return the key of what a deployed workflow needs, by ``scheduler/name``.

    :raises UsageError: where ``workflow`` is no such name.
    """
    scheduler, slash, name = workflow.partition("/")
    if not slash:
        raise UsageError(f"{workflow!r} is no deployed workflow", advice="expected scheduler/name")
    return f"deployments/{plain_name(scheduler)}/{plain_name(name)}.json"


def toolkit_key(platform: str, name: str) -> str:
    """Return the key of what describes a platform's toolkit."""
    return f"toolkit/{plain_name(platform)}/{plain_name(name)}"


def toolkit_file_key(platform: str, sha256: str, file: str) -> str:
    """Return the key of a file of a toolkit; no lock names it, so it is no package that could be collected.

    :raises UsageError: where ``sha256`` is no digest or ``file`` no plain file name.
    """
    if not _SHA256.fullmatch(sha256):
        raise UsageError(f"{sha256!r} is not a sha256", where=file)
    return f"toolkit/{plain_name(platform)}/files/{sha256}/{plain_name(file)}"


def plain_name(text: str) -> str:
    """Return ``text``, which is used as one part of a key or path.

    :raises UsageError: where it could leave its folder or hide in it.
    """
    if not _PLAIN.fullmatch(text):
        raise UsageError(f"{text!r} is not a plain name", advice="expected letters, digits and _.+!~=@-")
    return text


def _checked_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise UsageError(f"{text!r} is not an id", advice="expected 40 hex digits")
    return text
