"""Two hundred changed locks, given to everything that reads one: nothing outside, no bug, no hang."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Conjoin
from conjoin.bootstrap.locked import find_locked
from conjoin.errors import ConjoinError
from conjoin.lock.format import decode, encode
from conjoin.lock.identity import full_id, requirements_id
from conjoin.lock.model import Lock, LockedPlatform
from conjoin.lock.outline import read_outline
from conjoin.spec.platform import host_platform
from conjoin.store.bundle.format import (
    BLOCK,
    END,
    FORMAT,
    MANIFEST_KEY,
    BundleFile,
    Manifest,
    encode_manifest,
    header,
)
from conjoin.store.layout import lock_key, parse_lock_key
from conjoin.store.store import Store
from hydrating import conda_packages, lock_of

HERE = host_platform()

VALUES: dict[str, list[Any]] = {
    "path": [
        "../../../outside/x",
        "/outside/x",
        "a/../../outside",
        "..",
        ".",
        "a//b",
        "C:\\x",
        "a\x00b",
        "~/x",
        "%2e%2e/x",
    ],
    "text": ["", " ", "x\ny", "\x1b[2J", "\u202e", "\ud800", "é" * 100, "x" * 100_000, "{{x}}", "$(touch x)"],
    "url": [
        "http://[x/",
        "file:///a%00b",
        "file:///dev/zero",
        "http://u:p@h/",
        "//h/x",
        "ftp",
        "http://h:99999/x",
        "http://\u2100.x/",
    ],
    "number": [-1, 2**63, 2**70, 10**400, 1.5, True, "7"],
    "other": [None, [], {}, [[[[]]]], {"a": {"b": {}}}, ["x", None], [1], 0],
}
FIELDS = {
    "kind": ("text", "other"),
    "name": ("path", "text"),
    "version": ("path", "text"),
    "build": ("path", "text"),
    "file": ("path", "text"),
    "sha256": ("path", "text", "other"),
    "url": ("url", "text"),
    "channel": ("url",),
    "subdir": ("path",),
    "size": ("number", "other"),
    "timestamp": ("number",),
    "python_site_packages_path": ("path", "text"),
    "dependencies": ("other",),
    "license": ("text",),
    "source_url": ("url",),
}


def hostile(good: dict[str, Any]) -> Iterator[bytes]:
    """Yield locks with one field changed: every other one under the ids that belong to it then."""
    turn = itertools.cycle([True, False])
    for field, kinds in FIELDS.items():
        for value in (value for kind in kinds for value in VALUES[kind]):
            document = json.loads(json.dumps(good))
            document["platforms"][HERE]["packages"][0][field] = value
            if next(turn):
                _identify(document)
            yield json.dumps(document).encode("utf-8", "surrogatepass")
    text = json.dumps(good)
    yield from (b"", b"{", b"[]", b"\xff\xfe", b"nul" + text.encode(), text.encode()[: len(text) // 2])
    yield b"[" * 100_000
    yield b'{"requirements":' * 50_000
    keys = ("schema", "req_id", "full_id", "requirements", "platforms")
    for key, value in itertools.product(keys, (None, 7, "../x", [], {})):
        yield json.dumps({**good, key: value}).encode()
    yield json.dumps({**good, "platforms": {"../../outside": good["platforms"][HERE]}}).encode()


def _ids_of(data: bytes) -> tuple[str, str] | None:
    """Return the ids that a document says, where they are some."""
    try:
        told = json.loads(data)
        return parse_lock_key(lock_key(told["req_id"], told["full_id"]))
    except (ValueError, TypeError, KeyError, RecursionError, ConjoinError):
        return None


def _identify(document: dict[str, Any]) -> None:
    """Give a document the ids that belong to it, as far as it is a lock at all."""
    import msgspec

    try:
        platforms = msgspec.convert(document["platforms"], dict[str, LockedPlatform])
        document["full_id"] = full_id(platforms)
        document["req_id"] = requirements_id(document["requirements"])
    except (msgspec.ValidationError, ValueError, TypeError):
        return


@pytest.fixture
def good(forged_channel: Path) -> Lock:
    return lock_of(conda_packages(forged_channel, names=("tinylib", "python", "python_abi")))


def test_two_hundred_changed_locks(
    good: Lock, called: Conjoin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / "in" / "store"))
    monkeypatch.setenv("CONJOIN_ENVS", str(tmp_path / "in" / "envs"))
    (tmp_path / "in" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "in" / "here")
    file = Path("hostile.lock")
    readers = (
        ("show", file),
        ("create", file, "--prefix", tmp_path / "in" / "here" / "env", "-q"),
        ("tree", file),
        ("diff", file, file),
        ("get", file),
        ("verify", file),
        ("export", file, "--offline-bundle", tmp_path / "in" / "here" / "x.bundle", "--offline"),
        ("resolve", "--using", file, "--conda", "tinylib", "--offline", "--dry-run", "--channel", "./none"),
    )
    said = {0, 2, 4, 5, 6}
    count, codes = 0, []
    for number, data in enumerate(hostile(json.loads(encode(good)))):
        count += 1
        started = time.monotonic()
        file.write_bytes(data)
        _tried(decode, data, "hostile.lock")
        _tried(read_outline, data, "hostile.lock")
        _tried(find_locked, {}.get, f"./{file}", HERE, "store")
        for words in (readers[number % len(readers)], readers[(number + 1) % 2]):
            done = called(*words)
            codes.append(done.returncode)
            assert done.returncode in said, (words[0], data[:300], done.stderr)
            assert "this is a bug" not in done.stderr
            assert done.returncode == 0 or len(done.stderr.strip().splitlines()) >= 1
        assert time.monotonic() - started < 20, data[:300]  # a busy machine; alone each takes hundredths
    assert count >= 200
    assert {2, 5} <= {*codes}
    assert {each.name for each in tmp_path.iterdir()} == {"in"}
    assert {each.name for each in (tmp_path / "in").iterdir()} <= {"store", "envs", "here"}


def test_in_a_bundle(good: Lock, called: Conjoin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file from elsewhere, whole as far as its own figures go: the lock in it is whoever's who made it."""
    monkeypatch.setenv("CONJOIN_STORE", str(tmp_path / "in" / "store"))
    (tmp_path / "in").mkdir()
    bundle = tmp_path / "in" / "x.bundle"
    for data in itertools.islice(hostile(json.loads(encode(good))), 0, None, 3):
        ids = _ids_of(data) or (good.req_id, good.full_id)
        file = BundleFile(lock_key(*ids), hashlib.sha256(data).hexdigest(), len(data))
        manifest = Manifest(
            format=FORMAT, req_id=ids[0], full_id=ids[1], platforms=(HERE,), alias="", files=(file,)
        )
        members = ((MANIFEST_KEY, encode_manifest(manifest)), (file.key, data))
        parts = [
            header(key, len(content)) + content + bytes(-len(content) % BLOCK) for key, content in members
        ]
        bundle.write_bytes(b"".join(parts) + END)
        done = called("import", bundle)
        assert done.returncode in {0, 2, 5}, (data[:300], done.stderr)
        assert "this is a bug" not in done.stderr
    assert {each.name for each in tmp_path.iterdir()} == {"in"}
    assert {each.name for each in (tmp_path / "in").iterdir()} <= {"store", "x.bundle"}


def test_one_in_a_shared_store_stops_nobody(good: Lock, called: Conjoin) -> None:
    """Each spoils its own entry alone: `list` and `gc` go on."""
    store = Store()
    store.locks.put(good)
    key = lock_key(good.req_id, "d" * 40)
    for data in itertools.islice(hostile(json.loads(encode(good))), 0, None, 12):
        store.backend.put(key, data)
        for words in (("list",), ("gc", "--dry-run")):
            done = called(*words)
            assert done.returncode == 0, (words, data[:200], done.stderr)
            assert "this is a bug" not in done.stderr
        assert good.full_id[:7] in called("list", "--json").stdout


def _tried(read: Callable[..., Any], *arguments: Any) -> None:
    try:
        read(*arguments)
    except ConjoinError as error:
        assert error.exit_code in (2, 5, 6)  # noqa: PT017 (most are refused, some only here)
