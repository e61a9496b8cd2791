from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.errors import UsageError
from conjoin.forge.archive import write_archive
from conjoin.forge.package import PLACEHOLDER, Package, PackageFile, check_path
from conjoin.spec.names import CondaName


def package(**fields):
    return Package(
        **{"name": CondaName("x"), "version": "1.0", "build": "h0_0", "subdir": "linux-64", **fields}
    )


def test_the_placeholder_is_as_long_as_a_prefix_can_be():
    assert len(PLACEHOLDER) == 255


def test_placeholders_are_found_in_text_and_binary_files():
    made = package()
    made.add("bin/script", PackageFile(f"#!{PLACEHOLDER}/bin/sh\n".encode(), executable=True))
    made.add("bin/program", PackageFile(b"\x7fELF\0" + PLACEHOLDER.encode() + b"/share\0"))
    made.add("share/plain", PackageFile(b"text"))
    made.add("lib/link", PackageFile(link="../share/plain"))
    made.detect_placeholders()
    members = made.info()
    paths = {entry["_path"]: entry for entry in json.loads(members["info/paths.json"])["paths"]}
    assert paths["bin/script"]["file_mode"] == "text"
    assert paths["bin/program"]["file_mode"] == "binary"
    assert paths["bin/program"]["prefix_placeholder"] == PLACEHOLDER
    assert "file_mode" not in paths["share/plain"]
    assert paths["lib/link"]["path_type"] == "softlink"
    assert members["info/has_prefix"].decode().splitlines() == [
        f'"{PLACEHOLDER}" binary "bin/program"',
        f'"{PLACEHOLDER}" text "bin/script"',
    ]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "./a",
        "a\\b",
        "C:/x",
        "a\0b",
        "a\nb",
        "a/",
        "a/./b",
        "..",
    ],
)
def test_unsafe_paths_are_refused(path):
    with pytest.raises(UsageError, match="refused"):
        check_path(path)


@pytest.mark.parametrize("path", ["info/index.json", "conda-meta/history"])
def test_the_installers_own_files_are_refused(path):
    with pytest.raises(UsageError, match="installer"):
        package().add(path, PackageFile())


def test_two_files_of_one_name_are_refused():
    made = package()
    made.add("a", PackageFile())
    with pytest.raises(UsageError, match="two files"):
        made.add("a", PackageFile())


@pytest.mark.parametrize("fields", [{"version": "1-0"}, {"version": ""}, {"build": "a b"}, {"build": "../x"}])
def test_versions_and_builds_that_would_break_file_names_are_refused(fields):
    with pytest.raises(UsageError, match="of a conda package"):
        package(**fields)


contents = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,3}", fullmatch=True).filter(lambda p: not p.startswith("info")),
    st.tuples(st.binary(max_size=300), st.booleans()),
    max_size=6,
).filter(lambda files: not any(one != two and two.startswith(f"{one}/") for one in files for two in files))


@given(contents, st.sampled_from(["conda", "tar.bz2"]))
def test_what_is_packed_is_what_py_rattler_unpacks_and_packing_again_gives_the_same_bytes(
    tmp_path_factory, files, fmt
):
    from rattler.package_streaming import extract

    folder = tmp_path_factory.mktemp("archive")
    made = package(depends=["python >=3.8"], purls=["pkg:pypi/x@1.0"])
    for path, (content, executable) in files.items():
        made.add(path, PackageFile(content, executable=executable))
    made.add("a-link", PackageFile(link="target"))
    archive = write_archive(made, folder / "one", fmt=fmt, level=1)
    assert write_archive(made, folder / "two", fmt=fmt, level=1).read_bytes() == archive.read_bytes()
    extract(archive, folder / "out")
    for path, (content, executable) in files.items():
        assert (folder / "out" / path).read_bytes() == content
        assert bool((folder / "out" / path).stat().st_mode & 0o111) is executable
    assert str((folder / "out" / "a-link").readlink()) == "target"
    index = json.loads((folder / "out/info/index.json").read_text())
    assert (index["name"], index["depends"], index["purls"]) == ("x", ["python >=3.8"], ["pkg:pypi/x@1.0"])
    assert [path.name for path in (folder / "one").iterdir()] == [archive.name]
