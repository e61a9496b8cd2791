from __future__ import annotations

import json
import shutil

import pytest

from conjoin.errors import NotFound, UsageError
from conjoin.forge.folder import SAMPLE, folder_fingerprint, folder_package
from conjoin.forge.package import PLACEHOLDER
from conjoin.forge.subdirs import host_subdir

MANIFEST = '[package]\nname = "tool"\nversion = "1.2"\n'

needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="there is no C compiler"
)


def folder(tmp_path, manifest=MANIFEST, files=()):
    made = tmp_path / "folder"
    for path, text in {"forge.toml": manifest, **dict(files)}.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text)
    return made


def test_a_plain_tree_is_packed_as_it_stands(tmp_path):
    source = folder(
        tmp_path, MANIFEST + 'noarch = "generic"\ndepends = ["zlib"]\n', {"share/tool/a.txt": "a"}
    )
    (source / "share/tool/b.txt").symlink_to("a.txt")
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "x.pyc").write_bytes(b"")
    made = folder_package(source)
    assert (made.name, made.version, made.subdir, made.depends) == ("tool", "1.2", "noarch", ["zlib"])
    assert set(made.files) == {"share/tool/a.txt", "share/tool/b.txt"}
    assert made.files["share/tool/b.txt"].link == "a.txt"


def test_without_noarch_a_folder_is_for_this_machine(tmp_path):
    assert folder_package(folder(tmp_path)).subdir == host_subdir()


def test_a_prefix_named_in_the_manifest_is_replaced_in_the_files(tmp_path):
    source = folder(
        tmp_path, MANIFEST + 'prefix = "/opt/tool"\n', {"etc/tool.conf": "root=/opt/tool/share\n"}
    )
    made = folder_package(source)
    (entry,) = json.loads(made.info()["info/paths.json"])["paths"]
    assert (entry["prefix_placeholder"], entry["file_mode"]) == ("/opt/tool", "text")


def test_what_commands_install_below_destdir_and_prefix_is_packed(tmp_path):
    commands = '[build]\ncommands = ["D=$DESTDIR$PREFIX/bin; mkdir -p $D; echo home=$PREFIX > $D/tool"]\n'
    made = folder_package(folder(tmp_path, MANIFEST + commands))
    assert made.files["bin/tool"].read().decode() == f"home={PLACEHOLDER}\n"
    assert made.files["bin/tool"].file_mode == "text"
    assert not (tmp_path / "folder" / "bin").exists()


def test_a_failing_command_is_told_with_its_last_lines(tmp_path):
    source = folder(tmp_path, MANIFEST + '[build]\ncommands = ["echo no such header >&2; exit 3"]\n')
    with pytest.raises(UsageError, match="code 3: no such header"):
        folder_package(source)


def test_commands_that_install_nothing_are_told_where_to_install(tmp_path):
    with pytest.raises(UsageError, match="installed nothing"):
        folder_package(folder(tmp_path, MANIFEST + '[build]\ncommands = ["true"]\n'))


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("[package]\nname = 'x'\n", "version is missing"),
        (MANIFEST + "colour = 1\n", "colour is unknown"),
        (MANIFEST + "depends = 'zlib'\n", "depends is not a list of strings"),
        (MANIFEST + "depends = [1]\n", "depends is not a list of strings"),
        (MANIFEST + "build_number = 'x'\n", "build_number is not a whole number"),
        (MANIFEST + "noarch = 'perl'\n", "noarch is neither"),
        (MANIFEST + "[other]\n", r"\[other\] is unknown"),
        ("package = 1\n", "is no table"),
        ("[package\n", "forge.toml:1"),
        ("[package]\nname = 'x y'\nversion = '1'\n", "not a conda package name"),
    ],
)
def test_wrong_manifests_are_refused_with_what_was_expected(tmp_path, manifest, said):
    with pytest.raises(UsageError, match=said):
        folder_package(folder(tmp_path, manifest))


def test_a_folder_without_a_manifest_is_told_what_is_missing(tmp_path):
    with pytest.raises(UsageError, match=r"forge\.toml"):
        folder_package(tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_links_that_lead_out_of_the_folder_are_refused(tmp_path, target):
    source = folder(tmp_path)
    (source / "link").symlink_to(target)
    with pytest.raises(UsageError, match="leads out"):
        folder_package(source)


@needs_compiler
def test_the_sample_has_text_and_binary_placeholders_and_is_reproducible():
    one, two = folder_package(SAMPLE), folder_package(SAMPLE)
    modes = {path: file.file_mode for path, file in one.files.items() if file.file_mode}
    assert modes == {
        "bin/forgedemo": "binary",
        "bin/forgedemo-config": "text",
        "lib/libforgedemo.so.1.2.3": "binary",
        "lib/pkgconfig/forgedemo.pc": "text",
    }
    assert one.files["lib/libforgedemo.so"].link == "libforgedemo.so.1"
    assert (one.build, one.info()) == (two.build, two.info())


def test_without_a_compiler_the_sample_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(NotFound, match="no C compiler"):
        folder_package(SAMPLE)
    monkeypatch.setenv("CC", "no-such-cc")
    with pytest.raises(NotFound, match="no-such-cc"):
        folder_package(SAMPLE)


def test_the_fingerprint_changes_with_content_names_and_modes_and_nothing_else(tmp_path):
    source = folder(tmp_path, files={"bin/a": "a"})
    seen = [folder_fingerprint(source), folder_fingerprint(shutil.copytree(source, tmp_path / "copy"))]
    assert len(set(seen)) == 1
    (source / "bin/a").chmod(0o755)
    seen.append(folder_fingerprint(source))
    (source / "bin/a").write_text("b")
    seen.append(folder_fingerprint(source))
    (source / "bin/a").rename(source / "bin/b")
    seen.append(folder_fingerprint(source))
    assert len(set(seen)) == 4
