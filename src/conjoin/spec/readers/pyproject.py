"""pyproject.toml: ``[project]`` (PEP 621), groups (PEP 735), ``[tool.conjoin]``, indexes of other tools."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conjoin.config.files import TABLE
from conjoin.config.toml import line_of, loads
from conjoin.errors import UsageError
from conjoin.spec.names import extra_name
from conjoin.spec.partial_requirements import PartialRequirements, located
from conjoin.spec.readers.text_file import read_text
from conjoin.spec.readers.tool_table import read_tool_table, texts
from conjoin.spec.requirements_parser import RequirementsParser
from conjoin.spec.syntax.pypi_requirement import pypi_requirement

__all__ = ["read_pyproject"]

_NAME = re.compile(r"[-_.]+")


def read_pyproject(
    path: Path, *, extras: Iterable[str] = (), groups: Iterable[str] = (), text: str | None = None
) -> PartialRequirements:
    """Return what a pyproject.toml asks for: its dependencies, and those of the extras and groups named.

    :param extras: keys of ``[project.optional-dependencies]``.
    :param groups: keys of ``[dependency-groups]`` (PEP 735).
    :param text: its content, where somebody has read it already.
    :raises UsageError: with file and line where they are known, for what cannot be read.
    """
    return _Pyproject(path, read_text(path) if text is None else text).read(tuple(extras), tuple(groups))


class _Pyproject:
    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.document = loads(self.text, where=str(path))
        self.into = RequirementsParser(folder=path.parent)

    def read(self, extras: tuple[str, ...], groups: tuple[str, ...]) -> PartialRequirements:
        project = self._table(self.document, "project")
        self._project(project, extras)
        for group in groups:
            self._group(group, ())
        tool = self._table(self.document, "tool")
        self._uv_indexes(tool.get("uv"))
        self._poetry_sources(tool.get("poetry"))
        if "conjoin" in tool:
            read_tool_table(tool["conjoin"], self.into, self._place_in_tool_table)
        return self.into.parsed()

    def _project(self, project: dict[str, Any], extras: tuple[str, ...]) -> None:
        dynamic = texts(project.get("dynamic", []), "project.dynamic", self._place)
        for name in ("dependencies", *(["optional-dependencies"] if extras else [])):
            if name in dynamic:
                raise UsageError(
                    f"project.{name} is dynamic: only the project's build backend knows it",
                    where=self._place("dynamic"),
                    advice="list the dependencies in [project] or in [tool.conjoin]",
                )
        requires_python = project.get("requires-python", "")
        if not isinstance(requires_python, str):
            raise UsageError("project.requires-python is not a text", where=self._place("requires-python"))
        with located(self._place, "requires-python"):
            self.into.requires_python(requires_python)
        for text in texts(project.get("dependencies", []), "project.dependencies", self._place):
            self._requirement(text)
        optional = self._table(project, "optional-dependencies")
        with located(self._place, "[project.optional-dependencies"):
            known = {extra_name(name): name for name in optional}
        own = _normalized(project.get("name"))
        self._extras(extras, optional, known, own)

    def _extras(
        self, extras: tuple[str, ...], optional: dict[str, Any], known: dict[Any, str], own: str
    ) -> None:
        """Read extras, also those that an extra names as ``project[other]``."""
        waiting, seen = [extra_name(extra) for extra in extras], set()
        while waiting:
            extra = waiting.pop(0)
            if extra in seen:
                continue
            seen.add(extra)
            if extra not in known:
                raise UsageError(
                    f"the project has no extra {extra!r}",
                    where=str(self.path),
                    advice=f"known are: {', '.join(sorted(known)) or 'none'}",
                )
            what = f"project.optional-dependencies.{known[extra]}"
            for text in texts(optional[known[extra]], what, self._place):
                with located(self._place, text):
                    requirement = pypi_requirement(text)
                if own and requirement.name == own:
                    waiting += requirement.extras
                else:
                    self._requirement(text)

    def _group(self, name: str, inside: tuple[str, ...]) -> None:
        groups = self._table(self.document, "dependency-groups")
        known: dict[str, str] = {}
        for one in groups:
            if _normalized(one) in known:  # PEP 735: "tools SHOULD error on duplicate names"
                raise UsageError(f"dependency group {one!r} stands here twice", where=self._place(one))
            known[_normalized(one)] = one
        group = _normalized(name)
        if group in inside:
            circle = " -> ".join((*inside, group))
            raise UsageError(
                f"dependency groups include each other: {circle}", where=self._place("include-group")
            )
        if group not in known:
            raise UsageError(
                f"there is no dependency group {name!r}",
                where=self._place(name) if inside else str(self.path),
                advice=f"known are: {', '.join(sorted(known)) or 'none'}",
            )
        items = groups[known[group]]
        if not isinstance(items, list):
            raise UsageError(
                f"dependency-groups.{known[group]} is not a list", where=self._place(known[group])
            )
        for item in items:
            if isinstance(item, str):
                self._requirement(item)
            elif isinstance(item, dict) and set(item) == {"include-group"}:
                self._group(str(item["include-group"]), (*inside, group))
            else:
                raise UsageError(
                    f"dependency group {name!r} holds what is neither requirement nor include-group",
                    where=self._place(known[group]),
                    advice='expected texts and {include-group = "name"} (PEP 735)',
                )

    def _uv_indexes(self, uv: Any) -> None:
        """Read ``[[tool.uv.index]]``: a project that names its indexes for uv means them for everybody."""
        indexes = uv.get("index", []) if isinstance(uv, dict) else []
        for index in indexes if isinstance(indexes, list) else []:
            url = index.get("url") if isinstance(index, dict) else None
            if not isinstance(url, str) or index.get("explicit"):
                continue
            with located(self._place, url):
                (self.into.index_url if index.get("default") else self.into.extra_index)(url)

    def _poetry_sources(self, poetry: Any) -> None:
        """Read ``[[tool.poetry.source]]``; one that is explicit is for the packages that name it alone."""
        sources = poetry.get("source", []) if isinstance(poetry, dict) else []
        for source in sources if isinstance(sources, list) else []:
            url = source.get("url") if isinstance(source, dict) else None
            if isinstance(url, str) and source.get("priority") != "explicit":
                with located(self._place, url):
                    self.into.extra_index(url)

    def _requirement(self, text: str) -> None:
        with located(self._place, text):
            self.into.pypi(text)

    def _table(self, parent: dict[str, Any], name: str) -> dict[str, Any]:
        table = parent.get(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"{name} is not a table", where=self._place(name))
        return table

    def _place_in_tool_table(self, needle: str) -> str:
        line = line_of(self.text, needle, below=TABLE)
        return f"{self.path}:{line}" if line else str(self.path)

    def _place(self, needle: str) -> str:
        line = line_of(self.text, needle)
        return f"{self.path}:{line}" if line else str(self.path)


def _normalized(name: Any) -> str:
    return _NAME.sub("-", name).lower() if isinstance(name, str) else ""
