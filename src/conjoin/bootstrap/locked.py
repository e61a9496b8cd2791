"""The lock, as far as a bootstrap reads it: what to fetch. The engine checks that it is what it says."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from conjoin.bootstrap.grammar import ALIAS, ENVIRONMENT_ID, HEX_64, PLAIN_FILE_NAME
from conjoin.bootstrap.identity import document_digest, full_id, platform_digest
from conjoin.errors import IntegrityError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["LockedEnvironment", "find_locked"]


class LockedEnvironment(NamedTuple):
    """An environment of one platform.

    :ivar text: the lock, byte for byte.
    :ivar packages: as they stand there.
    :ivar digest: of the whole lock, but for where its packages come from.
    """

    req_id: str
    full_id: str
    platform: str
    text: bytes
    packages: tuple[dict[str, Any], ...]
    digest: str = ""

    @property
    def platform_digest(self) -> str:
        """What a prefix of it says that it holds."""
        return platform_digest(self.platform, self.packages)

    @property
    def ids(self) -> str:
        """``req_id:full_id``."""
        return f"{self.req_id}:{self.full_id}"

    @property
    def files(self) -> list[dict[str, Any]]:
        """The packages that have bytes, the big ones first."""
        found = [each for each in self.packages if each.get("kind") != "python"]
        return sorted(found, key=lambda each: (-int(each.get("size", 0)), each["file"]))


def find_locked(
    fetch: Callable[[str], bytes | None], env: str, platform: str, where: str
) -> LockedEnvironment:
    """Return the environment that ``env`` means: a lock file, ``req_id:full_id``, or a name in the store.

    After any of them, ``@sha256:DIGEST`` says which lock it has to be: the store is not trusted with that.

    :param fetch: returns an object of the store.
    :raises NotFound: where there is none, or none for the platform.
    :raises UsageError: where ``env`` can be none of the three.
    :raises IntegrityError: where the lock is another one, or was changed.
    """
    env, at, digest = env.partition("@sha256:")
    if at and not HEX_64.fullmatch(digest):
        raise UsageError(f"{env!r} is pinned to no digest", advice="expected 64 hex digits after @sha256:")
    if os.path.isfile(env):
        try:
            with open(env, "rb") as file:
                text = file.read()
        except OSError as error:
            raise UsageError(f"cannot be read ({error.strerror})", where=env) from None
        return _read(text, "", (digest,), platform, env)
    match = ENVIRONMENT_ID.fullmatch(env)
    ids, named, sha256 = (match.groups(), "", "") if match else _alias(fetch, env, where)
    key = "envs/{}/{}/lock.json".format(*ids)
    found = fetch(key)
    if found is None:
        raise NotFound(
            "the store has no environment {}:{}".format(*ids),
            where=where,
            advice="push it there, then run this again",
        )
    if sha256 and sha256 != hashlib.sha256(found).hexdigest():
        raise IntegrityError(
            f"the lock was changed after it was named {env}",
            where=f"{where}/{key}",
            advice="ask whoever pushed it, and do not use it before",
        )
    return _read(found, "{}:{}".format(*ids), (digest, named), platform, f"{where}/{key}")


def _alias(
    fetch: Callable[[str], bytes | None], env: str, where: str
) -> tuple[tuple[str | Any, ...], str, str]:
    """Return the ids that a name means, the digest of the lock that was named, the sha256 of its bytes."""
    match = ALIAS.fullmatch(env)
    if match is None:
        raise UsageError(
            f"{env!r} is no environment",
            advice="expected a lock file, req_id:full_id or a name like team/torch:v1",
        )
    name, tag = match.group(1), match.group(2) or "latest"
    text = fetch(f"aliases/{name}/{tag}.json")
    if text is None:
        raise NotFound(f"the store has no environment named {name}:{tag}", where=where)
    try:
        told = json.loads(text.decode())
        ids = ENVIRONMENT_ID.fullmatch("{}:{}".format(told["req_id"], told["full_id"]))
        digest, sha256 = HEX_64.fullmatch(told["lock_digest"]), HEX_64.fullmatch(told["lock_sha256"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        ids = digest = sha256 = None
    if ids is None or digest is None or sha256 is None:
        raise IntegrityError(f"the name {name}:{tag} is damaged", where=where)
    return ids.groups(), digest.group(), sha256.group()


def _read(text: bytes, ids: str, digests: Iterable[str], platform: str, where: str) -> LockedEnvironment:
    """Return what a lock says for a platform.

    :param ids: it has to have; empty for any.
    :param digests: it has to have, all of them; empty ones say nothing.
    """
    try:
        told = json.loads(text.decode())
        digest = document_digest(told)
        found = LockedEnvironment(told["req_id"], told["full_id"], platform, text, (), digest)
        platforms = dict(told["platforms"])
        locked = platforms.get(platform)
        packages = tuple(map(dict, locked["packages"])) if locked else ()
        usable = all(map(_is_plain, packages)) and ENVIRONMENT_ID.fullmatch(found.ids)
        true = usable and full_id(platforms) == found.full_id
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        usable, true = None, False
    if not usable:
        raise IntegrityError("this is no lock, or it is damaged", where=where)
    if not true:
        raise IntegrityError(
            "full_id does not belong to these packages",
            where=where,
            advice="the lock was damaged, or edited by hand: push the environment again",
        )
    for wanted in digests:
        if wanted and wanted != found.digest:
            raise IntegrityError(
                f"this is the lock sha256:{found.digest}, and sha256:{wanted} is asked for",
                where=where,
                advice="it was changed after it was named: ask whoever pushed it, and do not use it before",
            )
    if ids and ids != found.ids:
        raise IntegrityError(f"this is the lock {found.ids}, another than its name says", where=where)
    if locked is None:
        raise NotFound(
            "the environment is not locked for {}, only for {}".format(
                platform, ", ".join(sorted(platforms))
            ),
            where=where,
            advice=f"resolve and push it with --platform {platform}",
        )
    return found._replace(packages=packages)


def _is_plain(package: dict[str, Any]) -> bool:
    if package["kind"] == "python":
        return True
    size = package.get("size", 0)
    return bool(
        HEX_64.fullmatch(package["sha256"])
        and PLAIN_FILE_NAME.fullmatch(package["file"])
        and isinstance(size, int)
        and 0 <= size < 2**53
        and isinstance(package.get("dependencies", []), list)
    )
