from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from conjoin.errors import NotFound, UsageError
from conjoin.forge.interpreter import find_interpreters, inspect_interpreter
from conjoin.forge.package import PLACEHOLDER, PackageFile
from conjoin.forge.python_package import debian_layout, python_abi_package, python_package, relocate_text

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_without_a_wish_the_running_interpreter_is_found():
    (found,) = find_interpreters()
    assert found.version.startswith(OWN)
    assert found.prefix == Path(sys.base_prefix)
    assert found.executable.is_file()
    assert not found.executable.is_symlink()


def test_an_interpreter_of_a_virtual_environment_is_the_one_that_made_it(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    found = inspect_interpreter(tmp_path / "venv" / "bin" / "python")
    assert found.prefix == Path(sys.base_prefix)
    assert not str(found.executable).startswith(str(tmp_path))


def test_versions_are_found_once_each_however_they_are_written():
    full = ".".join(map(str, sys.version_info[:3]))
    assert len(find_interpreters([OWN, full, f"{OWN}"])) == 1


@pytest.mark.parametrize("wanted", ["2.6", "3.99", "3.11.999"])
def test_an_interpreter_that_is_not_there_is_told_with_those_that_are(wanted):
    with pytest.raises(NotFound, match=OWN.replace(".", r"\.")):
        find_interpreters([wanted])


@pytest.mark.parametrize("wanted", ["three", "3", "", "3.11; rm"])
def test_what_is_no_version_is_refused(wanted):
    with pytest.raises(UsageError, match="neither a Python version"):
        find_interpreters([wanted])


def test_a_path_where_no_interpreter_answers_is_told(tmp_path):
    with pytest.raises(NotFound, match="no Python interpreter answers"):
        find_interpreters([str(tmp_path / "python3")])
    with pytest.raises(NotFound, match="no Python interpreter answers"):
        find_interpreters(["/bin/true"])


def test_pyenvs_interpreters_are_found_the_newest_first(tmp_path, monkeypatch):
    for name in ("3.7.9", "3.98.1", "3.98.10", "3.98.2", "junk"):
        program = tmp_path / "versions" / name / "bin" / f"python{'.'.join(name.split('.')[:2])}"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho {name} >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    with pytest.raises(NotFound, match=r"3\.98\.10/bin/python3\.98"):
        find_interpreters(["3.98"])
    with pytest.raises(NotFound, match=r"3\.98\.10, 3\.98\.2, 3\.98\.1;"):
        find_interpreters(["3.97"])


def test_abis_and_builds_are_named_as_on_conda_forge():
    (own,) = find_interpreters()
    old = replace(own, version="3.11.7", free_threaded=False)
    new = replace(own, version="3.13.1", free_threaded=False)
    threads = replace(own, version="3.13.1", free_threaded=True)
    assert [i.abi for i in (old, new, threads)] == ["cp311", "cp313", "cp313t"]
    assert [i.wanted_as for i in (old, new, threads)] == ["3.11", "3.13", "3.13t"]
    abis = [python_abi_package(i) for i in (old, new, threads)]
    assert [a.stem for a in abis] == [
        "python_abi-3.11-8_cp311",
        "python_abi-3.13-8_cp313",
        "python_abi-3.13-8_cp313t",
    ]
    assert [a.constrains for a in abis] == [
        ["python 3.11.* *_cpython"],
        ["python 3.13.* *_cp313"],
        ["python 3.13.* *_cp313t"],
    ]


def test_an_interpreter_of_another_system_is_refused_clearly():
    (own,) = find_interpreters()
    with pytest.raises(UsageError, match="osx-arm64 cannot be packed yet"):
        python_package(replace(own, subdir="osx-arm64"))


def test_records_of_a_short_prefix_are_rewritten_without_touching_other_paths():
    (own,) = find_interpreters()
    system = replace(own, prefix=Path("/usr"), recorded_prefix="/usr")
    data = b"'prefix': '/usr', 'LIBDIR': '/usr/lib/x', 'CP': '/usr/bin/cp', 'x': '/opt/usr/lib /usrs'"
    changed = relocate_text("lib/python3.11/_sysconfigdata__x.py", data, system).decode()
    assert changed == (
        f"'prefix': '{PLACEHOLDER}', 'LIBDIR': '{PLACEHOLDER}/lib/x', "
        "'CP': '/usr/bin/cp', 'x': '/opt/usr/lib /usrs'"
    )
    assert relocate_text("lib/python3.11/os.py", data, system) == data


def test_shebangs_name_the_prefixs_python():
    (own,) = find_interpreters()
    script = relocate_text("bin/pydoc3", b"#!/usr/bin/python3.11\nimport pydoc\n", own)
    assert script.decode() == f"#!{PLACEHOLDER}/bin/python{own.wanted_as}\nimport pydoc\n"


def test_debians_sysconfig_is_turned_back_or_refused():
    site = "lib/python3.11/site-packages"
    known = {
        "lib/python3.11/site.py": PackageFile(b"dist-packages"),
        "lib/python3.11/sysconfig.py": PackageFile(b"dist-packages; prefix_scheme = 'posix_local'"),
    }
    debian_layout(known, site, where="here")
    assert known["lib/python3.11/sysconfig.py"].read() == b"dist-packages; prefix_scheme = 'posix_prefix'"
    assert b"addsitedir" in known["lib/python3/dist-packages/site-packages.pth"].read()
    strange = {"lib/python3.11/sysconfig.py": PackageFile(b"dist-packages; prefix_scheme = other()")}
    with pytest.raises(UsageError, match="layout of its own"):
        debian_layout(strange, site, where="here")
