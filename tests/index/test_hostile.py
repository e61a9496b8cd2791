"""An index that means harm, or is very broken: every trick ends in an error that says so, in little memory.

Tricks that would fill the memory run in a process of their own, which may take less than they unpack to.
"""

from __future__ import annotations

import functools
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

import conjoin
from conjoin.build.sources import sdist_metadata
from conjoin.build.sources.sdist_metadata import static_metadata
from conjoin.errors import ConjoinError, IntegrityError, NoSolution, Unreachable
from conjoin.index.pypi import simple_api
from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.index.pypi.file_rows import Page, files_of, parse_page
from conjoin.net import client as http
from conjoin.net import transport
from loopback import PYPI_JSON, LoopbackServer
from small_index import TINY
from solving import World
from worlds import make_sdist, make_wheel, rewrite_zip

ONE = Version("1.0")
URL = "https://index.example/simple/tiny/"
MEGABYTE = 1024 * 1024


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    made.python("3.12.8")
    return made


@pytest.fixture
def server(world: World) -> Iterator[LoopbackServer]:
    world.write()
    with LoopbackServer(world.root / "index") as started:
        yield started


def resolve(world: World, url: str, *pypi: str) -> conjoin.Lock:
    asked = conjoin.Requirements.build(
        pypi=pypi or ["tiny"], channels=[world.channel_url], index_url=url, python="3.12"
    )
    return conjoin.resolve(asked, platforms=["linux-64"])


def versions(lock: conjoin.Lock) -> dict[str, str]:
    return {p.name: p.version for p in lock.platforms["linux-64"].packages if p.kind == "pypi"}


# -- pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 200_000, id="deep lists"),
        pytest.param(b'{"files":' * 100_000, id="deep objects"),
        pytest.param(b'{"files": [{"filename": "\xff\xfe"}]}', id="no UTF-8"),
        pytest.param(b'{"files": [], "x": ' + b"9" * 5000 + b"}", id="a number of 5000 digits"),
        pytest.param(b'{"files": {}}', id="another shape"),
        pytest.param(b'{"files": [', id="broken off"),
        pytest.param(b'{"files": [{"filename": "\\ud800"}]}', id="half a character"),
        pytest.param(b"null", id="null"),
    ],
)
def test_json_that_is_no_page_is_unreachable(world: World, server: LoopbackServer, body: bytes) -> None:
    server.page("/tiny/", body, PYPI_JSON)
    with pytest.raises(Unreachable, match="the index's answer is") as caught:
        resolve(world, server.url)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("piece", ['<a "', "<!--", "<a href='x", "<base '", '<a href="&#x', "<a " + " " * 50])
def test_a_page_of_tags_that_never_end_is_read_once_not_a_million_times(piece: str) -> None:
    # Quadratic, this would take hours.
    page = f'<a href="tiny-1.0-py3-none-any.whl">x</a>{piece * (MEGABYTE // len(piece))}'
    found = files_of(parse_page(page.encode(), "text/html", URL, TINY), "i")
    assert [file.filename for file in found] == ["tiny-1.0-py3-none-any.whl"]


def test_a_page_of_more_files_than_any_project_has_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simple_api, "_MOST_FILES", 3)
    files = "".join(f'<a href="tiny-{n}-py3-none-any.whl">x</a>' for n in range(5))
    with pytest.raises(Unreachable, match="more than 3 files"):
        parse_page(files.encode(), "text/html", URL, TINY)


@pytest.mark.parametrize("charset", ["idna", "punycode", "utf-7", "zlib_codec", "undefined", "no-such"])
def test_a_charset_that_is_a_trap_is_read_as_utf_8(charset: str) -> None:
    page = parse_page(
        b'<a href="tiny-1.0-py3-none-any.whl">\xff\xfe</a>', f"text/html; charset={charset}", URL, TINY
    )
    assert len(files_of(page, "i")) == 1


