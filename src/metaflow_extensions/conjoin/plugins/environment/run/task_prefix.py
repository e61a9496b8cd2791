"""What a prefix on disk says of itself, and the variables a task in it runs with. Standard library alone.

Read by the launcher, by the program that becomes a task, and by the task, whatever its Python.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "NO_ENVIRONMENT",
    "TOOLKIT_VARIABLE",
    "PrefixId",
    "is_complete",
    "needs_activation",
    "prefix_id",
    "python_of",
    "task_variables",
]

ENVIRONMENT_VARIABLE = "_METAFLOW_CONDA_ENV"
"""Tells a task which environment it is to run in: ``req_id:full_id``, or :data:`NO_ENVIRONMENT`."""

TOOLKIT_VARIABLE = "_METAFLOW_CONDA_TOOLKIT"
"""Tells a process that sends a task elsewhere which toolkits it may trust: sha256, with commas between."""

NO_ENVIRONMENT = "none"
"""The variable's value for a step without an environment. Not empty: that is what nobody has set."""

_MARKER = Path("conda-meta", "conjoin")

# Of the launcher's Python or environment; an empty value is as good as none to whoever reads them.
_EMPTIED = ("PYTHONHOME", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "__PYVENV_LAUNCHER__")


class PrefixId(NamedTuple):
    """Which environment a prefix holds."""

    req_id: str
    full_id: str
    platform: str

    def __str__(self) -> str:
        return f"{self.req_id}:{self.full_id}"


def prefix_id(prefix: str) -> PrefixId | None:
    """Return which environment a prefix holds, None where it is not there, not complete or not ours."""
    try:
        marker = json.loads(Path(prefix, _MARKER).read_text(encoding="utf-8"))
        if marker["complete"] is not True:
            return None
        return PrefixId(marker["req_id"], marker["full_id"], marker["platform"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def is_complete(prefix: str, ids: str) -> bool:
    """Return whether a prefix holds the environment ``req_id:full_id``."""
    found = prefix_id(prefix)
    return found is not None and str(found) == ids


def python_of(prefix: str) -> str:
    """Return a prefix's interpreter."""
    return str(Path(prefix, "bin", "python"))


def needs_activation(prefix: str) -> bool:
    """Return whether packages of a prefix bring variables or scripts that its programs expect."""
    folders = (Path(prefix, "etc", "conda", name) for name in ("activate.d", "env_vars.d"))
    return any(folder.is_dir() and any(folder.iterdir()) for folder in folders)


def task_variables(prefix: str, ids: str, home: dict[str, str]) -> dict[str, str]:
    """Return the variables that a task in a prefix gets beside those of the launcher.

    :param ids: ``req_id:full_id``.
    :param home: what makes Metaflow itself importable, ``PYTHONPATH`` above all.
    """
    own = str(Path(prefix, "bin"))
    path = os.environ.get("PATH", os.defpath)
    return {
        **dict.fromkeys(_EMPTIED, ""),
        **home,
        ENVIRONMENT_VARIABLE: ids,
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": prefix,
        "PATH": os.pathsep.join([own, *(one for one in path.split(os.pathsep) if one and one != own)]),
        # Packages of the user's home are no part of any environment.
        "PYTHONNOUSERSITE": "1",
    }
