"""The bucket policy of docs/security.md: what it lets through, and what not; and the log that it protects."""

from __future__ import annotations

import fnmatch
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from conjoin.api import Store
from conjoin.collecting import collect_store
from conjoin.errors import Unreachable
from conjoin.store.layout import alias_key, lock_key, signature_key
from conjoin.store.transfer.push import push
from object_stores import S3, Answer, MakeLock, ObjectServer

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
COLLECTOR = "arn:aws:iam::123456789012:role/collector"
WRITER = "arn:aws:iam::123456789012:user/writer"
_ACTIONS = {"PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}


def policy(place: str) -> dict[str, Any]:
    """Return the policy of the document for a store."""
    [text] = re.findall(r"```json\n(\{\s+\"Version\".*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    text = text.replace("BUCKET", bucket).replace("PREFIX", prefix)
    found: dict[str, Any] = json.loads(text.replace("arn:aws:iam::ACCOUNT:role/COLLECTOR", COLLECTOR))
    return found


def denied(policy: dict[str, Any], action: str, resource: str, keys: dict[str, str]) -> bool:
    """Evaluate as IAM does what the policy uses of it: Deny, patterns, ``Null`` and ``ArnNotLike``."""
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == "*"
        actions = statement["Action"]
        if action not in ([actions] if isinstance(actions, str) else actions):
            continue
        if not any(fnmatch.fnmatchcase(resource, one) for one in statement["Resource"]):
            continue
        met = []
        for operator, condition in statement["Condition"].items():
            [(key, value)] = condition.items()
            if operator == "Null":
                met.append((key not in keys) == (value == "true"))
            else:
                assert operator == "ArnNotLike"
                met.append(not fnmatch.fnmatchcase(keys[key], value))
        if all(met):
            return True
    return False


class Enforced:
    """A server that applies a policy before anything else.

    :ivar principal: who asks.
    """

    def __init__(self, server: ObjectServer, policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.principal = WRITER
        self.refused: list[str] = []
        forward = server.forward

        def enforced(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
            split = urlsplit(path)
            key = unquote(split.path).lstrip("/")
            keys = {"aws:PrincipalArn": self.principal}
            lower = {name.lower(): value for name, value in headers.items()}
            if "if-none-match" in lower:
                keys["s3:if-none-match"] = lower["if-none-match"]
            asked = [(_ACTIONS.get(method, ""), key)]
            if method == "POST" and "delete" in split.query:
                bucket = key.partition("/")[0]
                named = re.findall(rb"<Key>(.*?)</Key>", body)
                asked = [("s3:DeleteObject", f"{bucket}/{one.decode()}") for one in named]
            if any(denied(policy, action, f"arn:aws:s3:::{one}", keys) for action, one in asked):
                self.refused.append(f"{method} {key}")
                return Answer(403, {"Content-Type": "application/xml"}, _DENIED)
            return forward(method, path, headers, body)

        monkeypatch.setattr(server, "forward", enforced)


_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@pytest.fixture
def enforced(s3: ObjectServer, s3_place: str, monkeypatch: pytest.MonkeyPatch) -> Enforced:
    return Enforced(s3, policy(s3_place), monkeypatch)


def test_all_that_is_done_with_a_store_goes_through(
    enforced: Enforced, s3_place: str, make_environment: MakeLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write under ``envs``, ``log`` and ``signatures`` carries the condition."""
    locks = [make_environment(2, 100, seed) for seed in range(2)]
    signed: list[bytes] = []

    def signer(data: bytes, _namespace: str) -> str:
        signed.append(data)
        return "-----BEGIN SSH SIGNATURE-----"

    for lock in (*locks, locks[0]):
        push(Store(s3_place), lock, alias="team/x", signer=signer)
        push(Store(s3_place), lock, check=True)
    store = Store(s3_place)
    store.get("team/x")
    assert store.signatures.serials(next(iter(store.aliases.all()))) == [1, 2, 3]
    assert len(list(store.log.entries())) == 5  # two pushes that brought something, three moves
    notes = [line for line in enforced.refused if "/used/" not in line]
    assert notes == []
    # What is old, and nobody's: only the collector takes it away.
    push(Store(s3_place), make_environment(1, 100, 7))
    later = time.time() + 100 * 86400
    with pytest.raises(Unreachable):
        collect_store(Store(s3_place), 86400, keep_defaults=False, now=later)
    enforced.principal = COLLECTOR
    collected = collect_store(Store(s3_place), 86400, keep_defaults=False, now=later)
    assert collected.counts["packages"] == 3
    [newest] = [each for each in store.log.entries() if each.act == "gc"]
    assert newest.count >= 1


def test_nothing_that_never_changes_is_written_over_or_deleted(
    enforced: Enforced, s3_place: str, make_environment: MakeLock
) -> None:
    lock = make_environment(1, 100)
    store = Store(s3_place)
    push(store, lock, alias="team/x:v1", signer=lambda _data, _namespace: "-----BEGIN SSH SIGNATURE-----")
    [entry, *_] = store.backend.keys("log")
    [package] = store.backend.keys("packages")
    for key in (lock_key(lock.req_id, lock.full_id), signature_key("team/x", "v1", 1), entry):
        before = store.backend.get(key)
        with pytest.raises(Unreachable):
            store.backend.put(key, b"evil")
        with pytest.raises(Unreachable):
            store.backend.delete(key)
        assert not store.backend.put_if_absent(key, b"evil")
        assert before is not None
        assert store.backend.get(key) == before
    with pytest.raises(Unreachable):
        store.backend.delete(package)
    store.backend.put(alias_key("team/x", "latest"), b"what changes")


def test_moto_denies_by_the_resources_of_the_policy(
    s3: S3, s3_place: str, make_environment: MakeLock
) -> None:
    """moto evaluates no condition keys of S3, so without them: each deletion of what stays is denied."""
    lock = make_environment(1, 100)
    store = Store(s3_place)
    push(store, lock, alias="team/x:v1")
    said = policy(s3_place)
    for statement in said["Statement"]:
        del statement["Condition"]
    said["Statement"] = [one for one in said["Statement"] if one["Sid"] == "NeverDeleted"]
    bucket = s3_place.removeprefix("s3://").partition("/")[0]
    answer = s3.ask("PUT", f"/{bucket}?policy", {}, json.dumps(said).encode())
    assert answer.status in (200, 204)
    for prefix in ("envs", "packages", "log"):
        key = next(
            key for key in store.backend.keys(prefix) if "/used/" not in key and "/complete/" not in key
        )
        with pytest.raises(Unreachable):
            store.backend.delete(key)
        assert store.backend.size(key) is not None
    store.backend.delete(alias_key("team/x", "v1"))
    assert store.backend.size(alias_key("team/x", "v1")) is None
