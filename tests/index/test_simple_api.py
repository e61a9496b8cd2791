from __future__ import annotations

import html
import json
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.errors import Unreachable
from conjoin.index.pypi.file_rows import Page, files_of, parse_page
from conjoin.index.pypi.project import Sdist, Wheel
from conjoin.index.pypi.simple_api import links
from conjoin.spec.names import PypiName

URL = "https://index.example/simple/tiny/"
TINY = PypiName("tiny")
DIGEST = "a1" * 32


def html_files(body: str, url: str = URL) -> list[Wheel | Sdist]:
    return files_of(
        parse_page(body.encode(), "text/html; charset=utf-8", url, TINY), "https://index.example/simple/"
    )


def json_files(files: list[object], version: str = "1.1") -> list[Wheel | Sdist]:
    body = json.dumps({"meta": {"api-version": version}, "name": "tiny", "files": files}).encode()
    return files_of(parse_page(body, "application/vnd.pypi.simple.v1+json", URL, TINY), "i")


class Anchors(HTMLParser):
    """What an HTML parser makes of a page: the reference for our scanner."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append(dict(reversed(attrs)))


attribute_values = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r`<", exclude_categories=["Cs", "Cc"])
)
attributes = st.lists(
    st.tuples(
        st.sampled_from(["data-requires-python", "data-yanked", "class", "DATA-GPG-SIG", "data-x.y"]),
        attribute_values,
        st.sampled_from(['{n}="{v}"', "{n}='{v}'", '{n} = "{v}"', "{n}"]),
    ),
    max_size=4,
)


@given(
    st.lists(attributes, max_size=4),
    st.sampled_from(["\n", "<br/>", "<!-- <a href='x.whl'></a> -->", "<p>a > b</p>"]),
)
def test_anchors_are_read_as_an_html_parser_reads_them(
    anchors: list[list[tuple[str, str, str]]], between: str
) -> None:
    page = between.join(
        '<a {} href="tiny-{}-py3-none-any.whl">x</a>'.format(
            " ".join(form.format(n=name, v=html.escape(value)) for name, value, form in anchor), number
        )
        for number, anchor in enumerate(anchors)
    )
    reference = Anchors()
    reference.feed(f"<html><body>{page}</body></html>")
    ours = list(links(f"<html><body>{page}</body></html>".encode(), "text/html; charset=utf-8", URL))
    assert [link.url for link in ours] == [f"{URL}{anchor['href']}" for anchor in reference.found]
    for link, anchor in zip(ours, reference.found, strict=True):
        yanked = (anchor["data-yanked"] or "") if "data-yanked" in anchor else None
        assert link.yanked == yanked


def test_html_attributes_in_any_order_and_quotes() -> None:
    body = f"""<!DOCTYPE html><html><body>
    <A data-yanked='bad &quot;build&quot;' data-requires-python="&gt;=3.8,&lt;4"
       href='../../files/tiny-1.0-py3-none-any.whl#sha256={DIGEST.upper()}'
       data-upload-time=2024-01-02T03:04:05.6Z
       data-size="17">tiny</A>
    <a href=../../files/tiny-1.1.tar.gz data-yanked>sdist</a></body></html>"""
    wheel, sdist = html_files(body)
    assert isinstance(wheel, Wheel)
    assert wheel.url == "https://index.example/files/tiny-1.0-py3-none-any.whl"
    assert wheel.sha256 == DIGEST
    assert wheel.requires_python == ">=3.8,<4"
    assert wheel.yanked == 'bad "build"'
    assert wheel.upload_time == datetime(2024, 1, 2, 3, 4, 5, 600000, tzinfo=timezone.utc)
    assert wheel.size == 17
    assert wheel.metadata is None
    assert wheel.tags == "py3-none-any"
    assert isinstance(sdist, Sdist)
    assert (sdist.sha256, sdist.yanked, str(sdist.version)) == (None, "", "1.1")


def test_base_href_decides_what_relative_links_are_relative_to() -> None:
    body = '<head><base href="https://files.example/pool/"></head><a href="tiny-1.0-py3-none-any.whl">x</a>'
    assert [file.url for file in html_files(body)] == ["https://files.example/pool/tiny-1.0-py3-none-any.whl"]


def test_anchors_in_comments_do_not_count() -> None:
    assert html_files('<!-- <a href="tiny-1.0-py3-none-any.whl">x</a> -->') == []


@pytest.mark.parametrize(
    ("attributes", "metadata"),
    [
        (f'data-core-metadata="sha256={DIGEST}"', DIGEST),
        (f'data-dist-info-metadata="sha256={DIGEST}"', DIGEST),
        (f'data-dist-info-metadata="true" data-core-metadata="sha256={DIGEST}"', DIGEST),
        ('data-core-metadata="true"', ""),
        ("data-core-metadata", ""),
        ('data-core-metadata="false"', None),
        ('data-core-metadata="md5=00"', ""),
        ("", None),
    ],
)
def test_pep_714_metadata_attributes(attributes: str, metadata: str | None) -> None:
    (file,) = html_files(f'<a href="tiny-1.0-py3-none-any.whl" {attributes}>x</a>')
    assert file.metadata == metadata


@pytest.mark.parametrize(
    ("keys", "metadata"),
    [
        ({"core-metadata": {"sha256": DIGEST}}, DIGEST),
        ({"core-metadata": True}, ""),
        ({"core-metadata": False, "dist-info-metadata": {"sha256": DIGEST}}, None),
        ({"dist-info-metadata": {"sha256": DIGEST}}, DIGEST),
        ({"data-dist-info-metadata": True}, ""),
        ({}, None),
    ],
)
def test_pep_714_metadata_keys(keys: dict[str, object], metadata: str | None) -> None:
    (file,) = json_files(
        [{"filename": "tiny-1.0-py3-none-any.whl", "url": "x/tiny-1.0-py3-none-any.whl", **keys}]
    )
    assert file.metadata == metadata


def test_json_page_with_all_fields() -> None:
    (file,) = json_files(
        [
            {
                "filename": "tiny-1.0-1-py3-none-any.whl",
                "url": "../../files/tiny-1.0-1-py3-none-any.whl",
                "hashes": {"sha256": DIGEST, "md5": "0"},
                "requires-python": ">=3.8",
                "size": 12,
                "upload-time": "2024-01-02T03:04:05Z",
                "yanked": "bad",
                "provenance": None,
            }
        ]
    )
    assert isinstance(file, Wheel)
    assert file == Wheel(
        filename="tiny-1.0-1-py3-none-any.whl",
        url="https://index.example/files/tiny-1.0-1-py3-none-any.whl",
        version=file.version,
        sha256=DIGEST,
        size=12,
        requires_python=">=3.8",
        yanked="bad",
        upload_time=datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        index="i",
        build=(1, ""),
        tags="py3-none-any",
    )


def test_json_files_with_fields_of_the_wrong_type_are_skipped_or_read_as_unsaid() -> None:
    good = {"filename": "tiny-1.0-py3-none-any.whl", "url": "tiny-1.0-py3-none-any.whl"}
    odd = {
        **good,
        "size": "many",
        "hashes": [],
        "requires-python": 3,
        "upload-time": "yesterday",
        "yanked": 0,
    }
    (file,) = json_files(["text", {"filename": 1, "url": 2}, {"filename": "x"}, odd])
    assert (file.size, file.sha256, file.requires_python, file.upload_time, file.yanked) == (
        None,
        None,
        "",
        None,
        None,
    )


def test_an_index_of_another_major_version_is_refused() -> None:
    with pytest.raises(Unreachable, match=r"version 2\.0"):
        json_files([], version="2.0")
    with pytest.raises(Unreachable, match=r"version 2\.1"):
        html_files('<meta name="pypi:repository-version" content="2.1">')


@pytest.mark.parametrize("body", [b"{", b'{"files": 3}', b"[]"])
def test_an_answer_that_is_no_page_is_said_so(body: bytes) -> None:
    with pytest.raises(Unreachable, match="the index's answer"):
        parse_page(body, "application/json", URL, TINY)


@pytest.mark.parametrize(
    "href",
    [
        "tiny-1.0-py3-none-any.whl/../../x",
        "%2e%2e%2ftiny-1.0-py3-none-any.whl",
        "..%5ctiny-1.0-py3-none-any.whl",
        "tiny-1.0-py3-none-any.whl%00.whl",
        "tiny-1.0-py3%0a-none-any.whl",
        "other-1.0-py3-none-any.whl",
        "tiny-x-py3-none-any.whl",
        "file:///etc/tiny-1.0-py3-none-any.whl",
        "javascript:tiny-1.0-py3-none-any.whl",
        "https://[broken/tiny-1.0-py3-none-any.whl",
    ],
)
def test_unsafe_and_foreign_links_are_ignored(href: str) -> None:
    assert html_files(f'<a href="{html.escape(href)}">x</a>') == []


def test_credentials_in_links_are_dropped() -> None:
    (file,) = html_files('<a href="https://user:secret@files.example/tiny-1.0-py3-none-any.whl">x</a>')
    assert file.url == "https://files.example/tiny-1.0-py3-none-any.whl"


def test_the_query_is_part_of_the_url_but_not_of_the_name() -> None:
    (file,) = html_files('<a href="/f/tiny-1.0-py3-none-any.whl?sig=1&amp;e=2#sha256=00">x</a>')
    assert file.url == "https://index.example/f/tiny-1.0-py3-none-any.whl?sig=1&e=2"
    assert file.filename == "tiny-1.0-py3-none-any.whl"
    assert file.sha256 is None


def test_files_are_sorted_by_version_and_name_and_equal_versions_are_one_value() -> None:
    names = [
        "tiny-1.10-py3-none-any.whl",
        "tiny-1.9-py3-none-any.whl",
        "tiny-1.9.0.tar.gz",
        "tiny-1.9-cp311-none-any.whl",
    ]
    files = html_files("".join(f'<a href="{name}">x</a>' for name in names))
    assert [file.filename for file in files] == [
        "tiny-1.9-cp311-none-any.whl",
        "tiny-1.9-py3-none-any.whl",
        "tiny-1.9.0.tar.gz",
        "tiny-1.10-py3-none-any.whl",
    ]
    assert files[0].version is files[1].version


@given(st.binary(max_size=300))
def test_no_bytes_make_the_html_reader_fail(body: bytes) -> None:
    assert isinstance(parse_page(b"<a href=" + body, "text/html", URL, TINY), Page)


def test_requires_python_with_the_old_prefix_form_is_repaired() -> None:
    (file,) = html_files('<a href="tiny-1.0.tar.gz" data-requires-python="&gt;=3.6.*, !=3.7.*">x</a>')
    assert file.requires_python == ">=3.6, !=3.7.*"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", None),
        ("data-yanked", ""),
        ('data-yanked=""', ""),
        ('data-yanked="leaks &amp; more"', "leaks & more"),
        ('data-yanked="false"', "false"),  # the attribute counts, not what it says
        ('DATA-YANKED="x"', "x"),
    ],
)
def test_pep_592_in_html(said: str, meant: str | None) -> None:
    (file,) = html_files(f'<a href="tiny-1.0-py3-none-any.whl" {said}>x</a>')
    assert file.yanked == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, None),
        ({"yanked": False}, None),
        ({"yanked": None}, None),
        ({"yanked": ""}, None),  # PEP 691: what is true counts, and an empty text is not
        ({"yanked": True}, ""),
        ({"yanked": "leaks"}, "leaks"),
        ({"yanked": "false"}, "false"),
        ({"yanked": 1}, ""),
    ],
)
def test_pep_592_in_json(said: dict[str, object], meant: str | None) -> None:
    (file,) = json_files(
        [{"filename": "tiny-1.0-py3-none-any.whl", "url": "tiny-1.0-py3-none-any.whl", **said}]
    )
    assert file.yanked == meant


JSON_PAGE = json.dumps(
    {
        "meta": {"api-version": "1.0"},
        "files": [{"filename": "tiny-1.0-py3-none-any.whl", "url": "tiny-1.0-py3-none-any.whl"}],
    }
).encode()
HTML_PAGE = b'<!DOCTYPE html><a href="tiny-1.0-py3-none-any.whl">tiny</a>'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/vnd.pypi.simple.v1+json", JSON_PAGE),
        ("Application/Vnd.PyPI.Simple.V1+JSON; charset=UTF-8", JSON_PAGE),
        ("application/vnd.pypi.simple.latest+json", JSON_PAGE),
        ("application/json", JSON_PAGE),
        ("text/plain", JSON_PAGE),  # static files in a bucket
        ("", JSON_PAGE),
        ("application/vnd.pypi.simple.v1+html", HTML_PAGE),
        ("text/html", HTML_PAGE),
        ("text/html; charset=latin-1", HTML_PAGE),
        ("application/xhtml+xml", HTML_PAGE),
        ("", HTML_PAGE),
    ],
)
def test_an_answer_is_read_as_what_it_is(content_type: str, body: bytes) -> None:
    found = files_of(parse_page(body, content_type, URL, TINY), "i")
    assert [file.filename for file in found] == ["tiny-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("kind", ["json", "html"])
def test_another_major_version_in_the_content_type_is_refused_whatever_the_page_says(kind: str) -> None:
    body = JSON_PAGE if kind == "json" else HTML_PAGE
    with pytest.raises(Unreachable, match="version 2 of the simple API") as caught:
        parse_page(body, f"application/vnd.pypi.simple.v2+{kind}", URL, TINY)
    assert caught.value.where == URL


@pytest.mark.parametrize(
    ("version", "newer"),
    [
        *(
            ("", ""),
            ("1.0", ""),
            ("1.1", ""),
            ("1.4", ""),
            (" 1.4 ", ""),
            ("0.9", ""),
            ("one", ""),
            ("1.x", ""),
        ),
        *(("1.5", "1.5"), ("1.99", "1.99"), ("1.٥", ""), ("9" * 5000, "")),
    ],
)
def test_a_later_minor_version_is_noted_and_read(version: str, newer: str) -> None:
    told = json.dumps({"meta": {"api-version": version}, "files": json.loads(JSON_PAGE)["files"]}).encode()
    page = parse_page(told, "application/vnd.pypi.simple.v1+json", URL, TINY)
    assert (page.newer, len(files_of(page, "i"))) == (newer, 1)
    told = f'<meta name="pypi:repository-version" content="{version}">'.encode() + HTML_PAGE
    page = parse_page(told, "text/html", URL, TINY)
    assert (page.newer, len(files_of(page, "i"))) == (newer, 1)


@pytest.mark.parametrize(
    ("hashes", "sha256", "checksum"),
    [
        ({"sha256": DIGEST}, DIGEST, ""),
        ({"sha256": DIGEST.upper(), "md5": "00"}, DIGEST, ""),
        ({"sha512": "AB" * 64, "md5": "00" * 16}, None, "sha512=" + "ab" * 64),
        ({"md5": "00" * 16}, None, "md5=" + "00" * 16),
        ({"sha256": "short", "sha1": "00" * 20}, None, "sha1=" + "00" * 20),
        ({"shake_128": "00", "unheard-of": "00"}, None, ""),
        ({"sha512": "no hex"}, None, ""),
        ({}, None, ""),
    ],
)
def test_the_strongest_hash_that_can_be_verified_is_kept(
    hashes: dict[str, str], sha256: str | None, checksum: str
) -> None:
    entry = {"filename": "tiny-1.0-py3-none-any.whl", "url": "tiny-1.0-py3-none-any.whl", "hashes": hashes}
    (file,) = json_files([entry])
    assert (file.sha256, file.checksum) == (sha256, checksum)
    if len(hashes) == 1:
        ((algorithm, digest),) = hashes.items()
        (file,) = html_files(f'<a href="tiny-1.0-py3-none-any.whl#{algorithm}={digest}">x</a>')
        assert (file.sha256, file.checksum) == (sha256, checksum)
