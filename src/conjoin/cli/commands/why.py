"""``conjoin why``: who brought a package into an environment."""

from __future__ import annotations

import sys
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
    OutputOptions,
)
from conjoin.cli.output.reporter import presentable, styled

if TYPE_CHECKING:
    from conjoin.lock.graph import Graph, Link, PackageKey

__all__ = ["COMMAND", "why"]


def why(
    output: OutputOptions,
    env: str,
    name: str,
    platform: str | None = None,
    store: str | None = None,
    accept_rollback: bool = False,
) -> None:
    """Tell who brought a package in: the chains from what was asked for down to it, over both sides."""
    from conjoin.cli.output.documents import write_json
    from conjoin.cli.output.graphs import find_package, graph_of, link_document, package_document

    graph = graph_of(env, platform, store, accept_rollback=accept_rollback)
    keys = find_package(graph, name)
    if output.json:
        found = [
            package_document(graph, key)
            | {
                "chains": [[link_document(link) for link in chain] for chain in graph.chains(key)],
                "dependents": [link_document(link) for link in graph.dependents(key)],
            }
            for key in keys
        ]
        write_json({"platform": graph.platform, "packages": found})
        return
    for number, key in enumerate(keys):
        if number:
            print()
        _print_package(graph, key)


COMMAND = Command(
    why,
    (PLATFORM, STORE_URL, ACCEPT_ROLLBACK, OUTPUT),
    (ENV, Argument("name", "a conda package, or a project of PyPI", "NAME")),
    examples=(Example("conjoin why team/torch:v1 numpy", "Who brought numpy in"),),
    more=("docs/solving.md",),
)


def _print_package(graph: Graph, key: PackageKey) -> None:
    package = graph.packages[key]
    owned = f", PyPI's {', '.join(package.provides)}" if package.provides else ""
    head = f"{package.name} {package.version}"
    kind = "this host's" if package.kind == "python" else package.kind
    print(f"{_styled(head, 'bold')} {_styled(f'({kind}{owned}, {graph.platform})', 'dim')}")
    for chain in graph.chains(key):
        _print_chain(graph, chain)
    shown = {chain[-1] for chain in graph.chains(key)}
    others = [link for link in graph.dependents(key) if link.parent is not None and link not in shown]
    if others:
        print("also asked for by")
        for link in others:
            print(f"  {_requirement(link)} {_styled(f'({link.parent[1] if link.parent else str()})', 'dim')}")


def _print_chain(graph: Graph, chain: tuple[Link, ...]) -> None:
    for depth, link in enumerate(chain):
        if depth == 0:
            asked = "you asked for " if link.text else "part of the environment that was extended: "
            print(f"{asked}{_requirement(link) or link.child[1]}{_met(graph, link)}")
        else:
            print(f"{'   ' * (depth - 1)}└─ {_requirement(link)}{_met(graph, link)}")


def _requirement(link: Link) -> str:
    return _styled(link.text, "cyan" if link.side == "pypi" else "green") if link.text else ""


def _met(graph: Graph, link: Link) -> str:
    package = graph.packages[link.child]
    bridge = f"conda's {package.name}" if link.is_bridge else package.name
    return _styled(f" -> {bridge} {package.version}", "dim")


def _styled(text: str, style: str) -> str:
    return styled(presentable(text), style, sys.stdout)
