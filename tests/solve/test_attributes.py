"""What a step of solving learns it returns: nobody sets another's attributes, or uses what is private."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import conjoin.solve

ROOM = Path(conjoin.solve.__file__).parent
FILES = sorted(ROOM.rglob("*.py"))
MAY_BE_SET = {
    "record.timestamp": "py-rattler's records take no time stamp when they are made",
    "record.track_features": "nor features",
    "copy.timestamp": "nor copies of them",
    "copy.track_features": "nor these",
    "error.where": "an error on its way up is told which platform it is about",
}
PRIVATE = {
    "item._replace": "named tuples call it so",
    "made._deal": "of its own class, where an instance is made",
}
_OWN = ("self", "cls", "super()")


def _targets(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from target.elts if isinstance(target, ast.Tuple) else [target]
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            yield node.target


def _set_from_outside(tree: ast.AST) -> Iterator[str]:
    for target in _targets(tree):
        place = target.value if isinstance(target, ast.Subscript) else target
        if isinstance(place, ast.Attribute) and ast.unparse(place.value) not in _OWN:
            yield ast.unparse(place)


def _private(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[:2] != "__":
            yield from [ast.unparse(node)] if ast.unparse(node.value) not in _OWN else []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOM)))
def test_nobody_sets_anothers_attributes_or_reaches_for_what_is_private(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert set(_set_from_outside(tree)) <= MAY_BE_SET.keys()
    assert set(_private(tree)) <= PRIVATE.keys()