def test_a_broken_base_is_none() -> None:
    page = b'<base href="http://[x"><a href="tiny-1.0-py3-none-any.whl">x</a>'
    (file,) = files_of(parse_page(page, "text/html", URL, TINY), "i")
    assert file.url == f"{URL}tiny-1.0-py3-none-any.whl"


def test_values_that_no_file_has_count_as_not_said() -> None:
    file = {
        "filename": "tiny-1.0-py3-none-any.whl",
        "url": "tiny-1.0-py3-none-any.whl",
        "size": 10**300,
        "upload-time": "9999-12-31T23:59:59-23:59",
        "hashes": {"sha256": "é", "md5": ["x"]},
        "core-metadata": {"sha256": "zz"},
    }
    (row,) = files_of(parse_page(json.dumps({"files": [file]}).encode(), PYPI_JSON, URL, TINY), "i")
    assert (row.size, row.upload_time, row.sha256, row.metadata) == (None, None, None, "")


@pytest.mark.parametrize("text", [">=3" + "9" * 5000, ">=3," * 2000])
def test_a_requires_python_that_nobody_can_read_admits_no_python(
    world: World, server: LoopbackServer, text: str
) -> None:
    file = {"filename": "tiny-1.0-py3-none-any.whl", "url": "x/tiny.whl", "requires-python": text}
    server.page("/tiny/", json.dumps({"files": [file]}), PYPI_JSON)
    with pytest.raises(NoSolution, match="invalid Requires-Python"):
        resolve(world, server.url)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_fields = st.sampled_from(
    ["filename", "url", "hashes", "size", "requires-python", "yanked", "upload-time", "core-metadata"]
)
_files = st.fixed_dictionaries(
    {"filename": st.just("tiny-1.0-py3-none-any.whl") | _json, "url": st.just("tiny.whl") | _json}
).flatmap(lambda file: st.dictionaries(_fields, _json, max_size=5).map(lambda more: {**more, **file}))


@given(st.lists(_files | _json, max_size=4), _json)
def test_no_json_makes_the_reader_fail_and_what_it_makes_can_be_kept(files: object, meta: object) -> None:
    document = json.dumps({"files": files, "meta": meta})
    try:
        page = parse_page(document.encode("utf-8", "surrogatepass"), PYPI_JSON, URL, TINY)
    except Unreachable:
        return
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(page), type=Page)
    assert kept == page
    found = files_of(page, "i")
    assert all(file.upload_time is None or file.upload_time.tzinfo == timezone.utc for file in found)


@given(st.binary(max_size=400), st.sampled_from(["text/html", PYPI_JSON, "", "text/html; charset=latin-1"]))
def test_no_bytes_make_the_reader_fail(body: bytes, kind: str) -> None:
    with suppress(Unreachable):
        msgspec.msgpack.encode(parse_page(body, kind, URL, TINY))


def test_one_name_listed_twice_counts_once_and_the_first_counts() -> None:
    name = "tiny-1.0-py3-none-any.whl"
    page = f'<a href="a/{name}#sha256={"1" * 64}">x</a><a href="b/{name}#sha256={"2" * 64}">x</a>'
    (file,) = files_of(parse_page(page.encode(), "text/html", URL, TINY), "i")
    assert file.sha256 == "1" * 64


# -- names that play tricks ---------------------------------------------------------------------------------

TRICKS = [
    "../tiny-1.0-py3-none-any.whl",
    "/etc/tiny-1.0-py3-none-any.whl",
    "..\\tiny-1.0-py3-none-any.whl",
    "C:\\tiny-1.0-py3-none-any.whl",
    "tiny-1.0-py3-none-any.whl\x00.txt",
    "tiny-1.0-py3-none-any\n.whl",
    "tiny-1.0/../../evil.tar.gz",
    "tiny-1.0..tar.gz",
    "tiny-1.0+" + "a" * 300 + "-py3-none-any.whl",
    "-tiny-1.0-py3-none-any.whl",
]


