from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conjoin.errors import ConjoinError, NotFound
from conjoin.prefix.activation import environment_variables, run

BASE = {"PATH": "/usr/bin:/bin", "HOME": "/home/somebody"}


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    for folder in ("conda-meta", "bin", "etc/conda/activate.d", "etc/conda/env_vars.d"):
        (tmp_path / "env" / folder).mkdir(parents=True)
    return tmp_path / "env"


def script(prefix: Path, name: str, text: str) -> None:
    (prefix / "etc/conda/activate.d" / name).write_text(text)


def test_programs_of_the_prefix_come_first(prefix: Path) -> None:
    variables = environment_variables(prefix, BASE)
    assert variables["PATH"] == f"{prefix}/bin:/usr/bin:/bin"
    assert variables["CONDA_PREFIX"] == str(prefix)
    assert variables["HOME"] == "/home/somebody"
    assert "VIRTUAL_ENV" not in variables


def test_an_active_environment_is_left_first(prefix: Path) -> None:
    active = {
        **BASE,
        "PATH": "/other/bin:/usr/bin",
        "CONDA_PREFIX": "/other",
        "VIRTUAL_ENV": "/other/venv",
        "PYTHONHOME": "/elsewhere",
    }
    variables = environment_variables(prefix, active)
    assert variables["PATH"] == f"{prefix}/bin:/usr/bin"
    assert "PYTHONHOME" not in variables
    assert "VIRTUAL_ENV" not in variables


def test_scripts_run_in_order_and_see_declared_variables(prefix: Path) -> None:
    (prefix / "etc/conda/env_vars.d/a.json").write_text(
        json.dumps({"DECLARED": "package", "BOTH": "package"})
    )
    state = {"env_vars": {"BOTH": "user", "GONE": "***unset***"}}
    (prefix / "conda-meta/state").write_text(json.dumps(state))
    script(prefix, "10-first.sh", 'export CHAIN="$CONDA_PREFIX and $BOTH"\necho "hello on stdout"\n')
    script(prefix, "20-second.sh", "export CHAIN=\"$CHAIN, 'quoted'\nand a second line\"\nunset HOME\n")
    variables = environment_variables(prefix, BASE)
    assert variables["CHAIN"] == f"{prefix} and user, 'quoted'\nand a second line"
    assert variables["DECLARED"] == "package"
    assert "HOME" not in variables
    assert "GONE" not in variables
    assert "SHLVL" not in variables


def test_a_script_that_fails_to_run_is_named(prefix: Path) -> None:
    script(prefix, "bad.sh", "echo 'no licence found' >&2\nexit 3\n")
    with pytest.raises(ConjoinError, match="no licence found"):
        environment_variables(prefix, BASE)


def test_what_is_no_environment_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        environment_variables(tmp_path / "none", BASE)


RUN = "import sys; from pathlib import Path; from conjoin.prefix.activation import run; "
RUN += "run(Path(sys.argv[1]), sys.argv[2:])"


def running(prefix: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, str(prefix), *command], capture_output=True, text=True, check=False
    )


def test_run_passes_arguments_output_and_exit_code_through(prefix: Path) -> None:
    program = prefix / "bin" / "program"
    program.write_text('#!/bin/sh\necho "$CONDA_PREFIX|$1|$2"\nexit 42\n')
    program.chmod(0o755)
    done = running(prefix, "program", "two words", "$HOME")
    assert done.returncode == 42
    assert done.stdout == f"{prefix}|two words|$HOME\n"


def test_run_passes_death_by_signal_through(prefix: Path) -> None:
    assert running(prefix, "sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux which signals are ignored")
def test_a_program_that_is_run_dies_of_a_closed_pipe(prefix: Path) -> None:
    # Python ignores SIGPIPE; a program that inherits this would write on into nothing.
    ignored = int(running(prefix, "grep", "SigIgn", "/proc/self/status").stdout.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))


def test_an_unknown_program_is_not_found(prefix: Path) -> None:
    with pytest.raises(NotFound, match="no program none-of-that-name"):
        run(prefix, ["none-of-that-name"], BASE)
