"""What a project says about how it is built (PEP 517, PEP 518), and whether that compiles something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from conjoin.build.sources.fetch import Source
from conjoin.build.sources.sdist_metadata import has_member
from conjoin.errors import UsageError
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.spec.names import pypi_name

if TYPE_CHECKING:
    from conjoin.build.sources.fetch import Source

__all__ = ["BuildSystem", "build_system", "requirements_in_one_spelling", "what_compiles"]

_LEGACY = ("setuptools>=40.8.0",)
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
"""What builds a project that does not say (PEP 517)."""


@dataclass(frozen=True, slots=True)
class BuildSystem:
    """The ``[build-system]`` table of a pyproject.toml.

    :ivar requires: PEP 508 requirements, in one spelling.
    :ivar backend: ``module:object`` with the hooks.
    :ivar backend_path: folders of the project that hold the backend itself.
    """

    requires: tuple[str, ...] = _LEGACY
    backend: str = _LEGACY_BACKEND
    backend_path: tuple[str, ...] = ()


def build_system(source: Source) -> BuildSystem:
    """Return how a source is built.

    :raises MetadataUnusable: where its pyproject.toml cannot be read, or it is no project at all.
    """
    from conjoin.config.toml import loads

    content = source.read("pyproject.toml")
    if content is None:
        if source.path.is_dir() and source.read("setup.py") is None and source.read("setup.cfg") is None:
            raise MetadataUnusable("holds no project: neither pyproject.toml nor setup.py is there")
        return BuildSystem()
    try:
        table = loads(content.decode("utf-8"), where="pyproject.toml").get("build-system")
    except (UnicodeDecodeError, UsageError) as error:
        raise MetadataUnusable(f"has a pyproject.toml that cannot be read ({error})") from None
    if not isinstance(table, dict) or "requires" not in table:
        return BuildSystem()
    backend, path = table.get("build-backend", _LEGACY_BACKEND), table.get("backend-path", [])
    if not isinstance(backend, str) or not _are_texts(path) or not _are_texts(table["requires"]):
        raise MetadataUnusable("has a pyproject.toml whose [build-system] cannot be read")
    return BuildSystem(requirements_in_one_spelling(table["requires"]), backend, tuple(path))


def requirements_in_one_spelling(texts: Sequence[str]) -> tuple[str, ...]:
    """Return build requirements, spelled alike wherever they come from.

    :raises MetadataUnusable: where one of them is none (PEP 508).
    """
    try:
        return tuple(str(Requirement(text)) for text in texts)
    except InvalidRequirement:
        raise MetadataUnusable("has build requirements that cannot be read") from None


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


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
