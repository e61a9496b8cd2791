"""What tests of the PyPI side ask for; the index itself is a fixture of tests/index."""

from __future__ import annotations

from conjoin.index.pypi.project import Project, Wheel
from conjoin.spec.names import PypiName

__all__ = ["TINY", "wheel_of"]

TINY = PypiName("tiny")


def wheel_of(project: Project, version: str = "1.0") -> Wheel:
    """Return a project's wheel of a version."""
    (found,) = [file for file in project.files if isinstance(file, Wheel) and str(file.version) == version]
    return found
