"""``create --into-dir``: the code that a step of a past run had, beside its environment, to look into or run.

``__conda_python`` is the environment's Python; ``. metaflow_setup.sh`` makes a shell see what the step saw.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable, NamedTuple

from metaflow_extensions.conjoin.metaflow_internals import extract_code, installed_metaflow

__all__ = ["PYTHON", "SETUP", "PastCode", "check_folder", "make_folder", "past_code"]

PYTHON = "__conda_python"
SETUP = "metaflow_setup.sh"

_CODE = ".mf_code"  # where Metaflow puts its own code in every package


class PastCode(NamedTuple):
    """The code of a step that ran.

    :ivar package: its code package (:class:`metaflow.client.core.MetaflowCode`), None where none was kept.
    :ivar version: the version of Metaflow it ran with, empty where it is not known.
    """

    package: Any
    version: str


def past_code(pathspec: str) -> PastCode:
    """Return the code of a step.

    :param pathspec: ``Flow/run/step`` or ``Flow/run/step/task``.
    :raises metaflow.exception.MetaflowException: where there is no such step.
    """
    from metaflow import Run, Step, Task, namespace

    namespace(None)  # whoever ran it
    parts = pathspec.split("/")
    task = Task(pathspec) if len(parts) == 4 else Step(pathspec).task
    # A task that is still running, or died early, says less than the run's parameters.
    parameters = Step("/".join([*parts[:2], "_parameters"])).task
    version = str((parameters or task).metadata_dict.get("metaflow_version") or "")
    # All steps of a run have the same code; a step that began before it was uploaded does not say where.
    return PastCode(task.code or Run("/".join(parts[:2])).code, version)


def check_folder(folder: Path, *, force: bool) -> None:
    """Refuse a folder that holds something, before any work.

    :param force: replace one that this command made.
    :raises conjoin.errors.UsageError: where it holds something (else).
    """
    from conjoin.errors import UsageError

    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError("this is no folder", where=str(folder), advice="choose another --into-dir")
    if not any(folder.iterdir()):
        return
    ours = (folder / SETUP).is_file() and (folder / PYTHON).is_symlink()
    if not ours:
        raise UsageError(
            "the folder holds something else", where=str(folder), advice="choose another --into-dir"
        )
    if not force:
        raise UsageError(
            "the folder holds code of a step already", where=str(folder), advice="replace it with --force"
        )


def make_folder(
    folder: Path,
    prefix: Path,
    environment: str,
    code: PastCode | None,
    *,
    strict: bool,
    warn: Callable[[str], None],
) -> None:
    """Make the folder, whole or not at all.

    :param environment: ``req_id:full_id`` of what ``prefix`` holds.
    :param code: of the step; None for the Metaflow that is installed here alone.
    :param strict: refuse to take another version of Metaflow where the step's cannot be installed.
    :param warn: told what is not as it was.
    :raises conjoin.errors.ConjoinError: where that cannot be done.
    """
    from conjoin.errors import Unreachable
    from conjoin.writing import replace

    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            if code is not None and code.package is not None:
                extract_code(code.package, made)
            else:
                _take_metaflow(
                    made,
                    code.version if code else "",
                    prefix / "bin" / "python",
                    strict=strict,
                    warn=warn,
                )
            (made / PYTHON).symlink_to(prefix / "bin" / "python")
            replace(made / SETUP, _setup(folder, prefix, environment).encode(), durable=False)
            made.chmod(0o755)
            _into_place(made, folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise Unreachable(
            f"the folder cannot be written ({error.strerror or error})",
            where=str(error.filename or folder),
            advice="check its permissions and space",
        ) from error


def _take_metaflow(
    folder: Path, version: str, python: Path, *, strict: bool, warn: Callable[[str], None]
) -> None:
    """Put Metaflow into the folder, in the version of the run, and the extensions that are installed here."""
    from metaflow.metaflow_version import get_version

    from conjoin.errors import NotFound
    from conjoin.writing import copy_to, replace

    # What is behind the plus sign are the versions of extensions.
    then, here = (one.partition("+")[0] for one in (version, str(get_version())))
    if version:
        warn("the run kept no code package: Metaflow is there, the flow's own code is not")
    installed = False
    if then and then != here:
        problem = _install(then, folder / _CODE, python)
        if problem and strict:
            raise NotFound(
                f"the run had Metaflow {then}, which cannot be installed ({problem})",
                advice=f"take the one that is here, {here}, by --no-strict",
            )
        if problem:
            warn(f"the run had Metaflow {then}, and this is {here}: that one cannot be installed ({problem})")
        installed = not problem
    for origin, member in installed_metaflow():
        if installed and member.startswith(f"{_CODE}/metaflow/"):
            continue
        target = folder / member
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(origin, bytes):
            replace(target, origin, durable=False)
        else:
            with Path(origin).open("rb") as file:
                copy_to(target, file)


def _install(version: str, folder: Path, python: Path) -> str:
    """Install Metaflow, without what it needs, into a folder; return why not, empty if it worked."""
    from uv import find_uv_bin

    from conjoin.spec.build import build_requirements
    from conjoin.spec.credentials import without_credentials
    from metaflow_extensions.conjoin.config.settings import engine_settings

    settings = engine_settings()
    if settings.flag("offline"):
        return "offline"
    *extra, default = build_requirements(settings=settings).indexes
    done = subprocess.run(
        [
            *(find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--python", str(python)),
            *("--target", str(folder), "--default-index", default),
            *(word for url in extra for word in ("--index", url)),
            f"metaflow=={version}",
        ],
        env={
            name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [line.strip(" ×╰─▶│├") for line in done.stderr.splitlines()]
    said = " ".join(without_credentials(line) for line in lines if line)
    return (said or "uv failed") if done.returncode else ""


def _setup(folder: Path, prefix: Path, environment: str) -> str:
    """Return what a shell reads to see what a step saw."""
    from metaflow_extensions.conjoin.plugins.environment.run.task_prefix import task_variables

    variables = task_variables(str(prefix), environment, {})
    variables["METAFLOW_EXTRACTED_ROOT"] = str(folder)
    # Both are searched first; the shell's own come after.
    first = {"PATH": str(prefix / "bin"), "PYTHONPATH": f"{folder}/{_CODE}:{folder}"}
    lines = ["# Made by `metaflow environment create --into-dir`; to be read: . ./" + SETUP]
    for name, value in variables.items():
        if name not in first:
            lines.append(f"export {name}={shlex.quote(value)}" if value else f"unset {name}")
    lines += [f'export {name}={shlex.quote(value)}"${{{name}:+:${name}}}"' for name, value in first.items()]
    return "\n".join(lines) + "\n"


def _into_place(made: Path, folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        made.replace(folder)
        return
    # Only what this command made comes here (check_folder).
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    folder.replace(old / "old")
    try:
        made.replace(folder)
    except OSError:
        (old / "old").replace(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
