"""What a source says of being compiled, without being built."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from conjoin.build.backend import what_compiles
from conjoin.build.sources.fetch import Source
from conjoin.index.pypi.core_metadata import MetadataUnusable
from worlds import write_sdist


def _source(path: Path) -> Source:
    return Source(path, "0" * 64, "sha256:0")


def _project(*requires: str) -> str:
    return f"[build-system]\nrequires = {list(requires)!r}\n"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"app.py": ""}, None),
        ({"app.py": "", "pyproject.toml": _project("maturin")}, None),
        ({"docs/c.md": "", "notes.cc.txt": ""}, None),
        ({"src/Core.CPP": ""}, ""),
        ({"src/core.f90": "", "pyproject.toml": _project("setuptools", "cython")}, ""),
        ({"_core.pyx": "", "pyproject.toml": _project("numpy", "Meson_Python>=0.15")}, "meson-python"),
        (
            {"src/lib.rs": "", "pyproject.toml": _project("setuptools", "setuptools_rust[x]")},
            "setuptools-rust",
        ),
    ],
)
def test_code_and_what_compiles_it(tmp_path: Path, members: dict[str, str], expected: str | None) -> None:
    assert what_compiles(_source(write_sdist(tmp_path, "app-1.0", members))) == expected
    with zipfile.ZipFile(tmp_path / "app-1.0.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(f"app-1.0/{name}", content)
    assert what_compiles(_source(tmp_path / "app-1.0.zip")) == expected


def test_what_cannot_be_read_is_left_to_the_build(tmp_path: Path) -> None:
    whole = write_sdist(tmp_path, "app-1.0", {"src/core.c": "int x;" * 1000}).read_bytes()
    for content in (b"", b"no archive", whole[:40]):
        for suffix in (".tar.gz", ".zip"):
            path = tmp_path / f"damaged{suffix}"
            path.write_bytes(content)
            assert what_compiles(_source(path)) is None


def test_a_build_system_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = write_sdist(tmp_path, "app-1.0", {"core.c": "", "pyproject.toml": "[build-system"})
    with pytest.raises(MetadataUnusable, match=r"pyproject\.toml"):
        what_compiles(_source(path))
