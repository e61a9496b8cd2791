"""Editable installs (PEP 660): a wheel that does not hold a project but points to its folder on this machine.

uv makes the environment to build in; the hook of the project's build backend is called there.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.config.toml import loads
from holdfast.errors import UsageError
from holdfast.index.core_metadata import MetadataUnusable
from holdfast.index.interpreters import HostPython
from holdfast.index.uv_build import UvBuild

__all__ = ["build_editable", "editable_sha256"]

_DECIDE = ("pyproject.toml", "setup.cfg", "setup.py")
"""The files whose change makes an editable install another one: dependencies, scripts, layout."""
_LEGACY = "setuptools.build_meta:__legacy__"
# Run by the Python of the build environment, in the project's folder, as PEP 517 says.
_HOOK = """
import importlib, json, os, sys
backend_path, name, out, answer = json.loads(sys.argv[1])
sys.path[:0] = [os.path.abspath(path) for path in backend_path]
module, _, rest = name.partition(":")
backend = importlib.import_module(module)
for part in filter(None, rest.split(".")):
    backend = getattr(backend, part)
if not hasattr(backend, "build_editable"):
    sys.exit("its build backend knows no editable installs (PEP 660)")
if out is None:
    ask = getattr(backend, "get_requires_for_build_editable", lambda settings=None: [])
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(list(ask({})), file)
else:
    backend.build_editable(out, {}, None)
"""


def editable_sha256(folder: Path) -> str:
    """Return the hash of what decides how a folder is installed: its path, and the files that configure it.

    :raises UsageError: where they cannot be read.
    """
    digest = hashlib.sha256(f"{folder}\n".encode())
    for name in _DECIDE:
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UsageError(f"cannot be read ({error.strerror})", where=str(folder / name)) from None
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def build_editable(uv: UvBuild, folder: Path, interpreter: HostPython, work: Path) -> Path:
    """Build the wheel that points to a project's folder, and return the folder of that wheel.

    :param work: an empty folder to work in.
    :raises MetadataUnusable: where it cannot be built, with the last that the build said.
    """
    table = _build_system(folder)
    requires = table.get("requires", ["setuptools>=40.8.0"])
    venv, out, answer = work / "venv", work / "wheel", work / "requires.json"
    out.mkdir()
    uv.run(["venv", "--no-config", "--no-project", "--python", str(interpreter.path), str(venv)], work)
    _install(uv, venv, requires, work)
    backend = [table.get("backend-path", []), table.get("build-backend", _LEGACY)]
    python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def call(out_or_none: str | None) -> None:
        arguments = json.dumps([*backend, out_or_none, str(answer)])
        uv.run_program([str(python), "-c", _HOOK, arguments], folder, first_in_path=python.parent)

    call(None)
    _install(uv, venv, json.loads(answer.read_text(encoding="utf-8")), work)
    call(str(out))
    return out


def _install(uv: UvBuild, venv: Path, requires: list[str], work: Path) -> None:
    if requires:
        uv.run(["pip", "install", "--python", str(venv), *uv.rules(), "--", *requires], work)


def _build_system(folder: Path) -> Mapping[str, Any]:
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        table = loads(text, where=str(folder / "pyproject.toml")).get("build-system", {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, UsageError) as error:
        raise MetadataUnusable(f"has a pyproject.toml that cannot be read ({error})") from None
    return table if isinstance(table, dict) else {}
