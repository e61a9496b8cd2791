"""Activation: the environment variables a program of a prefix expects, and running one with them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from conjoin.errors import ConjoinError, IntegrityError, NotFound, UsageError
from conjoin.untrusted import decode_json

__all__ = ["environment_variables", "run"]

# Of another Python or environment; they would reach into this one.
_CLEARED = ("PYTHONHOME", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__")
# What a shell sets for itself.
_SHELLS_OWN = frozenset({"_", "SHLVL", "PWD", "OLDPWD"})


def environment_variables(prefix: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables to run a program of ``prefix`` with.

    As ``conda activate`` sets them: ``CONDA_PREFIX``, ``PATH``, the variables of
    ``etc/conda/env_vars.d/*.json`` and ``conda-meta/state``, then what the scripts in
    ``etc/conda/activate.d`` export; for a virtual environment ``VIRTUAL_ENV`` as well. An environment that is
    active already is left first.

    :param base: variables to start from, default: this process's.
    :raises NotFound: where there is no such prefix.
    :raises ConjoinError: where an activation script fails.
    """
    if not (prefix / "conda-meta").is_dir() and not (prefix / "pyvenv.cfg").is_file():
        raise NotFound("there is no environment", where=str(prefix), advice="create it first")
    variables = dict(os.environ if base is None else base)
    left = [variables.get("CONDA_PREFIX"), variables.get("VIRTUAL_ENV")]
    for name in _CLEARED:
        variables.pop(name, None)
    path = _without(variables.get("PATH", os.defpath), [Path(each) for each in left if each])
    scripts = "Scripts" if os.name == "nt" else "bin"
    variables["PATH"] = os.pathsep.join([str(prefix / scripts), *path])
    if (prefix / "pyvenv.cfg").is_file():
        variables["VIRTUAL_ENV"] = str(prefix)
    else:
        variables |= {
            "CONDA_PREFIX": str(prefix),
            "CONDA_DEFAULT_ENV": str(prefix),
            "CONDA_SHLVL": "1",
        }
    variables |= _declared(prefix)
    activation = sorted((prefix / "etc" / "conda" / "activate.d").glob("*.sh"))
    return _sourced(activation, variables) if activation and os.name != "nt" else variables


def run(prefix: Path, argv: Sequence[str], base: Mapping[str, str] | None = None) -> int:
    """Run ``argv`` with ``prefix`` activated; on POSIX it replaces this process and never returns.

    So exit codes and signals are the program's own. Elsewhere its exit code is returned.

    :param base: variables to start from, default: this process's.
    :raises NotFound: where there is no such prefix, or no such program in it or on ``PATH``.
    """
    if not argv:
        raise UsageError("no command is given", advice="conjoin run ENV -- COMMAND ...")
    variables = environment_variables(prefix, base)
    program = shutil.which(argv[0], path=variables["PATH"])
    if program is None:
        raise NotFound(f"there is no program {argv[0]}", where=str(prefix))
    if os.name != "nt":
        _replace_process(program, argv, variables)
    return subprocess.run([program, *argv[1:]], env=variables, check=False).returncode


def _without(path: str, prefixes: list[Path]) -> list[str]:
    folders = {str(prefix / name) for prefix in prefixes for name in ("bin", "Scripts", "condabin")}
    return [entry for entry in path.split(os.pathsep) if entry and entry not in folders]


def _declared(prefix: Path) -> dict[str, str]:
    """Return the variables packages and users declared (conda: ``env_vars.d``, then ``state``)."""
    found: dict[str, str] = {}
    for path in sorted((prefix / "etc" / "conda" / "env_vars.d").glob("*.json")):
        found |= _strings(_read(path))
    state = _read(prefix / "conda-meta" / "state")
    # An unset variable is kept as this text.
    given = _strings(state.get("env_vars"))
    return found | {name: value for name, value in given.items() if value != "***unset***"}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = decode_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise IntegrityError(f"the variables cannot be read ({error})", where=str(path)) from None
    return document if isinstance(document, dict) else {}


def _strings(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _sourced(scripts: list[Path], variables: dict[str, str]) -> dict[str, str]:
    """Return ``variables`` as they are after sourcing ``scripts`` in one shell."""
    # conda-forge's scripts are written for bash; a container may have nothing but sh.
    shell = shutil.which("bash", path=variables["PATH"]) or "/bin/sh"
    # Scripts talk to people on stdout; the variables leave through a pipe of their own, NUL between them.
    reader, writer = os.pipe()
    program = f'for script in "$@"; do . "$script"; done 1>&2; env -0 >&{writer}'
    try:
        process = subprocess.Popen(
            [shell, "-c", program, shell, *map(str, scripts)],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(writer,),
        )
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as pipe, process:
        output = pipe.read()
        errors = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode != 0 or not output:
        last = errors.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise ConjoinError(
            f"an activation script failed: {last[0]}",
            where=str(scripts[0].parent),
            advice="report it to the package that brings the script",
        )
    pairs = (pair.decode(errors="surrogateescape").partition("=") for pair in output.split(b"\0") if pair)
    after = {name: value for name, _, value in pairs}
    kept = {name: variables[name] for name in _SHELLS_OWN if name in variables}
    return {name: value for name, value in after.items() if name not in _SHELLS_OWN} | kept


def _replace_process(program: str, argv: Sequence[str], variables: Mapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these, and what is ignored stays so in the new program: `... | head` would not end it.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program, list(argv), variables)  # noqa: S606 (there is no shell, on purpose)
    except OSError as error:
        raise UsageError(f"cannot be run ({error.strerror})", where=program) from None
