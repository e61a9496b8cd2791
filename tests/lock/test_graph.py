"""Who asked for what: links from requirement to package, over both sides, and chains down them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conjoin.lock.graph import Graph
from conjoin.lock.identity import make_lock, requirements_id
from conjoin.lock.model import Lock, LockedPackage, LockedPlatform
from conjoin.spec.build import build_requirements
from conjoin.spec.canonical import canonical

PLATFORM = "linux-64"


def conda(name: str, *depends: str, provides: str = "", version: str = "1.0") -> LockedPackage:
    return LockedPackage(
        kind="conda",
        name=name,
        version=version,
        build="0",
        file=f"{name}-{version}-0.conda",
        sha256=f"{len(name):064x}",
        dependencies=depends,
        provides=(provides,) if provides else (),
    )


def wheel(name: str, *needs: str, extras: tuple[str, ...] = ()) -> LockedPackage:
    return LockedPackage(
        kind="pypi",
        name=name,
        version="1.0",
        file=f"{name}-1.0-py3-none-any.whl",
        sha256=f"{len(name):064x}",
        dependencies=needs,
        extras=extras,
    )


def locked(
    *packages: LockedPackage, conda: tuple[str, ...] = (), pypi: tuple[str, ...] = (), **more: str
) -> Lock:
    asked = canonical(build_requirements(conda=conda, pypi=pypi, **more))
    platforms = {PLATFORM: LockedPlatform(virtual_packages={"__glibc": "2.28"}, packages=packages)}
    return make_lock(asked, requirements_id(asked), platforms)


def said(graph: Graph, name: str) -> list[list[str]]:
    (key,) = graph.named(name)
    return [[link.text for link in chain] for chain in graph.chains(key)]


@pytest.fixture
def mixed() -> Graph:
    return Graph(
        locked(
            conda("python", "libzlib >=1.2,<2", "__glibc >=2.17", version="3.12.1"),
            conda("libzlib"),
            conda("numpy", "python >=3.12,<3.13", "libzlib", provides="numpy"),
            wheel("model", "numpy<2", "torch-tools[fast]>=1 ; python_version >= '3'"),
            wheel("torch-tools", "Model", extras=("fast",)),
            conda=("libzlib",),
            pypi=("model>=0.5", "numpy ; sys_platform == 'win32'"),
        ),
        PLATFORM,
    )


def test_a_chain_crosses_the_bridge(mixed: Graph) -> None:
    assert said(mixed, "numpy") == [["model>=0.5", "numpy<2"]]
    (chain,) = mixed.chains(("conda", "numpy"))
    assert [link.is_bridge for link in chain] == [False, True]


def test_what_several_things_ask_for_has_a_chain_from_each_root(mixed: Graph) -> None:
    assert said(mixed, "libzlib") == [
        ["libzlib"],
        ["model>=0.5", "numpy<2", "libzlib"],
        ["PyPI packages, which need a Python", "libzlib >=1.2,<2"],
    ]


def test_a_cycle_ends(mixed: Graph) -> None:
    assert said(mixed, "torch-tools") == [["model>=0.5", "torch-tools[fast]>=1 ; python_version >= '3'"]]
    assert [link.parent for link in mixed.dependents(("pypi", "model"))] == [None, ("pypi", "torch-tools")]


def test_virtual_packages_and_markers_that_do_not_hold_are_no_links(mixed: Graph) -> None:
    assert all("__glibc" not in link.text for key in mixed.packages for link in mixed.dependencies(key))
    assert all("win32" not in link.text for link in mixed.roots)


def test_names_of_both_sides_are_found(mixed: Graph) -> None:
    assert mixed.named("Torch_Tools") == (("pypi", "torch-tools"),)
    assert mixed.named("nothing") == ()
    graph = Graph(locked(conda("pytorch", "python", provides="torch"), pypi=("torch",)), PLATFORM)
    assert graph.named("torch") == graph.named("pytorch") == (("conda", "pytorch"),)


def test_an_extra_of_a_conda_package_is_named_for_what_it_brought() -> None:
    graph = Graph(
        locked(
            conda("dask", provides="dask"),
            wheel("distributed", "tornado"),
            wheel("tornado"),
            pypi=("dask[all]",),
        ),
        PLATFORM,
    )
    assert said(graph, "tornado") == [["dask[all]", "distributed (an extra of dask[all])", "tornado"]]


def test_what_nothing_typed_asks_for_is_a_root() -> None:
    """As in an environment that extends another: what that one asked for is not asked again."""
    graph = Graph(locked(wheel("base", "lib"), wheel("lib", "base"), wheel("new"), pypi=("new",)), PLATFORM)
    assert [(link.text, link.child[1]) for link in graph.roots] == [("new", "new"), ("", "base")]


def test_python_of_the_host_is_a_package() -> None:
    python = LockedPackage(
        kind="python", name="python", version="3.12.1", file="cpython-3.12.1-cp312", implementation="cpython"
    )
    graph = Graph(locked(python, wheel("app"), pypi=("app",), python_source="host"), PLATFORM)
    assert said(graph, "python") == [["PyPI packages, which need a Python"]]


_NAMES = [f"p{number}" for number in range(7)]


@given(
    st.lists(st.lists(st.sampled_from(_NAMES), max_size=4), min_size=7, max_size=7),
    st.lists(st.booleans(), min_size=7, max_size=7),
    st.sets(st.sampled_from(_NAMES)),
)
def test_every_package_has_a_chain_of_links_from_the_request(
    needs: list[list[str]], on_conda: list[bool], typed: set[str]
) -> None:
    sides = dict(zip(_NAMES, on_conda, strict=True))
    # A conda package can only ask for conda packages.
    packages = [
        conda(name, *(need for need in wanted if sides[need]), provides=name)
        if sides[name]
        else wheel(name, *wanted)
        for name, wanted in zip(_NAMES, needs, strict=True)
    ]
    graph = Graph(locked(*packages, pypi=tuple(typed)), PLATFORM)
    for key in graph.packages:
        chains = graph.chains(key)
        assert chains
        for chain in chains:
            assert chain[0].parent is None
            assert chain[-1].child == key
            assert [link.child for link in chain[:-1]] == [link.parent for link in chain[1:]]
            assert len({link.child for link in chain}) == len(chain)
        for link in graph.dependencies(key):
            assert link in graph.dependents(link.child)
