from __future__ import annotations

import platform
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.forge.elf import glibc_needed, is_elf, read_dynamic, set_runpath
from conjoin.forge.subdirs import host_subdir

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or not host_subdir().startswith("linux-"), reason="needs a C compiler on Linux"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A library in lib/, and two programs that need it: one with a (wrong) search path, one without any."""
    folder = tmp_path_factory.mktemp("elf")
    (folder / "lib").mkdir()
    (folder / "bin").mkdir()
    (folder / "answer.c").write_text("int answer(void) { return 42; }\n")
    (folder / "main.c").write_text(
        '#include <stdio.h>\nint answer(void);\nint main(void) { printf("%d\\n", answer()); return 0; }\n'
    )

    def cc(*arguments):
        subprocess.run(["cc", *arguments], check=True, cwd=folder)

    cc("-shared", "-fPIC", "-Wl,-soname,libanswer.so.1", "-o", "lib/libanswer.so.1", "answer.c")
    cc("-o", "bin/with", "main.c", "lib/libanswer.so.1", "-Wl,-rpath,/a/long/wrong/place")
    cc("-o", "bin/without", "main.c", "lib/libanswer.so.1")
    return folder


@pytest.mark.parametrize("program", ["with", "without"])
def test_a_program_finds_its_library_by_the_path_that_was_set(built, program):
    path = built / "bin" / program
    before = subprocess.run([path], capture_output=True, check=False)
    assert before.returncode != 0
    changed = set_runpath(path.read_bytes(), "$ORIGIN/../lib")
    assert changed is not None
    patched = built / "bin" / f"{program}-patched"
    patched.write_bytes(changed)
    patched.chmod(0o755)
    assert subprocess.run([patched], capture_output=True, check=True).stdout == b"42\n"


def test_what_was_set_is_read_back_and_nothing_of_the_old_path_stays(built):
    content = (built / "bin" / "with").read_bytes()
    dynamic = read_dynamic(content)
    assert dynamic.runpath == "/a/long/wrong/place"
    assert "libanswer.so.1" in dynamic.needed
    changed = set_runpath(content, "$ORIGIN")
    assert read_dynamic(changed).runpath == "$ORIGIN"
    assert b"/wrong/" not in changed
    assert len(changed) == len(content)


def test_a_longer_path_goes_elsewhere_in_the_file(built):
    content = (built / "bin" / "with").read_bytes()
    longer = "$ORIGIN/../lib:/another/rather/long/place"
    changed = set_runpath(content, longer)
    assert read_dynamic(changed).runpath == longer


def test_a_path_without_any_room_is_not_written_at_all(built):
    assert set_runpath((built / "bin" / "without").read_bytes(), "x" * 100_000) is None


def test_libraries_tell_their_name_and_programs_their_glibc(built):
    assert read_dynamic((built / "lib/libanswer.so.1").read_bytes()).soname == "libanswer.so.1"
    if platform.libc_ver()[0] == "glibc":
        assert glibc_needed((built / "bin/with").read_bytes()) >= (2, 2)


@given(st.binary(max_size=200))
def test_other_files_are_no_elf_files(content):
    if not content.startswith(b"\x7fELF"):
        assert not is_elf(content)
        assert read_dynamic(content) is None
