"""Where a build backend runs: a virtual environment of exactly the wheels that were decided on.

uv makes it. Its hooks (PEP 517, PEP 660) are called in a process each, in the project's folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conjoin.build.backend import BuildSystem
from conjoin.build.requires import BuildTool
from conjoin.build.uv import UvBuild
from conjoin.index.interpreters import HostPython
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.writing import replace

__all__ = ["BuildEnvironment"]

# Run by the Python of the environment. A hook that a backend does not have answers null; the project's folder
# is importable only where the project says so.
_HOOK = """
import importlib, json, os, sys
backend_path, name, hook, arguments, answer = json.loads(sys.argv[1])
if sys.path[0] in ("", os.getcwd()):
    del sys.path[0]
sys.path[:0] = [os.path.abspath(path) for path in backend_path]
module, _, rest = name.partition(":")
backend = importlib.import_module(module)
for part in filter(None, rest.split(".")):
    backend = getattr(backend, part)
found = hasattr(backend, hook)
given = getattr(backend, hook)(*arguments) if found else None
with open(answer, "w", encoding="utf-8") as file:
    json.dump([found, list(given) if isinstance(given, (list, tuple)) else given], file)
"""


class BuildEnvironment:
    """An environment to build one project in.

    :param system: how the project is built.
    :param project: its folder, which the backend may write to.
    :param tools: the wheels it holds, and where they lie.
    :param work: an empty folder for it.
    :raises MetadataUnusable: where it cannot be made.
    """

    def __init__(
        self,
        uv: UvBuild,
        system: BuildSystem,
        project: Path,
        interpreter: HostPython,
        tools: Mapping[BuildTool, Path],
        work: Path,
    ) -> None:
        self._uv = uv
        self._system = system
        self._project = project
        self._work = work
        self._calls = 0
        venv = work / "venv"
        uv.run(["venv", "--no-config", "--no-project", "--python", str(interpreter.path), str(venv)], work)
        self._python = venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        if tools:
            self._install(tools)

    def _install(self, tools: Mapping[BuildTool, Path]) -> None:
        # Folders as URLs: a requirements file knows no quoting for spaces.
        places = sorted({f"--find-links {path.parent.as_uri()}" for path in tools.values()})
        wanted = sorted(
            f"{each.name}=={each.file.version} --hash=sha256:{each.file.sha256}" for each in tools
        )
        lines = [*places, *wanted]
        listed = self._work / "requirements.txt"
        replace(listed, ("\n".join(lines) + "\n").encode(), durable=False)
        self._uv.run(
            [
                *("pip", "install", "--no-config", "--no-index", "--no-deps", "--no-build"),
                *("--require-hashes", "--python", str(self._python), "--requirements", str(listed)),
            ],
            self._work,
        )

    def requires(self, kind: str) -> Sequence[str]:
        """Return what the backend wants beyond what the project declares.

        :param kind: ``wheel`` or ``editable``.
        :raises MetadataUnusable: where it fails.
        """
        _, given = self._call(f"get_requires_for_build_{kind}", {})
        if not isinstance(given or [], list) or not all(isinstance(each, str) for each in given or []):
            raise MetadataUnusable("cannot be built: what its build backend requires is no list of texts")
        return given or []

    def metadata(self, out: Path) -> Path | None:
        """Have the backend say what the wheel's metadata will be, without building it.

        :param out: an empty folder.
        :returns: the ``METADATA`` file; None where the backend cannot tell.
        :raises MetadataUnusable: where it fails.
        """
        found, given = self._call("prepare_metadata_for_build_wheel", str(out), {})
        if not found:
            return None
        file = out / str(given) / "METADATA"
        if Path(str(given)).name != given or not file.is_file():
            raise MetadataUnusable("cannot be built: its build backend says where no metadata is")
        return file

    def wheel(self, kind: str, out: Path) -> None:
        """Have the backend build a wheel.

        :param kind: ``wheel`` or ``editable``.
        :param out: an empty folder.
        :raises MetadataUnusable: where it fails, with the last that it said.
        """
        found, _ = self._call(f"build_{kind}", str(out), {}, None)
        if not found and kind == "editable":
            raise MetadataUnusable("cannot be built: its build backend knows no editable installs (PEP 660)")
        if not found:
            raise MetadataUnusable("cannot be built: its build backend builds no wheels (PEP 517)")

    def _call(self, hook: str, *arguments: Any) -> tuple[bool, Any]:
        """Call a hook; return whether the backend has it, and what it gave."""
        self._calls += 1
        answer = self._work / f"answer-{self._calls}.json"
        asked = [list(self._system.backend_path), self._system.backend, hook, arguments, str(answer)]
        self._uv.run_program(
            [str(self._python), "-c", _HOOK, json.dumps(asked)],
            self._project,
            first_in_path=self._python.parent,
        )
        try:
            found, given = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise MetadataUnusable(f"cannot be built: its build backend ended within {hook}") from None
        return bool(found), given
