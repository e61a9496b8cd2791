"""What ``why`` and ``tree`` have in common: finding an environment's packages, and saying them in JSON."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from conjoin.errors import NotFound

if TYPE_CHECKING:
    from conjoin.lock.graph import Graph, Link, PackageKey
    from conjoin.lock.model import Lock

__all__ = ["find_package", "graph_of", "link_document", "package_document"]


def graph_of(env: str, platform: str | None, store: str | None, *, accept_rollback: bool = False) -> Graph:
    """Return the packages of an environment for one platform, default: this host's, else the lock's first.

    :raises NotFound: where there is no such environment, or none for the platform.
    """
    from conjoin.lock.graph import Graph
    from conjoin.store.lookup.reference import find_lock
    from conjoin.store.store import Store

    lock = find_lock(env, Store(store, accept_rollback=accept_rollback))
    return Graph(lock, _platform(lock, platform))


def _platform(lock: Lock, wanted: str | None) -> str:
    from conjoin.spec.platform import host_platform, platform_name

    if wanted is None:
        here = host_platform()
        return here if here in lock.platforms else next(iter(sorted(lock.platforms)))
    name = platform_name(wanted)
    if name not in lock.platforms:
        raise NotFound(
            f"the lock has no environment for {name}, only for {', '.join(lock.platforms)}",
            advice=f"resolve again with --platform {name}",
        )
    return name


def find_package(graph: Graph, name: str) -> tuple[PackageKey, ...]:
    """Return the packages of a name.

    :raises NotFound: where there is none, with near names.
    """
    found = graph.named(name)
    if not found:
        near = difflib.get_close_matches(name.lower(), graph.names(), n=3, cutoff=0.6)
        raise NotFound(
            f"the environment has no package {name} ({graph.platform})",
            advice=f"did you mean {' or '.join(near)}?" if near else "`conjoin show` lists its packages",
        )
    return found


def package_document(graph: Graph, key: PackageKey) -> dict[str, Any]:
    """Return one package in JSON: which one it is."""
    package = graph.packages[key]
    document: dict[str, Any] = {"kind": package.kind, "name": package.name, "version": package.version}
    if package.build:
        document["build"] = package.build
    if package.provides:
        document["provides"] = list(package.provides)
    return document


def link_document(link: Link) -> dict[str, Any]:
    """Return one requirement in JSON: whose it is (nobody's: the request's), and what meets it."""
    document: dict[str, Any] = {"requirement": link.text, "side": link.side}
    if link.parent is not None:
        document["from"] = {"kind": link.parent[0], "name": link.parent[1]}
    return document | {"to": {"kind": link.child[0], "name": link.child[1]}}
