"""The test helpers are parts of the proof, so they are tested too."""

from __future__ import annotations

import zipfile

import httpx
import pytest

from loopback import PYPI_JSON, LoopbackServer
from worlds import make_index, make_sdist, make_wheel, rewrite_zip


@pytest.fixture
def server(tmp_path):
    (tmp_path / "digits").write_bytes(b"0123456789")
    with LoopbackServer(tmp_path) as running:
        yield running


def _get(server: LoopbackServer, path: str = "/digits", **headers: str) -> httpx.Response:
    return httpx.get(server.url + path, headers=headers)


@pytest.mark.parametrize(
    ("mode", "wanted", "status", "body"),
    [
        ("full", "bytes=2-4", 206, b"234"),
        ("full", "bytes=7-", 206, b"789"),
        ("full", "bytes=-3", 206, b"789"),
        ("full", "bytes=10-", 416, b""),
        ("no-suffix", "bytes=-3", 200, b"0123456789"),
        ("no-suffix", "bytes=2-4", 206, b"234"),
        ("none", "bytes=2-4", 200, b"0123456789"),
    ],
)
def test_ranges_are_answered_as_the_mode_says(server, mode, wanted, status, body):
    server.ranges = mode
    answer = _get(server, range=wanted)
    assert (answer.status_code, answer.content) == (status, body)


def test_a_304_is_only_ever_sent_with_validators(server):
    etag = _get(server).headers["etag"]
    again = _get(server, **{"if-none-match": etag})
    assert again.status_code == 304
    assert again.headers["etag"] == etag
    server.validators = False
    assert _get(server, **{"if-none-match": etag}).status_code == 200
    assert "etag" not in _get(server).headers


def test_faults_come_as_often_as_asked_and_then_stop(server):
    server.fail("/dig*", status=503, times=2)
    assert [_get(server).status_code for _ in range(3)] == [503, 503, 200]
    server.corrupt("/digits")
    assert _get(server).content == b"01234\xca6789"
    server.truncate("/digits", keep=4)
    with pytest.raises(httpx.RemoteProtocolError):
        _get(server)
    assert _get(server).content == b"0123456789"


def test_requests_are_logged_with_method_path_and_headers(server):
    _get(server, range="bytes=0-1")
    httpx.head(server.url + "/none%20such?x=1")
    assert [(r.method, r.path, r.range, r.query) for r in server.requests] == [
        ("GET", "/digits", "bytes=0-1", ""),
        ("HEAD", "/none such", None, "x=1"),
    ]


def test_basic_authentication_lets_only_the_right_credentials_in(server):
    server.auth = ("ann", "p@ss")
    assert _get(server).status_code == 401
    assert httpx.get(f"{server.url_with_credentials}/digits").content == b"0123456789"
    assert httpx.get(f"{server.url}/digits", auth=("ann", "other")).status_code == 401


def test_nothing_outside_the_folder_is_served(server, tmp_path):
    (tmp_path.parent / "secret").write_text("x")
    assert _get(server, "/%2e%2e/secret").status_code == 404


def test_wheels_are_valid_and_the_same_input_gives_the_same_bytes(tmp_path):
    from packaging.metadata import parse_email

    one = make_wheel(
        tmp_path / "a",
        "My.Pkg",
        "1.0",
        ["six>=1"],
        entry_points={"my": "my_pkg:main"},
        extras={"x": ["y; os_name=='z'"]},
    )
    two = make_wheel(
        tmp_path / "b",
        "My.Pkg",
        "1.0",
        ["six>=1"],
        entry_points={"my": "my_pkg:main"},
        extras={"x": ["y; os_name=='z'"]},
    )
    assert one.name == "my_pkg-1.0-py3-none-any.whl"
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert archive.testzip() is None
        parsed, unparsed = parse_email(archive.read("my_pkg-1.0.dist-info/METADATA"))
    assert not unparsed
    assert parsed["requires_dist"] == ["six>=1", "y ; (os_name=='z') and extra == 'x'"]


def test_a_rewritten_zip_may_carry_hostile_names(tmp_path):
    wheel = make_wheel(tmp_path, "evil", "1")
    rewrite_zip(wheel, {"../../evil": b"x", "evil/__init__.py": None})
    with zipfile.ZipFile(wheel) as archive:
        assert "../../evil" in archive.namelist()
        assert "evil/__init__.py" not in archive.namelist()


@pytest.mark.parametrize("format", ["html", "json", "both"])
def test_pypi_simple_reads_the_index_that_was_written(tmp_path, format):
    from pypi_simple import PyPISimple

    wheel = make_wheel(tmp_path / "w", "my-pkg", "1.0", requires_python=">=3.8,<4")
    old = make_wheel(tmp_path / "w", "my-pkg", "0.9")
    sdist = make_sdist(tmp_path / "w", "my-pkg", "1.0")
    make_index(tmp_path / "index", [wheel, old, sdist], format, yanked={old.name: "broken"})
    with LoopbackServer(tmp_path / "index") as server, PyPISimple(server.url) as client:
        page = client.get_project_page("my-pkg")
        packages = {package.filename: package for package in page.packages}
        assert set(packages) == {wheel.name, old.name, sdist.name}
        assert packages[wheel.name].requires_python == ">=3.8,<4"
        assert packages[wheel.name].has_metadata
        assert packages[old.name].yanked_reason == "broken"
        assert client.get_package_metadata(packages[wheel.name]).startswith("Metadata-Version")
        expected = PYPI_JSON if format != "html" else "text/html"
        assert (
            httpx.get(f"{server.url}/my-pkg/", headers={"accept": PYPI_JSON}).headers["content-type"]
            == expected
        )
