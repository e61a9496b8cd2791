"""``conjoin tree``: an environment as a tree of who asks for what."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from conjoin.cli.options import (
    ACCEPT_ROLLBACK,
    ENV,
    OUTPUT,
    PLATFORM,
    STORE_URL,
    Argument,
    Command,
    Example,
    Option,
    OutputOptions,
)
from conjoin.cli.output.reporter import presentable, styled

if TYPE_CHECKING:
    from conjoin.lock.graph import Graph, Link, PackageKey

__all__ = ["COMMAND", "tree"]


def tree(
    output: OutputOptions,
    env: str,
    name: str | None = None,
    invert: bool = False,
    depth: int | None = None,
    platform: str | None = None,
    store: str | None = None,
    accept_rollback: bool = False,
) -> None:
    """Draw who asks for what in an environment, over both sides."""
    from conjoin.cli.output.graphs import find_package, graph_of, link_document, package_document

    graph = graph_of(env, platform, store, accept_rollback=accept_rollback)
    chosen = find_package(graph, name) if name is not None else ()
    if output.json:
        from conjoin.cli.output.documents import write_json

        write_json(
            {
                "platform": graph.platform,
                "roots": [link_document(link) for link in graph.roots],
                "packages": [
                    package_document(graph, key)
                    | {"dependencies": [link_document(link) for link in graph.dependencies(key)]}
                    for key in graph.packages
                    if not chosen or key in chosen
                ],
            }
        )
        return
    drawing = _Drawing(graph, invert, depth)
    for line in drawing.of(chosen):
        print(line)
    if drawing.repeated:
        print(styled("(*) drawn in full elsewhere", "dim", sys.stdout))


def _depth(text: str) -> int:
    depth = int(text)
    if depth < 0:
        raise ValueError
    return depth


COMMAND = Command(
    tree,
    (
        Option("invert", "upwards: from a package to whoever asks for it"),
        Option("depth", "how many levels below the first", "N", type=_depth, expected="a number from 0 on"),
        PLATFORM,
        STORE_URL,
        ACCEPT_ROLLBACK,
        OUTPUT,
    ),
    (ENV, Argument("name", "this package alone", "[NAME]", required=False)),
    examples=(
        Example("conjoin tree team/torch:v1 --depth 1", "What was asked for, and what that asks for"),
        Example("conjoin tree team/torch:v1 numpy --invert", "Whoever asks for a package"),
    ),
    more=("docs/solving.md",),
)


@dataclass
class _Drawing:
    """The lines of a tree.

    :ivar repeated: whether any package was drawn without what hangs on it, since that is drawn elsewhere.
    """

    graph: Graph
    invert: bool
    depth: int | None
    repeated: bool = False
    _drawn: set[PackageKey] = field(default_factory=set)

    def of(self, chosen: Sequence[PackageKey]) -> Iterator[str]:
        """Yield the tree of some packages, or of the whole environment."""
        if not chosen and not self.invert:
            yield from self._whole()
            return
        leaves = [key for key in self.graph.packages if not self.graph.dependencies(key)]
        for key in chosen or leaves:
            yield self._label(key, "")
            yield from self._below(key, "", 0)

    def _whole(self) -> Iterator[str]:
        merged: dict[PackageKey, list[Link]] = {}
        for link in self.graph.roots:
            merged.setdefault(link.child, []).append(link)
        for key, links in merged.items():
            shown = ", ".join(link.text for link in links if link.text)
            yield self._label(key, shown, links[0])
            yield from self._below(key, "", 0)

    def _below(self, key: PackageKey, indent: str, level: int) -> Iterator[str]:
        links = self._next(key)
        if key in self._drawn or (self.depth is not None and level >= self.depth):
            return
        self._drawn.add(key)
        for number, link in enumerate(links):
            last = number == len(links) - 1
            child = link.parent if self.invert else link.child
            mark = "└── " if last else "├── "
            if child is None:
                yield f"{indent}{mark}{self._asked(link)}"
                continue
            yield f"{indent}{mark}{self._label(child, link.text, link)}"
            yield from self._below(child, f"{indent}{'    ' if last else '│   '}", level + 1)

    def _next(self, key: PackageKey) -> tuple[Link, ...]:
        return self.graph.dependents(key) if self.invert else self.graph.dependencies(key)

    def _asked(self, link: Link) -> str:
        text = f"you asked for {link.text}" if link.text else "part of the environment that was extended"
        return styled(presentable(text), "bold", sys.stdout)

    def _label(self, key: PackageKey, requirement: str, link: Link | None = None) -> str:
        package = self.graph.packages[key]
        extras = f"[{','.join(package.extras)}]" if package.extras else ""
        kind: str = "this host's" if package.kind == "python" else package.kind
        if link is not None and link.is_bridge and not self.invert:
            kind = "conda, for a PyPI requirement"
        name = styled(presentable(f"{package.name}{extras}"), "bold", sys.stdout)
        shade = "cyan" if package.kind == "pypi" else "green"
        parts = [name, styled(presentable(package.version), shade, sys.stdout), f"({kind})"]
        if requirement:
            parts.append(styled(presentable(f"<- {requirement}"), "dim", sys.stdout))
        if key in self._drawn and self._next(key):
            self.repeated = True
            parts.append("(*)")
        return " ".join(parts)
