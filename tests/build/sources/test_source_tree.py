"""Which files of a folder are a project's source, and what hash they have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conjoin.build.sources.source_tree import copy_tree, tree_sha256
from conjoin.errors import UsageError
from fuzzing import examples


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write(tmp_path / "tree", {"pyproject.toml": "", "src/app/__init__.py": "1", "README": "x"})


@pytest.mark.parametrize(
    "left",
    [
        ".git/HEAD",
        "src/app/__pycache__/a.cpython-311.pyc",
        "src/app/old.pyc",
        "src/app.egg-info/PKG-INFO",
        "build/lib/app.py",
        "dist/app-1.0.tar.gz",
        ".tox/py/x",
        ".mypy_cache/x",
    ],
)
def test_what_tools_leave_behind_does_not_count(tree: Path, left: str) -> None:
    before = tree_sha256(tree)
    assert tree_sha256(write(tree, {left: "left"})) == before


@pytest.mark.parametrize("new", ["src/app/new.py", "build/__init__.py", "src/build/x.py", ".env", "data.bin"])
def test_what_belongs_to_the_project_counts(tree: Path, new: str) -> None:
    before = tree_sha256(tree)
    assert tree_sha256(write(tree, {new: "new"})) != before


def test_a_virtual_environment_does_not_count(tree: Path) -> None:
    before = tree_sha256(tree)
    write(tree, {"any name/pyvenv.cfg": "home = /usr", "any name/lib/x.py": ""})
    assert tree_sha256(tree) == before


def test_a_rename_a_mode_and_a_link_count(tree: Path) -> None:
    seen = {tree_sha256(tree)}
    (tree / "README").rename(tree / "READ")
    seen.add(tree_sha256(tree))
    (tree / "READ").chmod(0o755)
    seen.add(tree_sha256(tree))
    (tree / "README").symlink_to("READ")
    seen.add(tree_sha256(tree))
    assert len(seen) == 4


def test_links_that_lead_out_count_as_what_they_lead_to(tree: Path, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"shared.py": "1"})
    (tree / "shared.py").symlink_to(outside / "shared.py")
    before = tree_sha256(tree)
    (outside / "shared.py").write_text("2")
    assert tree_sha256(tree) != before
    copy_tree(tree, tmp_path / "copy")
    assert not (tmp_path / "copy" / "shared.py").is_symlink()
    (tree / "folder").symlink_to(outside)
    with pytest.raises(UsageError, match="a link to a folder outside"):
        tree_sha256(tree)


def test_a_file_that_cannot_be_read_is_named(tree: Path) -> None:
    (tree / "gone").symlink_to("/nowhere/at/all")
    with pytest.raises(UsageError, match=r"gone|nowhere"):
        tree_sha256(tree)


_NAMES = st.sampled_from(["a.py", "b/c.py", "b/d.txt", "build/x", "src/e", ".git/config", "dist/f", "é/ü"])


@settings(max_examples=examples(25))
@given(files=st.dictionaries(_NAMES, st.text(max_size=9), max_size=6))
def test_a_copy_is_what_was_hashed(files: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    work = tmp_path_factory.mktemp("tree")
    (work / "tree").mkdir()
    write(work / "tree", files)
    digest = copy_tree(work / "tree", work / "copy")
    assert digest == tree_sha256(work / "tree") == tree_sha256(work / "copy")
    shutil.rmtree(work)
