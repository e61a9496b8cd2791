"""Sources that have to be compiled, told without building them: by what they hold and what builds them.

Neither proves it. Where the wheels of a project bear it out, a build would take minutes for a wheel that
serves this platform alone (see :mod:`conjoin.solve.candidates.foreign_builds`).
"""

from __future__ import annotations

from pathlib import PurePosixPath

from packaging.requirements import Requirement

from conjoin.build.backend import build_system
from conjoin.build.sdist_metadata import has_member
from conjoin.build.sources import Source
from conjoin.spec.names import pypi_name

__all__ = ["what_compiles"]

_COMPILED = frozenset(
    (".c", ".cc", ".cpp", ".cu", ".cxx", ".f", ".f90", ".f95", ".go", ".mm", ".pyx", ".rs", ".zig")
)
_TOOLS = frozenset(
    (
        *("cmake", "maturin", "meson-python", "nanobind", "pybind11"),
        *("scikit-build", "scikit-build-core", "setuptools-rust"),
    )
)
"""Build requirements that hardly anybody has without something to compile. Cython and cffi are none of them:
what they make is often optional."""


def what_compiles(source: Source) -> str | None:
    """Return the build requirement that compiles what an archive holds.

    :returns: empty where it holds code to compile (be it for its tests alone), and nothing says by what; None
        where it holds none, or cannot be read.
    :raises MetadataUnusable: where its pyproject.toml cannot be read.
    """
    if not has_member(source.path, _is_compiled):
        return None
    names = (pypi_name(Requirement(text).name) for text in build_system(source).requires)
    return next((name for name in names if name in _TOOLS), "")


def _is_compiled(member: str) -> bool:
    return PurePosixPath(member).suffix.lower() in _COMPILED
