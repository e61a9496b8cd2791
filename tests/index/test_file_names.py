from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from conjoin.index.pypi.file_names import FileNameReader, is_safe
from conjoin.spec.names import PypiName

NAME = PypiName("my-project")
names = st.sampled_from(["my_project", "My.Project", "my__project", "other", "my"])
versions = st.sampled_from(["1.0", "1!2.0", "1.0.post1", "1.0_1", "1.0+cu118", "1.0.dev0", "x", "", "1.0rc1"])
builds = st.sampled_from(["", "-1", "-2local", "-x", "-"])
tags = st.sampled_from(
    ["py3-none-any", "cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64", "py2.py3-none-any"]
)


@given(names, versions, builds, tags)
def test_wheel_names_are_read_as_packaging_reads_them(name: str, version: str, build: str, tag: str) -> None:
    filename = f"{name}-{version}{build}-{tag}.whl"
    ours = FileNameReader(NAME).read(filename)
    try:
        their_name, their_version, their_build, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        assert ours is None
        return
    if their_name != NAME:
        assert ours is None
        return
    assert ours is not None
    assert (ours.version, ours.build, ours.tags) == (their_version, their_build, tag)


@given(names, versions, st.sampled_from([".tar.gz", ".zip"]))
def test_sdist_names_are_read_as_packaging_reads_them(name: str, version: str, suffix: str) -> None:
    filename = f"{name}-{version}{suffix}"
    ours = FileNameReader(NAME).read(filename)
    try:
        their_name, their_version = parse_sdist_filename(filename)
    except InvalidSdistFilename:
        assert ours is None
        return
    assert (ours is not None and ours.version == their_version) == (their_name == NAME)


@pytest.mark.parametrize(
    ("filename", "version"),
    [("my-project-1.0.tar.gz", "1.0"), ("my-project-1.0-2.tar.gz", "1.0.post2"), ("My_Project-3.tgz", "3")],
)
def test_old_sdist_names_with_dashes_are_split_where_the_project_ends(filename: str, version: str) -> None:
    found = FileNameReader(NAME).read(filename)
    assert found is not None
    assert found.version == Version(version)


@pytest.mark.parametrize(
    "filename",
    [
        "../my_project-1.0-py3-none-any.whl",
        "my_project-1.0-py3-none-any/../x.whl",
        "..\\my_project-1.0-py3-none-any.whl",
        "my_project-1.0..-py3-none-any.whl",
        "my_project-1.0-py3-none-any\x1b[31m.whl",
        "my_project-1.0-py3-none-any\n.whl",
        "my_project-1.0-py3-none-any\x00.whl",
        "-my_project-1.0-py3-none-any.whl",
        ".my_project-1.0.tar.gz",
        "my_project-1.0-py3-none-\u202eany.whl",
        "my_project-1.0-py3-none-" + "a" * 300 + ".whl",
        "",
    ],
)
def test_names_that_play_tricks_are_refused(filename: str) -> None:
    assert not is_safe(filename)
    assert FileNameReader(NAME).read(filename) is None


@pytest.mark.parametrize("filename", ["my_project-1.0.egg", "my_project-1.0.exe", "my_project-1.0.whl.asc"])
def test_other_formats_are_no_distribution(filename: str) -> None:
    assert FileNameReader(NAME).read(filename) is None


def test_files_of_one_version_share_one_value() -> None:
    reader = FileNameReader(NAME)
    one = reader.read("my_project-1.0-py3-none-any.whl")
    other = reader.read("my_project-1.0.tar.gz")
    assert one is not None
    assert other is not None
    assert one.version is other.version
