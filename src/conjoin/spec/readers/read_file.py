"""Reading a file of any kind that says what is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from conjoin.errors import UsageError
from conjoin.spec.asked import Asked

__all__ = ["FileKind", "read_requirements"]

FileKind: TypeAlias = Literal["environment", "requirements", "pyproject", "script"]

_KINDS: dict[str, FileKind] = {
    ".yml": "environment",
    ".yaml": "environment",
    ".txt": "requirements",
    ".in": "requirements",
    ".toml": "pyproject",
    ".py": "script",
}


def read_requirements(
    path: str | Path,
    kind: FileKind | None = None,
    *,
    extras: Iterable[str] = (),
    groups: Iterable[str] = (),
) -> Asked:
    """Return what the file at ``path`` asks for.

    :param kind: ``environment`` (conda's environment.yml), ``requirements`` (pip's), ``pyproject`` or
        ``script`` (PEP 723); by the file's name if None.
    :param extras: of a pyproject, the optional dependencies to ask for too.
    :param groups: of a pyproject, the dependency groups (PEP 735) to ask for too.
    :raises UsageError: where the file cannot be read, with line and what was expected.
    """
    path = Path(path)
    kind = kind or _KINDS.get(path.suffix.lower())
    extras, groups = tuple(extras), tuple(groups)
    if (extras or groups) and kind != "pyproject":
        raise UsageError("only a pyproject.toml has extras and groups", where=str(path))
    if kind == "environment":
        from conjoin.spec.readers.environment_yml import read_environment_yml

        return read_environment_yml(path)
    if kind == "requirements":
        from conjoin.spec.readers.requirements_txt import read_requirements_txt

        return read_requirements_txt(path)
    if kind == "pyproject":
        from conjoin.spec.readers.pyproject import read_pyproject

        return read_pyproject(path, extras=extras, groups=groups)
    if kind == "script":
        from conjoin.spec.readers.script import read_script

        return read_script(path)
    raise UsageError(
        "this kind of file is unknown by its name",
        where=str(path),
        advice="expected environment.yml, requirements.txt, pyproject.toml or a .py script",
    )
