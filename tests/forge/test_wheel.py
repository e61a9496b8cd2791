from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import zipfile

import pytest

from conjoin.errors import IntegrityError, NotFound, UsageError
from conjoin.forge.package import PLACEHOLDER
from conjoin.forge.wheel import TargetPython, wheel_packages
from conjoin.forge.wheel_file import open_wheel
from worlds import make_wheel, rewrite_zip


def packages(path, pythons=("3.11",), **options):
    return wheel_packages(open_wheel(path), list(pythons), subdir="linux-64", **options)


def test_a_pure_wheel_becomes_one_noarch_package(tmp_path):
    wheel = make_wheel(
        tmp_path, "My.Lib", "1.0", ["six>=1.5"], requires_python=">=3.9", entry_points={"my": "my_lib:main"}
    )
    (made,) = packages(wheel)
    assert (made.name, made.version, made.noarch, made.subdir) == ("my-lib", "1.0", "python", "noarch")
    assert made.depends == ["python >=3.9", "six >=1.5"]
    assert made.purls == ["pkg:pypi/my-lib@1.0"]
    assert made.entry_points == ["my = my_lib:main"]
    assert b'"entry_points"' in made.info()["info/link.json"]
    assert made.files["site-packages/my_lib-1.0.dist-info/INSTALLER"].read() == b"conda\n"


def test_a_wheel_whose_dependencies_differ_by_python_becomes_one_package_per_group(tmp_path):
    wheel = make_wheel(tmp_path, "x", "1.0", ["tomli; python_version < '3.11'"], requires_python=">=3.9")
    old, new = packages(wheel, ["3.10", "3.12"])
    assert old.depends == ["python >=3.9,<3.11.0a0", "tomli"]
    assert new.depends == ["python >=3.9,>=3.11"]
    assert old.build != new.build
    assert [made.depends for made in packages(wheel, ["3.12"])] == [new.depends]


def test_a_wheel_with_compiled_code_becomes_a_package_for_one_python(tmp_path):
    wheel = make_wheel(
        tmp_path,
        "native",
        "2.0",
        ["numpy>=1.22"],
        tags="cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        entry_points={"native": "native:main"},
        scripts={"run-native": "#!python\nprint()\n", "tool.sh": "#!/bin/sh\n"},
    )
    (made,) = packages(wheel, ["3.10", "3.11", "3.12"])
    assert made.depends == [
        "python >=3.11,<3.12.0a0",
        "python_abi 3.11.* *_cp311",
        "__glibc >=2.17,<3.0.a0",
        "numpy >=1.22",
    ]
    assert made.build.startswith("py311h")
    assert made.files["bin/native"].read().startswith(f"#!{PLACEHOLDER}/bin/python3.11\n".encode())
    assert made.files["bin/run-native"].read().startswith(f"#!{PLACEHOLDER}/bin/python3.11\n".encode())
    assert made.files["bin/tool.sh"].read() == b"#!/bin/sh\n"
    assert made.files["bin/native"].file_mode == "text"


@pytest.mark.parametrize(
    ("python", "interpreter", "abi", "accepted"),
    [
        ("3.11", "cp311", "cp311", True),
        ("3.11", "cp310", "cp310", False),
        ("3.11", "cp38", "abi3", True),
        ("3.11", "cp312", "abi3", False),
        ("3.11", "py3", "none", True),
        ("3.11", "py39", "none", True),
        ("3.11", "py312", "none", False),
        ("3.11", "cp311", "none", True),
        ("3.11", "cp310", "none", False),
        ("3.11", "pp310", "pypy310_pp73", False),
        ("3.13t", "cp313", "cp313t", True),
        ("3.13t", "cp313", "cp313", False),
        ("3.13t", "cp38", "abi3", False),
        ("3.13", "cp313", "cp313t", False),
        ("3.13t", "py3", "none", True),
    ],
)
def test_tags_decide_which_python_can_load_a_wheel(python, interpreter, abi, accepted):
    assert TargetPython(python).accepts(interpreter, abi) is accepted


def test_a_free_threaded_python_gets_packages_of_its_own_abi_and_folder(tmp_path):
    wheel = make_wheel(tmp_path, "native", "2.0", tags="cp313-cp313t-manylinux_2_28_x86_64")
    (made,) = packages(wheel, ["3.13", "3.13t"])
    assert "python_abi 3.13.* *_cp313t" in made.depends
    assert "lib/python3.13t/site-packages/native/__init__.py" in made.files


def test_without_pythons_a_wheel_names_its_own(tmp_path):
    wheel = make_wheel(tmp_path, "native", "2.0", tags="cp312-cp312-linux_x86_64")
    assert [made.build[:5] for made in packages(wheel, [])] == ["py312"]


