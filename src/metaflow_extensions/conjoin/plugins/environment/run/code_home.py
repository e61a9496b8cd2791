"""Metaflow and its extensions in a folder of their own, made of links: what tasks import them from.

The launcher's site-packages would bring everything else of the launcher into the environment.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping

from metaflow_extensions.conjoin.metaflow_internals import listed_content

__all__ = ["CodeHome", "linked_folders"]

_PACKAGES = re.compile(r"\.mf_code/(metaflow|metaflow_extensions/[^/]+)(?=/)")


class CodeHome:
    """The folders of one run: one for tasks with the launcher's Python, one for tasks with any other.

    :param package: the run's code package (:class:`metaflow.package.MetaflowPackage`).
    """

    def __init__(self, package: Any) -> None:
        self._package = package
        self._folders: dict[bool, str] = {}

    def variables(self, python: str = "") -> dict[str, str]:
        """Return what makes Metaflow importable in a task, ``PYTHONPATH`` above all.

        Waits, the first time, until Metaflow has listed what belongs into the code package.

        :param python: the task's Python, e.g. ``3.11``; empty where it is not known yet.
        """
        same = python == f"{sys.version_info[0]}.{sys.version_info[1]}"
        folder = self._folders.get(same)
        if folder is None:
            folder = self._folders[same] = tempfile.mkdtemp(prefix="metaflow-home-")
            self._fill(Path(folder), same_python=same)
        found = self._package.get_post_extract_env_vars(self._package.package_metadata, folder)
        # A colon marks variables that are set as they are.
        return {name.rstrip(":"): value for name, value in found.items()}

    def remove(self) -> None:
        """Take the folders away."""
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        self._folders.clear()

    def _fill(self, folder: Path, *, same_python: bool) -> None:
        members = {member: origin for origin, member in listed_content(self._package)}
        # Hundreds of links cost a second on a busy disk, and another to take away. With the launcher's Python
        # the compiled modules beside the sources are right as well, so links to whole folders will do.
        whole = linked_folders(members) if same_python else {}
        for above, source in whole.items():
            (folder / above).parent.mkdir(parents=True, exist_ok=True)
            (folder / above).symlink_to(source, target_is_directory=True)
        sources: dict[Path, Path] = {}
        for member, origin in members.items():
            if any(member.startswith(above + "/") for above in whole):
                continue
            target = folder / member
            if target.parent not in sources:
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(origin, str):
                    sources[target.parent] = Path(origin).parent
            if isinstance(origin, bytes):
                from conjoin.writing import replace

                replace(target, origin, durable=False)
            else:
                target.symlink_to(origin)
        # Without these, every task of every run would compile all of Metaflow again.
        for target, place in sources.items():
            bytecode = _bytecode(place, same_python=same_python)
            if bytecode is not None:
                (target / "__pycache__").symlink_to(bytecode)


def linked_folders(members: Mapping[str, str | bytes]) -> dict[str, str]:
    """Return which folders of a code package can be links, and to where: those of Metaflow and extensions.

    :param members: names to paths or content. A folder can be a link where all its members lie in one folder
        of that name, each at its own place; what else lies there does no harm.
    """
    found: dict[str, str] = {}
    refused = set()
    for member, origin in members.items():
        folder = _PACKAGES.match(member)
        if folder is None:
            continue
        above, rest = folder[0], member[folder.end() + 1 :]
        source = origin[: -len(rest) - 1] if isinstance(origin, str) and origin.endswith("/" + rest) else ""
        if Path(source).name != Path(above).name or found.setdefault(above, source) != source:
            refused.add(above)
    return {above: source for above, source in found.items() if above not in refused}


def _bytecode(source: Path, *, same_python: bool) -> Path | None:
    """Return where the compiled modules of a folder are: beside them for Python as it was installed for.

    Other Pythons get a folder in our cache: theirs must not stay behind when Metaflow is uninstalled.
    """
    if same_python:
        own = source / "__pycache__"
        return own if own.is_dir() else None
    from conjoin.config.places import cache_dir

    name = hashlib.sha256(str(source).encode()).hexdigest()[:16]
    folder = cache_dir() / "metaflow-bytecode" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder
