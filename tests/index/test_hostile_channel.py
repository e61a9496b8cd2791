"""A channel that means harm, or is very broken: every trick ends in a lock that is sound, or in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import conjoin
from conjoin.errors import ConjoinError, Unreachable
from loopback import LoopbackServer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RECORD: dict[str, Any] = {
    "name": "lib",
    "version": "1.0",
    "build": "0",
    "build_number": 0,
    "depends": [],
    "subdir": "noarch",
    "sha256": "a" * 64,
    "size": 10,
    "timestamp": 1700000000000,
}
FILE = "lib-1.0-0.conda"


def repodata(files: dict[str, Any], **info: str) -> bytes:
    document = {"info": {"subdir": "noarch", **info}, "packages": {}, "packages.conda": files}
    return json.dumps(document).encode()


def but(**changes: object) -> bytes:
    """Return repodata of one record, changed; without what is changed to None."""
    record = {key: value for key, value in {**RECORD, **changes}.items() if value is not None}
    return repodata({FILE: record})


GOOD = repodata({FILE: RECORD})
UNREADABLE = {
    "no JSON": b"<html>please log in</html>",
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "broken off": GOOD[:80],
    "no UTF-8": GOOD.replace(b'"lib"', b'"l\xff"'),
    "deep lists": b"[" * 300_000,
    "deep objects": b'{"packages.conda":' * 100_000,
    **{f"no {key}": but(**{key: None}) for key in ("name", "version", "build", "build_number")},
    **{f"{key} of another type": but(**{key: {"x": [1]}}) for key in RECORD},
    "a version that is none": but(version="!!..x y"),
    "a number of 50,000 digits": but(version="9" * 50_000),
    "a hash that is none": but(sha256="zz"),
    "a size below nothing": but(size=-5),
    "a time before time": but(timestamp=-(10**15)),
    "dependencies that are numbers": but(depends=[1, 2]),
    "dependencies that are nothing": but(depends=["", "[["]),
    "a file name with a backslash": repodata({"..\\" + FILE: RECORD}),
    "a file name of no package": repodata({"..": RECORD}),
    "a file name with a query": repodata({f"{FILE}?x=1#y": RECORD}),
}
UNUSABLE = {
    "a name that is a path": but(name="../../lib"),
    "a file name that climbs": repodata({f"../{FILE}": RECORD}),
    "a file name from the root": repodata({f"/etc/{FILE}": RECORD}),
    "another name than its file's": but(name="other"),
    "a dependency on a later self": but(depends=["lib >=2"]),
    "a dependency without end": but(depends=["x" * 100_000]),
    "a constraint that is none": but(constrains=["!!"]),
}
SOUND = {
    "no depends, size, subdir, timestamp": but(depends=None, size=None, subdir=None, timestamp=None),
    "a time in seconds": but(timestamp=1700000000),
    "a subdir that climbs": but(subdir="../../etc"),
    "a build that climbs": but(build="../../x"),
    "a base URL that climbs": repodata({FILE: RECORD}, base_url="../../.."),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackServer]:
    with LoopbackServer(tmp_path) as started:
        started.page("/linux-64/repodata.json", repodata({}), "application/json")
        yield started


def resolve(server: LoopbackServer) -> conjoin.Lock:
    asked = conjoin.Requirements.build(conda=["lib"], channels=[server.url])
    return conjoin.resolve(asked, platforms=["linux-64"])


@pytest.mark.parametrize("trick", UNREADABLE)
def test_what_cannot_be_read_is_said_in_one_line_with_the_channel(trick: str, server: LoopbackServer) -> None:
    server.page("/noarch/repodata.json", UNREADABLE[trick], "application/json")
    with pytest.raises(Unreachable) as caught:
        resolve(server)
    said = str(caught.value)
    assert caught.value.exit_code == 4
    assert server.url in said
    assert "cannot be read" in said
    assert len(said.splitlines()) == 1
    assert len(said) < 700


@pytest.mark.parametrize("trick", UNUSABLE)
def test_what_cannot_be_used_is_no_candidate(trick: str, server: LoopbackServer) -> None:
    server.page("/noarch/repodata.json", UNUSABLE[trick], "application/json")
    with pytest.raises(ConjoinError) as caught:
        resolve(server)
    assert caught.value.exit_code == 3
    assert len(caught.value.what) < 700


@pytest.mark.parametrize("trick", SOUND)
def test_what_can_be_used_leaves_no_path_in_the_lock(trick: str, server: LoopbackServer) -> None:
    server.page("/noarch/repodata.json", SOUND[trick], "application/json")
    [package] = resolve(server).platforms["linux-64"].packages
    assert (package.name, package.file) == ("lib", FILE)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("repodata.json.zst", zstd.compress(GOOD)[:-9]),
        ("repodata.json.zst", b"no zstd"),
        ("repodata.json.zst", b""),
        ("repodata.json.bz2", b"BZh9, but no more"),
        ("repodata_shards.msgpack.zst", b"no zstd"),
        ("repodata_shards.msgpack.zst", zstd.compress(b"\xff" * 100)),
    ],
)
def test_a_packed_file_that_is_none_is_said_in_one_line(
    name: str, body: bytes, server: LoopbackServer
) -> None:
    server.page(f"/noarch/{name}", body, "application/octet-stream")
    with pytest.raises(Unreachable, match=name) as caught:
        resolve(server)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("form", ["repodata.json", "repodata.json.zst"])
def test_either_form_alone_is_a_channel(form: str, server: LoopbackServer) -> None:
    body = zstd.compress(GOOD) if form.endswith(".zst") else GOOD
    server.page(f"/noarch/{form}", body, "application/octet-stream")
    assert [package.name for package in resolve(server).platforms["linux-64"].packages] == ["lib"]


def test_redirects_without_end_are_given_up(server: LoopbackServer) -> None:
    server.redirect("/noarch/*", "/noarch/again")
    with pytest.raises(Unreachable) as caught:
        resolve(server)
    assert "redirect" in str(caught.value)
    assert len(server.requests) < 100