@pytest.mark.parametrize(
    "tags", ["cp311-cp311-win_amd64", "cp311-cp311-musllinux_1_2_x86_64", "cp311-cp311-macosx_11_0_arm64"]
)
def test_wheels_of_other_platforms_are_refused(tmp_path, tags):
    with pytest.raises(UsageError, match="does not run on linux-64"):
        packages(make_wheel(tmp_path, "native", "2.0", tags=tags))


def test_wheels_that_fit_no_python_asked_for_are_refused(tmp_path):
    wheel = make_wheel(tmp_path, "native", "2.0", tags="cp312-cp312-linux_x86_64")
    with pytest.raises(UsageError, match=r"not for Python 3\.11"):
        packages(wheel, ["3.11"])
    old = make_wheel(tmp_path, "old", "2.0", requires_python="<3.10")
    with pytest.raises(UsageError, match=r"Requires-Python: <3\.10"):
        packages(old, ["3.11"])


def test_record_lists_every_file_where_it_will_be_with_its_hash(tmp_path):
    wheel = make_wheel(
        tmp_path,
        "x",
        "1.0",
        entry_points={"x": "x:main"},
        scripts={"s": "#!python\n"},
        data={"share/d": "data"},
    )
    (made,) = packages(wheel)
    record = made.files["site-packages/x-1.0.dist-info/RECORD"].read().decode()
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(record))}
    assert set(rows) == {
        "../../../bin/s",
        "../../../bin/x",
        "../../../share/d",
        "x-1.0.dist-info/INSTALLER",
        "x-1.0.dist-info/METADATA",
        "x-1.0.dist-info/RECORD",
        "x-1.0.dist-info/WHEEL",
        "x-1.0.dist-info/entry_points.txt",
        "x/__init__.py",
    }
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"data").digest()).rstrip(b"=").decode()
    assert rows["../../../share/d"] == [f"sha256={digest}", "4"]
    # The prefix is written into this one when it is linked, so no hash can be true.
    assert rows["../../../bin/s"] == ["", ""]


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "x/../../evil", "x\\evil", "C:/evil", "x//evil", "x/\x01evil"]
)
def test_unsafe_member_names_are_refused(tmp_path, name):
    wheel = rewrite_zip(make_wheel(tmp_path, "x", "1.0"), {name: b"evil"})
    with pytest.raises(UsageError, match="refused"):
        open_wheel(wheel)


@pytest.mark.parametrize("target", ["../../evil", "conda-meta/history", "info/index.json"])
def test_unsafe_places_of_data_files_are_refused(tmp_path, target):
    with pytest.raises(UsageError, match=r"leaves its folder|installer"):
        packages(make_wheel(tmp_path, "x", "1.0", data={target: "evil"}))


def test_links_in_wheels_are_refused(tmp_path):
    wheel = make_wheel(tmp_path, "x", "1.0")
    with zipfile.ZipFile(wheel, "a") as archive:
        entry = zipfile.ZipInfo("x/link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(UsageError, match="is a link"):
        open_wheel(wheel)


@pytest.mark.parametrize("target", ["x", "x:", "x:main()", "os:system;x", "x y:main"])
def test_entry_points_that_are_none_are_refused(tmp_path, target):
    with pytest.raises(UsageError, match="entry point"):
        open_wheel(make_wheel(tmp_path, "x", "1.0", entry_points={"x": target}))


def test_entry_points_cannot_be_written_elsewhere(tmp_path):
    with pytest.raises(UsageError, match=r"refused|entry point"):
        open_wheel(make_wheel(tmp_path, "x", "1.0", entry_points={"../../x": "x:main"}))


def test_members_that_are_not_what_record_says_are_refused(tmp_path):
    changed = rewrite_zip(make_wheel(tmp_path / "a", "x", "1.0"), {"x/__init__.py": b"evil"})
    with pytest.raises(IntegrityError, match="not what RECORD says"):
        open_wheel(changed)
    added = rewrite_zip(make_wheel(tmp_path / "b", "x", "1.0"), {"x/evil.py": b"evil"})
    with pytest.raises(IntegrityError, match="no hash"):
        open_wheel(added)


def test_what_is_no_wheel_is_refused_with_its_name(tmp_path):
    fake = tmp_path / "x-1.0-py3-none-any.whl"
    with pytest.raises(NotFound, match="no such wheel"):
        open_wheel(fake)
    fake.write_bytes(b"no zip")
    with pytest.raises(UsageError, match=r"x-1\.0-py3-none-any\.whl: not a valid wheel"):
        open_wheel(fake)
    other = make_wheel(tmp_path, "other", "1.0").rename(tmp_path / "y-1.0-py3-none-any.whl")
    with pytest.raises(UsageError, match="dist-info"):
        open_wheel(other)
    with pytest.raises(UsageError, match="Invalid wheel filename"):
        open_wheel(other.rename(tmp_path / "nonsense.whl"))
