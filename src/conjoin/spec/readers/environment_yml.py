"""environment.yml, as conda reads it, with pip's section, PyPI indexes, platforms and virtual packages."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from conjoin.errors import UsageError
from conjoin.spec.partial_requirements import PartialRequirements, combine, located
from conjoin.spec.readers.requirements_txt import RequirementLines
from conjoin.spec.readers.text_file import read_text
from conjoin.spec.requirements_parser import RequirementsParser
from conjoin.spec.syntax.local_path import local_path
from conjoin.untrusted import read_as

__all__ = ["read_environment_yml"]

Node: TypeAlias = Any
"""A node of ruamel.yaml's tree, which its own types leave without `id` and `tag`."""

_KEYS = "channels, dependencies, name, platforms, prefix, pypi-indices, variables"


def read_environment_yml(path: Path, *, text: str | None = None) -> PartialRequirements:
    """Return what an environment.yml asks for.

    ``dependencies`` holds conda requirements and the mappings ``pip:`` (lines of pip's format) and ``sys:``
    (virtual packages); ``pypi-indices`` are asked before the default index. ``name``, ``prefix`` and
    ``variables`` decide on no package and are left aside.

    :param text: its content, where somebody has read it already.
    :raises UsageError: with file and line, for what cannot be read.
    """
    return _Document(path).read(text)


class _Document:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.into = RequirementsParser(folder=path.parent)
        self.lines = RequirementLines(self.into, open_files=(local_path(str(path)),))

    def read(self, text: str | None) -> PartialRequirements:
        root = _compose(self.path, read_text(self.path) if text is None else text)
        if root is None:
            return self.into.parsed()
        for key, key_node, value in self._pairs(root, f"a mapping with {_KEYS}"):
            with located(self._place(key_node)):
                self._section(key, value)
        return combine([self.into.parsed(), *self.lines.nested])

    def _section(self, key: str, value: Node) -> None:
        into = self.into
        if key == "channels":
            self._each(value, "channels", into.channel)
        elif key == "dependencies":
            self._dependencies(value)
        elif key in ("pypi-indices", "pypi_indices"):
            self._each(value, key, into.extra_index)
        elif key == "platforms":
            self._each(value, key, into.platform)
        elif key == "sys":
            self._each(value, key, into.virtual_package)
        elif key in ("prefix", "variables"):
            into.note(f"{self._place(value)}: {key} is left aside")
        elif key != "name":  # a name is given when an environment is made, not when it is described
            raise UsageError(f"key {key!r} is unknown", advice=f"expected one of {_KEYS}")

    def _dependencies(self, node: Node) -> None:
        for item in self._items(node, "dependencies"):
            with located(self._place(item)):
                if item.id == "mapping":
                    for key, key_node, value in self._pairs(item, "pip: or sys:"):
                        with located(self._place(key_node)):
                            self._nested(key, value)
                else:
                    self.into.conda(self._scalar(item, "a conda requirement"))

    def _nested(self, key: str, value: Node) -> None:
        if key == "pip":
            self._each(value, "pip", self.lines.line)
        elif key == "sys":
            self._each(value, "sys", self.into.virtual_package)
        else:
            raise UsageError(
                f"{key!r} is unknown among dependencies", advice="expected a conda requirement, pip: or sys:"
            )

    def _each(self, node: Node, what: str, add: Any) -> None:
        for item in self._items(node, what):
            with located(self._place(item)):
                add(self._scalar(item, f"a text under {what}"))

    def _items(self, node: Node, what: str) -> list[Node]:
        if node.id == "sequence":
            return list(node.value)
        if _is_empty(node):  # `channels:` with nothing behind it
            return []
        raise UsageError(
            f"{what} is not a list", where=self._place(node), advice="write '- item' lines below it"
        )

    def _pairs(self, node: Node, expected: str) -> Iterator[tuple[str, Node, Node]]:
        if node.id != "mapping":
            raise UsageError("this is not a mapping", where=self._place(node), advice=f"expected {expected}")
        seen: set[str] = set()
        for key_node, value in node.value:
            key = self._scalar(key_node, "a key")
            if key in seen:
                raise UsageError(f"key {key!r} stands here twice", where=self._place(key_node))
            seen.add(key)
            yield key, key_node, value

    def _scalar(self, node: Node, expected: str) -> str:
        if node.id != "scalar" or _is_empty(node):
            raise UsageError("this is not a text", where=self._place(node), advice=f"expected {expected}")
        return str(node.value)

    def _place(self, node: Node) -> str:
        return f"{self.path}:{node.start_mark.line + 1}"


def _compose(path: Path, text: str) -> Node | None:
    """Return the document's tree: its nodes know their lines, and ``3.10`` stays a text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings(), read_as(UsageError, "invalid YAML", where=str(path)):
            warnings.simplefilter(
                "ignore"
            )  # an anchor that is used again means its last place, as YAML 1.2 has it
            root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UsageError(f"invalid YAML: {error.problem or error.context}", where=where) from None
    except YAMLError as error:
        raise UsageError(f"invalid YAML: {str(error).splitlines()[0]}", where=str(path)) from None
    return root


def _is_empty(node: Node) -> bool:
    return bool(node.id == "scalar" and node.tag == "tag:yaml.org,2002:null")