def test_files_whose_names_play_tricks_do_not_exist_and_nothing_is_written_elsewhere(
    world: World,
    server: LoopbackServer,
    tmp_path: Path,
    isolated_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # All of its own: whoever leaves it by a few folders is still where it is looked for.
    home = tmp_path / "far" / "below" / "home"
    home.mkdir(parents=True)
    for variable, place in os.environ.items():
        if place.startswith(str(isolated_home)):
            monkeypatch.setenv(variable, place.replace(str(isolated_home), str(home)))
    server.page("/tiny/", json.dumps({"files": [{"filename": n, "url": n} for n in TRICKS]}), PYPI_JSON)
    server.page("/..%2Ftiny/", "x")
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)}
    with pytest.raises(NoSolution):
        resolve(world, server.url)
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)}
    assert after == before
    assert any(home.rglob("*")), "what was asked for is kept there"


@pytest.mark.parametrize("suffix", [".tar.gz", "-py3-none-any.whl"])
def test_a_metadata_name_that_plays_tricks_is_another_projects(
    world: World, server: LoopbackServer, suffix: str
) -> None:
    name = f"tiny-1.0{suffix}"
    path = world.root / "files" / name
    path.parent.mkdir()
    metadata = b"Metadata-Version: 2.2\nName: ../../tiny\nVersion: 1.0\n"
    if suffix == ".tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo("../../tiny-1.0/PKG-INFO")
            entry.size = len(metadata)
            archive.addfile(entry, io.BytesIO(metadata))
    else:
        make_wheel(path.parent, "tiny", "1.0")
        rewrite_zip(path, {"tiny-1.0.dist-info/METADATA": metadata, "../../evil": b"x"})
    server.page("/tiny/", f'<a href="/f/{name}">x</a>')
    server.page(f"/f/{name}", path.read_bytes(), "application/octet-stream")
    with pytest.raises(NoSolution):
        resolve(world, server.url)
    assert not list(world.root.parent.rglob("evil"))


# -- redirects ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/tiny/?{}", "more than 10 redirects"),
        ("file:///etc/passwd", "not a usable URL"),
        ("http://[broken", "not a usable URL"),
        ("gopher://host.example/", "not a usable URL"),
        ("http://host.example/\x7f", "Invalid URL"),
    ],
)
def test_redirects_that_lead_nowhere_end(
    world: World, server: LoopbackServer, target: str, message: str
) -> None:
    server.redirect("/tiny/", target)
    with pytest.raises(Unreachable, match=message):
        resolve(world, server.url)
    assert len(server.requests) <= 10


def test_no_hop_of_a_redirect_sees_the_password_of_another_host(world: World, tmp_path: Path) -> None:
    world.wheel("tiny", "1.0")
    world.write()
    with LoopbackServer(world.root / "index") as theirs, LoopbackServer(tmp_path, auth=("u", "pw")) as ours:
        ours.redirect("/*", f"{theirs.url}/tiny/")
        theirs.redirect("/files/*", f"{ours.url}/back", times=1)
        with pytest.raises(ConjoinError):
            resolve(world, ours.url_with_credentials)
        assert ours.requests
        assert theirs.requests
        assert all("authorization" not in request.headers for request in theirs.requests)


# -- hashes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
def test_bytes_that_are_not_what_the_index_announced_are_an_integrity_error(
    world: World, announced: bool
) -> None:
    wheel = world.wheel("tiny", "1.0")
    world.page_options = {"pep658": announced}
    world.write()
    with LoopbackServer(world.root / "index", ranges="none") as server:
        server.replace(
            f"/files/{wheel.name}{'.metadata' if announced else ''}",
            b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: evil\n",
        )
        if not announced:
            server.fail("/files/*.metadata", status=404, times=None)
        with pytest.raises(IntegrityError) as caught:
            resolve(world, server.url)
    assert caught.value.exit_code == 5


# -- slow bytes ---------------------------------------------------------------------------------------------


