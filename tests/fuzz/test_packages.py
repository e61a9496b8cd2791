"""Packages that somebody made to do harm: wheels, conda packages, sources, and what their indexes say of them."""

# ruff: noqa: E501 - a file's text reads best in few lines

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from conjoin.bootstrap.unpack import unpack_code, unpack_once, unpack_tar, unpack_wheel
from conjoin.build.sources.sdist_metadata import has_member, read_member, static_metadata
from conjoin.errors import IntegrityError
from conjoin.forge.wheel_file import open_wheel
from conjoin.index.mapping import Mapping
from conjoin.index.pypi.core_metadata import MetadataUnusable, parse_core_metadata
from conjoin.index.pypi.file_names import FileNameReader
from conjoin.index.pypi.file_rows import parse_page, releases_of
from conjoin.index.pypi.wheel_archive import read_metadata
from conjoin.lock.model import LockedPackage
from conjoin.net.retries import retry_after
from conjoin.prefix.link import wheel_listing
from conjoin.prefix.link.extracted_package import read_extracted
from conjoin.spec.names import pypi_name
from fuzzing import examples
from hostile import SECONDS, archives, damaged, documents, refused_at_most, texts

WHEEL = {
    "x/__init__.py": "",
    "x-1.0.data/scripts/x": "#!python\n",
    "x-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: x\nVersion: 1.0\nRequires-Dist: y>=1; extra == 'a'\n\nText",
    "x-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "x-1.0.dist-info/entry_points.txt": "[console_scripts]\nx = x:main\n",
    "x-1.0.dist-info/RECORD": "x/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nx-1.0.dist-info/RECORD,,\n",
}  # fmt: skip
METADATA = WHEEL["x-1.0.dist-info/METADATA"]
X, ONE = pypi_name("x"), Version("1.0")
LOCKED = LockedPackage(kind="pypi", name="x", version="1.0", file="x-1.0-py3-none-any.whl", sha256="0" * 64)


def _read(path: Path) -> object:
    return wheel_listing._read(path, LOCKED)


few = settings(max_examples=examples(SECONDS), suppress_health_check=[HealthCheck.function_scoped_fixture])


def _unpacked(path: Path, unpack: Callable[[str, str], None]) -> None:
    import shutil

    target = path.parent / "out"
    shutil.rmtree(target, ignore_errors=True)
    unpack_once(str(target), lambda folder: unpack(str(path), folder))


OF_WHEELS: dict[str, Callable[[Path], object]] = {
    "listing": _read,
    "metadata": lambda path: read_metadata(io.BytesIO(path.read_bytes()), X, ONE),
    "bootstrap": lambda path: _unpacked(path, unpack_wheel),
    "code": lambda path: _unpacked(path, unpack_code),
    "sdist": lambda path: (read_member(path, "METADATA"), has_member(path, lambda name: name == "y")),
}


