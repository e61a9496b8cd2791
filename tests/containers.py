"""Bare containers for tests: a Python with nothing beside it, and what a code package brings there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from conjoin.bootstrap.archive import engine_files
from conjoin.toolkit.wheels import PROJECTS
from networks import Network

__all__ = ["Container", "bare_python", "copy_code", "old_python", "toolkit_wheels"]

_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass
class Container:
    """A node: its folder, its Python, the code that was brought there, and the variables it has.

    It is in a network of its own, if it is given one: what is let in there can be reached, and nothing else.
    Without one, whatever would go beyond loopback is led to a proxy that is not there.
    """

    folder: Path
    python: Path
    code: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    network: Network | None = None

    @property
    def cache(self) -> Path:
        return self.folder / ".cache" / "conjoin"

    def environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.code),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1",
            **self.variables,
        }

    def start(self, *words: object, **options: Any) -> subprocess.Popen[str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(self.python), "-m", "conjoin.bootstrap", *map(str, words)]
        return subprocess.Popen(
            self.network.inside(command) if self.network else command,
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run ``python -m conjoin.bootstrap`` there."""
        process = self.start(*words, **options)
        out, err = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def bare_python(folder: Path) -> Path:
    """Return the running Python, with the standard library alone."""
    python = folder / "bin" / "python"
    if not python.exists():
        base = getattr(sys, "_base_executable", None) or sys.executable
        subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)
    return python


def old_python(version: str) -> Path | None:
    """Return an interpreter of this machine that is older than any toolkit's wheels."""
    places = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), shutil.which(f"python{version}")]
    for place in places:
        if place is None:
            continue
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([str(place), "-c", code], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return Path(place)
    return None


def copy_code(folder: Path) -> Path:
    """Write what a code package brings of Conjoin, and nothing else."""
    for path, name in engine_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return folder


def toolkit_wheels(folder: Path) -> None:
    """Write the toolkit's wheels as they are installed here, binaries included."""
    for project in PROJECTS:
        _repack(project, folder)


def _repack(project: str, folder: Path) -> None:
    found = distribution(project)
    [info] = {str(file).partition("/")[0] for file in found.files or () if ".dist-info/" in str(file)}
    name = info.removesuffix(".dist-info")
    lines = (found.read_text("WHEEL") or "").splitlines()
    tags = [line.partition(":")[2].strip().split("-") for line in lines if line.startswith("Tag:")]
    tag = "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))
    with zipfile.ZipFile(folder / f"{name}-{tag}.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in found.files or ():
            member, path = str(file), Path(str(found.locate_file(file)))
            if "__pycache__" in member or not path.is_file():
                continue
            if member.startswith("../"):
                member = f"{name}.data/scripts/{path.name}"
            archive.writestr(zipfile.ZipInfo(member, _DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