@contextmanager
def dripping(first: bytes, drop: bytes) -> Iterator[str]:
    """Serve an answer that never ends: ``first`` at once, then ``drop`` again and again."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(first)
            with suppress(OSError):
                while not stop.wait(0.02):
                    connection.sendall(drop)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        listener.close()


def test_a_body_that_drips_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "Guard", functools.partial(transport.Guard, window=0.3))
    world.write()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99999999\r\n\r\n"
    with dripping(head, b"<") as url, pytest.raises(Unreachable, match="less than 500 bytes a second"):
        resolve(world, url)


def test_a_head_that_drips_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_LONGEST_WAIT", 0.01)  # of 30 s
    world.write()
    with (
        dripping(b"HTTP/1.1 200 OK\r\nX: ", b"x") as url,
        pytest.raises(Unreachable, match="no answer in time"),
    ):
        resolve(world, url)


# -- metadata -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Requires-Dist: x ; " + "(" * 900 + "python_version>'3'" + ")" * 900, "nested too deeply"),
        ("Requires-Dist: x>=" + "9" * 5000, "characters"),
        ("Requires-Python: >=" + "9" * 5000, "characters|invalid"),
        ("Requires-Dist: x\n" * 10_001, "10001 requirements"),
        ("X: " + "y" * (5 * MEGABYTE), "bytes without its description"),
        ("Requires-Dist: \udcff\udcfe", "unreadable|not PEP 508"),
        ("Requires-Dist: \x00", "not PEP 508"),
    ],
)
def test_metadata_that_is_a_trap_is_unusable(text: str, reason: str) -> None:
    content = f"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n{text}\n".encode("utf-8", "surrogateescape")
    with pytest.raises(MetadataUnusable, match=reason):
        parse_core_metadata(content, TINY, ONE)


def test_a_version_of_five_thousand_digits_is_unusable() -> None:
    content = b"Metadata-Version: 2.1\nName: tiny\nVersion: " + b"9" * 5000 + b"\n"
    with pytest.raises(MetadataUnusable, match="cannot be read"):
        parse_core_metadata(content, TINY, ONE)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_metadata_reader_fail(content: bytes) -> None:
    for head in (b"", b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: "):
        with suppress(MetadataUnusable):
            parse_core_metadata(head + content, TINY, ONE)


def test_where_one_version_is_a_trap_the_one_before_is_taken(world: World) -> None:
    world.wheel("tiny", "1.0")
    world.wheel("tiny", "2.0", ["x ; " + "(" * 900 + "python_version>'3'" + ")" * 900])
    world.write()
    with LoopbackServer(world.root / "index") as server:
        assert versions(resolve(world, server.url)) == {"tiny": "1.0"}


# -- source distributions -----------------------------------------------------------------------------------


def test_what_is_no_archive_says_nothing_of_itself(tmp_path: Path) -> None:
    good = make_sdist(tmp_path, "tiny", "1.0")
    assert static_metadata(good, TINY, ONE) is not None
    content = good.read_bytes()
    for number, bad in enumerate([b"", b"PK\x03\x04", content[:60], b"\x1f\x8b" + b"\xff" * 99]):
        for suffix in (".tar.gz", ".zip", ".tar.bz2", ".tar.xz"):
            path = tmp_path / f"bad{number}{suffix}"
            path.write_bytes(bad)
            assert static_metadata(path, TINY, ONE) is None


def test_an_archive_that_unpacks_without_end_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdist_metadata, "_MAX_UNPACKED", MEGABYTE)
    path = tmp_path / "tiny-1.0.tar.gz"
    metadata = b"Metadata-Version: 2.2\nName: tiny\nVersion: 1.0\n"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("big", bytes(3 * MEGABYTE)), ("PKG-INFO", metadata)):
            entry = tarfile.TarInfo(f"tiny-1.0/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    assert static_metadata(path, TINY, ONE) is None


# -- bombs: each in a process that may not take much --------------------------------------------------------

_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
sys.path.insert(0, {tests!r})
import asyncio
from pathlib import Path
from packaging.version import Version
from conjoin.errors import ConjoinError
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.spec.names import PypiName
try:
    {work}
except (ConjoinError, MetadataUnusable) as error:
    print(type(error).__name__, str(error)[:300])
"""


