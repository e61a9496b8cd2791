"""The keys of a store (docs/store.md): the one layout that folders and object stores share.

Keys are relative, with ``/`` between their parts, whatever the machine.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from conjoin.errors import UsageError
from conjoin.spec.grammars import HEX_40, HEX_64, is_id, is_plain_file_name, is_sha256

__all__ = [
    "ANNOUNCED",
    "LEASE",
    "PointerKey",
    "alias_key",
    "build_key_key",
    "complete_key",
    "deployment_key",
    "is_plain_name",
    "lock_key",
    "lock_prefix",
    "log_key",
    "package_key",
    "parse_lock_key",
    "parse_log_key",
    "parse_package_key",
    "parse_pointer_key",
    "parse_signature_key",
    "plain_name",
    "pointer_key",
    "pointers_prefix",
    "req_id_prefix",
    "signature_key",
    "signatures_prefix",
    "toolkit_file_key",
    "toolkit_key",
    "used_key",
]

ANNOUNCED = "announced"
"""The prefix of what is being worked on (:mod:`conjoin.store.announcements`)."""

LEASE = "gc/lease.json"
"""The key that says who collects garbage in an object store (:mod:`conjoin.store.gc_lock`)."""

# As plain file names, and with the `@` that names of users may have.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!~=@-]*")
_ID = HEX_40.pattern
_PACKAGE = re.compile(rf"packages/[0-9a-f]{{2}}/({HEX_64.pattern})/[^/]+")
_LOCK = re.compile(rf"envs/({_ID})/({_ID})/lock\.json")
_LOG = re.compile(r"log/(\d{4})/(\1\d{4}T\d{6}\.\d{6}Z)-([^/]+)-([a-z]+)\.json")
_SERIAL = re.compile(r"([1-9]\d{0,9})\.json")
_POINTER = re.compile(rf"envs/({_ID})/by-user/({_PLAIN.pattern})/({_PLAIN.pattern})-({_ID})\.json")


class PointerKey(NamedTuple):
    """What the key of a pointer tells.

    :ivar time: sorts as text.
    """

    req_id: str
    user: str
    time: str
    full_id: str


def package_key(sha256: str, file: str) -> str:
    """Return the key of a package's bytes.

    :raises UsageError: where ``sha256`` is no digest or ``file`` no plain file name.
    """
    return f"packages/{sha256[:2]}/{_file_by_hash(sha256, file)}"


def parse_package_key(key: str) -> str | None:
    """Return the sha256 of the package whose bytes have this key, None where it is another kind of key."""
    found = _PACKAGE.fullmatch(key)
    return found[1] if found else None


def build_key_key(build_key: str) -> str:
    """Return the key of what says which wheel was built under a build key.

    :raises UsageError: where ``build_key`` is no digest.
    """
    if not is_sha256(build_key):
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


def parse_lock_key(key: str) -> tuple[str, str] | None:
    """Return ``(req_id, full_id)`` of the lock that has this key, None where it is another kind of key."""
    found = _LOCK.fullmatch(key)
    return (found[1], found[2]) if found else None


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


def parse_pointer_key(key: str) -> PointerKey | None:
    """Return what the key of a pointer tells, None where it is another kind of key."""
    found = _POINTER.fullmatch(key)
    return PointerKey(*found.groups()) if found else None


def alias_key(name: str, tag: str) -> str:
    """Return the key of an alias whose name and tag were checked already."""
    return f"aliases/{name}/{tag}.json"


def signatures_prefix(name: str, tag: str) -> str:
    """Return the prefix of what was signed about an alias whose name and tag were checked already.

    :raises UsageError: where the tag would be taken for a statement about another.
    """
    if tag.endswith(".json"):
        raise UsageError(f"{name}:{tag} cannot be signed", advice="choose a tag that does not end in .json")
    return f"signatures/{name}/{tag}"


def signature_key(name: str, tag: str, serial: int) -> str:
    """Return the key of a signed statement."""
    return f"{signatures_prefix(name, tag)}/{serial}.json"


def parse_signature_key(name: str, tag: str, key: str) -> int | None:
    """Return the serial of the statement about an alias that has this key, None where it is another key."""
    prefix = f"{signatures_prefix(name, tag)}/"
    found = _SERIAL.fullmatch(key.removeprefix(prefix)) if key.startswith(prefix) else None
    return int(found[1]) if found else None


def log_key(stamp: str, user: str, act: str) -> str:
    """Return the key of an entry of the log; ``stamp`` sorts as text (``20261120T201500.123456Z``)."""
    return f"log/{stamp[:4]}/{plain_name(stamp)}-{plain_name(user)}-{act}.json"


def parse_log_key(key: str) -> tuple[str, str, str] | None:
    """Return stamp, user and act of the entry of the log that has this key, None where it is another key."""
    found = _LOG.fullmatch(key)
    return (found[2], found[3], found[4]) if found else None


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
    return f"toolkit/{plain_name(platform)}/files/{_file_by_hash(sha256, file)}"


def plain_name(text: str) -> str:
    """Return ``text``, which is used as one part of a key or path.

    :raises UsageError: where it could leave its folder or hide in it.
    """
    if not is_plain_name(text):
        raise UsageError(f"{text!r} is not a plain name", advice="expected letters, digits and _.+!~=@-")
    return text


def is_plain_name(text: str) -> bool:
    """Return whether ``text`` can be one part of a key or path, and not leave its folder nor hide in it."""
    return _PLAIN.fullmatch(text) is not None


def _file_by_hash(sha256: str, file: str) -> str:
    if not is_sha256(sha256):
        raise UsageError(f"{sha256!r} is not a sha256", where=file)
    if not is_plain_file_name(file):
        raise UsageError(f"{file!r} is not a plain name", advice="expected letters, digits and _.+!~=-")
    return f"{sha256}/{file}"


def _checked_id(text: str) -> str:
    if not is_id(text):
        raise UsageError(f"{text!r} is not an id", advice="expected 40 hex digits")
    return text
