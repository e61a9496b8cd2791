"""The wheels that something is built with: exact files, decided before the build."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from conjoin.index.interpreters import HostPython
from conjoin.index.pypi.core_metadata import MetadataUnusable
from conjoin.index.pypi.project import IndexFile
from conjoin.spec.names import PypiName

__all__ = ["BuildTool", "SolveBuild", "as_texts", "solve_nothing"]


class BuildTool(msgspec.Struct, frozen=True):
    """A wheel to build with.

    :ivar file: its sha256 is known.
    :ivar path: where it lies, of one that was built here; else it is fetched.
    """

    name: PypiName
    file: IndexFile
    path: Path | None = None

    @property
    def text(self) -> str:
        """The file with its hash, as locks spell it."""
        return f"{self.file.filename}#sha256={self.file.sha256}"


SolveBuild = Callable[[Sequence[str], HostPython], Awaitable[Sequence[BuildTool]]]
"""Decides which wheels satisfy build requirements, for an interpreter of this host.

Raises NoSolution where there are none, Unreachable where an index cannot be asked.
"""


async def solve_nothing(requires: Sequence[str], interpreter: HostPython) -> Sequence[BuildTool]:
    """Refuse to decide: for those who only read what exists."""
    raise MetadataUnusable(f"would have to be built, with {', '.join(requires)}")


def as_texts(tools: Iterable[BuildTool]) -> tuple[str, ...]:
    """Return the identity of a set of build tools: its files with their hashes, sorted."""
    return tuple(sorted(tool.text for tool in tools))