def limited(work: str) -> str:
    """Run a statement in a process that may take less memory than a bomb; return what it says."""
    code = _LIMITED.format(
        limit=640 * MEGABYTE, tests=str(Path(__file__).parents[1]), work=work.replace("\n", "\n    ")
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _fetching(url: str) -> str:
    return (
        "from conjoin.net.client import HttpClient\n"
        "async def fetch():\n    client = HttpClient(attempts=1)\n"
        f"    try:\n        await client.get({url!r})\n    finally:\n        await client.aclose()\n"
        "asyncio.run(fetch())"
    )


@contextmanager
def answering(body: bytes, encoding: str) -> Iterator[str]:
    """Serve one body with a ``Content-Encoding``."""

    listener = socket.create_server(("127.0.0.1", 0))
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: {encoding}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(ConnectionError):
                    connection.recv(65536)
                    connection.sendall(head.encode() + body)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/tiny/"
    finally:
        listener.close()


def _packed(head: bytes = b"") -> bytes:
    """``head`` and a gigabyte of zeros, in four megabytes."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = bytes(16 * MEGABYTE)
    return b"".join([packer.compress(head), *(packer.compress(block) for _ in range(64)), packer.flush()])


@pytest.mark.slow
def test_a_page_that_unpacks_to_gigabytes_is_given_up() -> None:
    with answering(_packed(), "gzip") as url:
        assert "larger than 67108864 bytes" in limited(_fetching(url))


@pytest.mark.parametrize("encoding", ["gzip, gzip", "zstd", "br", "x-odd"])
def test_an_encoding_nobody_asked_for_is_refused(encoding: str) -> None:
    with answering(b"x", encoding) as url:
        assert "which was not asked for" in limited(_fetching(url))


def _lying_directory(path: Path) -> None:
    """A zip file of a gigabyte, of which its end says that nearly all is the central directory."""
    size = 1024 * MEGABYTE
    with path.open("wb") as file:
        file.truncate(size)  # a hole: it takes no room
        file.seek(size)
        file.write(b"PK\x05\x06" + bytes(4) + (1).to_bytes(2, "little") * 2)
        file.write((size - 10).to_bytes(4, "little") + (10).to_bytes(4, "little") + bytes(2))


def _bomb_of_metadata(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("tiny-1.0.dist-info/METADATA", "w") as member,
    ):
        for _ in range(1024):
            member.write(bytes(MEGABYTE))


def _bomb_that_lies(path: Path) -> None:
    """As before, and the directory says that the member has ten bytes."""
    _bomb_of_metadata(path)
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("make", [_lying_directory, _bomb_of_metadata, _bomb_that_lies])
def test_a_wheel_that_is_a_bomb_is_unusable(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    make(path)
    said = limited(
        "from conjoin.index.pypi.wheel_archive import read_metadata\n"
        f"with open({str(path)!r}, 'rb') as file:\n"
        "    read_metadata(file, PypiName('tiny'), Version('1.0'))"
    )
    assert said.startswith("MetadataUnusable")


@pytest.mark.slow
def test_a_tar_header_that_is_a_bomb_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tiny-1.0.tar.gz"
    entry = tarfile.TarInfo("PaxHeaders/x")
    entry.type, entry.size = tarfile.XHDTYPE, 1024 * MEGABYTE
    path.write_bytes(_packed(entry.tobuf()))
    said = limited(
        "from conjoin.build.sources.sdist_metadata import static_metadata\n"
        f"print(static_metadata(Path({str(path)!r}), PypiName('tiny'), Version('1.0')))"
    )
    assert said == "None\n"


def test_a_size_that_no_server_has_is_as_none() -> None:
    """``Content-Length`` of digits that Python or msgpack cannot hold."""
    for text in ("9" * 19, "9" * 30, "9" * 5000, "²", "-1", ""):
        assert http.content_length(http.Response(200, "", {"content-length": text})) is None
    assert http.content_length(http.Response(200, "", {"content-length": "7"})) == 7
