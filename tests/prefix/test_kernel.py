from __future__ import annotations

import json
import sys

import pytest

from conjoin.errors import NotFound, Unreachable, UsageError
from conjoin.prefix.kernel import install_kernel, kernels_folder


@pytest.fixture
def prefix(tmp_path):
    made = tmp_path / "prefix"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").symlink_to(sys.executable)
    return made


def test_a_kernel_runs_the_prefix_s_python_with_its_programs_first(prefix, tmp_path):
    folder = install_kernel(prefix, "Team_torch", "Team torch", {"EXTRA": "1"}, folder=tmp_path / "kernels")
    assert folder == tmp_path / "kernels" / "team_torch"
    document = json.loads((folder / "kernel.json").read_text())
    assert document["argv"] == [
        f"{prefix}/bin/python",
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
    ]
    assert (document["display_name"], document["language"]) == ("Team torch", "python")
    assert document["env"] == {
        "CONDA_PREFIX": str(prefix),
        "PATH": f"{prefix}/bin:${{PATH}}",
        "EXTRA": "1",
    }


def test_a_kernel_of_that_name_is_replaced_and_its_other_files_stay(prefix, tmp_path):
    first = install_kernel(prefix, "k", "one", folder=tmp_path)
    (first / "logo-64x64.png").write_bytes(b"png")
    again = install_kernel(prefix, "k", "two", folder=tmp_path)
    assert json.loads((again / "kernel.json").read_text())["display_name"] == "two"
    assert sorted(path.name for path in again.iterdir()) == ["kernel.json", "logo-64x64.png"]


@pytest.mark.parametrize("name", ["", "a/b", "../up", "a b", ".hidden", "a:b"])
def test_names_that_jupyter_does_not_take(prefix, tmp_path, name):
    with pytest.raises(UsageError, match="not a kernel's name"):
        install_kernel(prefix, name, "x", folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["prefix"]


def test_a_prefix_without_python_is_no_kernel(tmp_path):
    with pytest.raises(NotFound, match="no Python"):
        install_kernel(tmp_path, "k", "x", folder=tmp_path / "kernels")
    assert not (tmp_path / "kernels").exists()


def test_a_folder_that_cannot_be_written(prefix, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreachable, match="the kernel cannot be written"):
        install_kernel(prefix, "k", "x", folder=tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's folders")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/u"}, "/home/u/.local/share/jupyter/kernels"),
        ({"HOME": "/home/u", "XDG_DATA_HOME": "/data"}, "/data/jupyter/kernels"),
        ({"HOME": "/home/u", "XDG_DATA_HOME": "/data", "JUPYTER_DATA_DIR": "/j"}, "/j/kernels"),
    ],
)
def test_where_jupyter_looks_for_the_user_s_kernels(environ, expected):
    assert str(kernels_folder(environ)) == expected
