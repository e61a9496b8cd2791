"""Folders with the code of past steps: Metaflow in the version that a run had, from an index."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import metaflow
from conjoin.errors import NotFound
from loopback import LoopbackServer
from metaflow_extensions.conjoin.cmd.environment.code_folder import PastCode, make_folder
from worlds import make_index, make_wheel

pytestmark = pytest.mark.slow

IDS = f"{'a' * 40}:{'b' * 40}"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    made = tmp_path / "prefix"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").symlink_to(sys.executable)
    return made


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> Iterator[None]:
    """An index with one old version of Metaflow."""
    module = {"metaflow/__init__.py": "__version__ = '2.1.0'\n"}
    make_index(tmp_path / "simple", [make_wheel(tmp_path / "wheels", "metaflow", "2.1.0", files=module)])
    with LoopbackServer(tmp_path) as server:
        monkeypatch.setattr(metaflow.metaflow_config, "CONDA_DEFAULT_PYPI_SOURCE", f"{server.url}/simple/")
        yield


def made(folder: Path, prefix: Path, version: str, *, strict: bool = True) -> list[str]:
    warnings: list[str] = []
    make_folder(folder, prefix, IDS, PastCode(None, version), strict=strict, warn=warnings.append)
    return warnings


def version_in(folder: Path) -> str:
    program = f". '{folder}/metaflow_setup.sh' && python -c 'import metaflow; print(metaflow.__version__)'"
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        ["/bin/sh", "-c", program], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_version_that_the_run_had_is_installed(index: None, prefix: Path, tmp_path: Path) -> None:
    [warning] = made(tmp_path / "into", prefix, "2.1.0+conjoin(0.1.0)")
    assert "kept no code package" in warning
    assert version_in(tmp_path / "into") == "2.1.0"
    assert (tmp_path / "into/.mf_code/metaflow_extensions/conjoin").is_dir()


def test_one_that_cannot_be_installed_is_refused_or_replaced(
    index: None, prefix: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(NotFound, match=r"had Metaflow 2\.0\.9, which cannot be installed"):
        made(tmp_path / "into", prefix, "2.0.9")
    assert sorted(tmp_path.iterdir()) == before, "nothing half made stays"
    warnings = made(tmp_path / "into", prefix, "2.0.9", strict=False)
    assert "that one cannot be installed" in warnings[1]
    here = metaflow.metaflow_version.get_version().partition("+")[0]
    assert version_in(tmp_path / "into").partition("+")[0] == here


def test_the_setup_of_a_folder_with_any_name_can_be_read_by_a_shell(
    index: None, prefix: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "it's $HOME `x`"
    made(folder, prefix, "2.1.0")
    program = '. "$1/metaflow_setup.sh" && printf "%s|" "$PYTHONPATH" "$CONDA_PREFIX" "${PYTHONHOME-unset}"'
    done = subprocess.run(
        ["/bin/sh", "-c", program, "sh", str(folder)],
        env={"PATH": os.environ["PATH"], "PYTHONHOME": "/elsewhere", "PYTHONPATH": "mine"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{folder}/.mf_code:{folder}:mine|{prefix}|unset|"
