"""Every kind of object store, read without its cloud's own libraries, from the emulators of their worlds."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from azurite_server import Azurite, azurite_missing
from conjoin.bootstrap.download import Downloads
from conjoin.bootstrap.stores.open_source import open_source
from conjoin.errors import Unreachable
from conjoin.store.store import Store
from gcs_server import FakeGCS, gcs_missing
from object_stores import S3, ObjectServer

KINDS = {"s3": (S3, lambda: None), "gs": (FakeGCS, gcs_missing), "az": (Azurite, azurite_missing)}
CONTENT = random.Random(3).randbytes(1_500_000)


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[ObjectServer]:
    kind, missing = KINDS[request.param]
    if reason := missing():
        pytest.skip(reason)
    made = kind()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def place(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a store with one object, ``a/b+c=1``."""
    for variable, value in server.environment().items():
        monkeypatch.setenv(variable, value)
    place = f"{server.scheme}://{server.new_bucket()}/some/prefix"
    Store(place).backend.put("a/b+c=1", CONTENT)
    server.heal()
    server.forget()
    return place


def test_an_object_is_read_whole_resumed_and_found_missing(
    server: ObjectServer, place: str, tmp_path: Path
) -> None:
    downloads = Downloads(open_source(place))
    assert downloads.document("a/b+c=1") == CONTENT
    assert downloads.document("a/nothing") is None
    server.truncate("*", 1_000_000, 1)
    downloads.file("a/b+c=1", str(tmp_path / "x"), hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert len(server.requests) == downloads.requests == 4
    assert downloads.received < 2.1 * len(CONTENT)  # not three times: it was resumed


def test_a_bucket_that_is_not_there_and_credentials_that_are_refused(
    server: ObjectServer, place: str
) -> None:
    missing = place.replace("bucket-", "no-bucket-")
    if server.scheme != "gs":  # whose emulator says of both that there is no such object
        with pytest.raises(Unreachable, match=r"there is no such (bucket|container)"):
            Downloads(open_source(missing)).document("a/b+c=1")
    server.fail("*", 403, None)
    with pytest.raises(Unreachable, match="refuses these credentials") as caught:
        Downloads(open_source(place)).document("a/b+c=1")
    assert not any(secret in str(caught.value) for secret in server.secrets)
    server.heal()
