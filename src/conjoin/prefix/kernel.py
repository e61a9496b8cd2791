"""Jupyter kernels: a prefix that notebooks can be run in.

A kernel is a folder with ``kernel.json`` where Jupyter looks for the user's own kernels
(https://jupyter-client.readthedocs.io/en/stable/kernels.html); Jupyter itself is not needed to add one.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from conjoin.errors import NotFound, Unreachable, UsageError
from conjoin.writing import replace

__all__ = ["install_kernel", "kernels_folder"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

PACKAGE = "ipykernel"
"""What an environment needs to be a kernel; its name is the same on both sides."""


def kernels_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return where Jupyter looks for the user's kernels.

    :param environ: environment variables, those of this process if None.
    """
    environ = os.environ if environ is None else environ
    return _jupyter_data(environ) / "kernels"


def install_kernel(
    prefix: Path,
    name: str,
    title: str,
    variables: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
) -> Path:
    """Make a prefix a kernel of the user's Jupyter, in the place of one of that name, and return its folder.

    :param name: letters, digits and ``._-``; Jupyter ignores the case.
    :param title: what people choose it by.
    :param variables: more of the kernel's environment variables; ``${NAME}`` stands for one of Jupyter's.
    :param folder: where kernels are; default: :func:`kernels_folder`.
    :raises UsageError: where ``name`` is none.
    :raises NotFound: where the prefix has no Python.
    :raises Unreachable: where the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a kernel's name", advice="expected letters, digits, points, dashes, underscores"
        )
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = prefix / ("python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        raise NotFound("there is no Python", where=str(prefix), advice="add python to the environment")
    document = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": title,
        "language": "python",
        "metadata": {"debugger": True},
        "env": {
            "CONDA_PREFIX": str(prefix),
            "PATH": f"{prefix / scripts}{os.pathsep}${{PATH}}",
            **(variables or {}),
        },
    }
    target = (folder or kernels_folder()) / name.lower()
    try:
        target.mkdir(parents=True, exist_ok=True)
        replace(target / "kernel.json", (json.dumps(document, indent=1) + "\n").encode())
    except OSError as error:
        raise Unreachable(
            f"the kernel cannot be written ({error.strerror or error})",
            where=str(target),
            advice="check its permissions, or set JUPYTER_DATA_DIR",
        ) from error
    return target


def _jupyter_data(environ: Mapping[str, str]) -> Path:
    """Return the user's folder of Jupyter's (``jupyter --data-dir``)."""
    if own := environ.get("JUPYTER_DATA_DIR"):
        return Path(own)
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Jupyter"
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "jupyter"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "jupyter"