@pytest.mark.parametrize("reader", OF_WHEELS)
def test_wheels(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "x-1.0-py3-none-any.whl"

    @given(archives(WHEEL))
    @few
    def check(data: bytes) -> None:
        path.write_bytes(data)
        # What the file system refuses (a name of 300 letters) is told by whoever writes there.
        refused_at_most(lambda: OF_WHEELS[reader](path), MetadataUnusable, OSError)

    check()


@pytest.mark.parametrize(
    "record",
    ["x/é,sha256=é,0\n", '"x', "x,sha256=" + "a" * 131_073 + ",1\n", "x,sha256=!!!,1\n", "\ufeff,,\n" * 3],
    ids=ascii,
)
def test_records(record: str, tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "x-1.0-py3-none-any.whl"
    for encoding in ("utf-8", "utf-16", "latin-1"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**WHEEL, "x-1.0.dist-info/RECORD": record}.items():
                archive.writestr(name, content.encode(encoding, "replace") if "RECORD" in name else content)
        refused_at_most(lambda: _read(path))


def test_a_damaged_zip_is_refused_as_one(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "x-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in WHEEL.items():
            archive.writestr(name, content)
    good = path.read_bytes()
    for at in range(0, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        with suppress(IntegrityError):
            _read(path)


PATHS = {"paths": [{"_path": "lib/x", "path_type": "hardlink", "sha256": "ab" * 32, "size_in_bytes": 1}]}
LINK = {"noarch": {"type": "python", "entry_points": ["x = x:main"]}}


@given(documents(PATHS), documents(LINK), st.booleans())
@few
def test_extracted_conda_packages(tmp_path: Path, paths: bytes, link: bytes, old: bool) -> None:
    (tmp_path / "info").mkdir(exist_ok=True)
    (tmp_path / "info" / "paths.json").unlink(missing_ok=True)
    (tmp_path / "info" / ("files" if old else "paths.json")).write_bytes(paths)
    (tmp_path / "info" / "link.json").write_bytes(link)
    refused_at_most(lambda: read_extracted(tmp_path, "x.conda"))


@given(st.data())
@few
def test_sources(tmp_path: Path, data: st.DataObject) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("x-1.0/PKG-INFO", "x-1.0/pyproject.toml"):
            content = data.draw(texts([METADATA.replace("2.1", "2.2")])).encode("utf-8", "surrogatepass")
            info = tarfile.TarInfo(data.draw(texts([name]))[:200] if data.draw(st.booleans()) else name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    path = tmp_path / "x-1.0.tar.gz"
    path.write_bytes(data.draw(damaged(packed.getvalue()) | st.just(packed.getvalue())))
    refused_at_most(lambda: static_metadata(path, X, ONE))
    refused_at_most(lambda: _unpacked(path, unpack_tar), OSError)


@given(texts([METADATA, METADATA + "Requires-Python: >=3.9\nProvides-Extra: a\n"]))
@few
def test_core_metadata(text: str) -> None:
    content = text.encode("utf-8", "surrogatepass")
    refused_at_most(lambda: parse_core_metadata(content, X, ONE), MetadataUnusable)


@given(texts(["x-1.0-1abc-cp311.cp312-abi3-manylinux_2_17_x86_64.whl", "x-1.0.tar.gz"]))
@few
def test_file_names(text: str) -> None:
    refused_at_most(lambda: FileNameReader(X).read(text))


PAGE = {
    "meta": {"api-version": "1.1"},
    "files": [
        {
            "filename": "x-1.0-py3-none-any.whl",
            "url": "x-1.0-py3-none-any.whl",
            "hashes": {"sha256": "ab" * 32},
            "requires-python": ">=3.9",
            "size": 1,
            "upload-time": "2026-01-01T00:00:00Z",
            "yanked": False,
            "core-metadata": {"sha256": "ab" * 32},
        }
    ],
}
HTML = (
    '<!-- a --><meta name="pypi:repository-version" content="1.0"><base href="https://files.example/">'
    '<a href="x-1.0-py3-none-any.whl#sha256=ab" data-requires-python="&gt;=3.9" data-yanked="">x</a>'
)


@given(documents(PAGE), texts([HTML]))
@few
def test_pages_of_an_index(document: bytes, html: str) -> None:
    url = "https://host.example/simple/x/"
    for body, kind in (
        (document, "application/vnd.pypi.simple.v1+json"),
        (html.encode("utf-8", "surrogatepass"), "text/html"),
    ):
        refused_at_most(lambda body=body, kind=kind: releases_of(parse_page(body, kind, url, X), url))


@given(documents({"numpy": "numpy", "torch": ["torch", "x"], "zlib": None}))
@few
def test_mappings(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mapping.json"
    path.write_bytes(data)
    refused_at_most(lambda: Mapping.load(path))


@given(texts(["120", "Thu, 01 Jan 1970 00:01:40 GMT"]))
@few
def test_headers(text: str) -> None:
    refused_at_most(lambda: retry_after({"retry-after": text}, now=0.0))


@given(archives(WHEEL))
@few
def test_wheels_that_are_forged_into_conda_packages(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x-1.0-py3-none-any.whl"
    path.write_bytes(data)

    refused_at_most(lambda: open_wheel(path).requires_dist)
