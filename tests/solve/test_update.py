"""``--update``: what was named goes as high as it can, and nothing else moves unless it must."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import conjoin.solve.request
from conjoin.errors import NoSolution, NotFound, UsageError
from conjoin.lock.format import encode
from conjoin.resolving import Resolution, ResolveOptions, resolve_request
from conjoin.spec.build import build_requirements
from solving import PLATFORM, World


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conjoin.solve.request, "_EXIT_PAUSE", 0.0)  # this process goes on


def _resolve(world: World, conda: Sequence[str] = (), pypi: Sequence[str] = (), **options: Any) -> Resolution:
    world.write()
    asked = build_requirements(
        conda=conda, pypi=pypi, channels=[world.channel_url], index_url=world.index_url
    )
    platforms = options.pop("platforms", [PLATFORM])
    return resolve_request(asked, platforms, ResolveOptions(**options))


def _versions(resolution: Resolution) -> dict[str, str]:
    return {package.name: package.version for package in resolution.lock.platforms[PLATFORM].packages}


def _moved(resolution: Resolution) -> dict[str, tuple[str, str]]:
    return {change.name: (change.before, change.now) for change in resolution.changes}


@pytest.fixture
def world(tmp_path) -> World:
    world = World(tmp_path)
    world.python("3.11.1")
    for name in ("a", "b", "c"):
        world.conda(name, "1.0", ["python"])
    for name in ("x", "y", "z"):
        world.wheel(name, "1.0")
    return world


def _more(world: World) -> None:
    world.python("3.12.1")
    for name in ("a", "b", "c"):
        world.conda(name, "2.0", ["python"])
    for name in ("x", "y", "z"):
        world.wheel(name, "2.0")


CONDA, PYPI = ["a", "b", "python"], ["x", "y"]


def test_only_what_was_named_moves(world: World) -> None:
    _resolve(world, CONDA, PYPI)
    _more(world)
    assert _moved(_resolve(world, CONDA, PYPI, update=["x"])) == {"x": ("1.0", "2.0")}
    assert _moved(_resolve(world, CONDA, PYPI, update=["a"])) == {"a": ("1.0", "2.0")}
    # It started from what the updates before left, and is the default now.
    assert _versions(_resolve(world, CONDA, PYPI)) == {
        "a": "2.0", "b": "1.0", "x": "2.0", "y": "1.0", "python": "3.11.1",
    }  # fmt: skip


def test_what_must_follow_moves_and_nothing_else(world: World) -> None:
    _resolve(world, CONDA, PYPI)
    _more(world)
    world.wheel("x", "3.0", ["y>=2", "z"])
    moved = _moved(_resolve(world, CONDA, PYPI, update=["x"]))
    assert moved == {"x": ("1.0", "3.0"), "y": ("1.0", "2.0"), "z": ("", "2.0")}


def test_conda_follows_a_wheel_and_python_follows_both(world: World) -> None:
    _resolve(world, CONDA, PYPI)
    _more(world)
    world.conda("b", "3.0", ["python >=3.12"])
    world.wheel("x", "3.0", ["b>=3"])
    moved = _moved(_resolve(world, CONDA, PYPI, update=["x"]))
    assert moved == {"b": ("1.0", "3.0"), "python": ("3.11.1", "3.12.1"), "x": ("1.0", "3.0")}


def test_what_is_not_needed_any_more_goes(world: World) -> None:
    world.wheel("x", "1.5", ["z"])
    _resolve(world, CONDA, PYPI)
    _more(world)
    moved = _moved(_resolve(world, CONDA, PYPI, update=["x"]))
    assert moved == {"x": ("1.5", "2.0"), "z": ("1.0", "")}


def test_without_names_everything_may_move(world: World) -> None:
    _resolve(world, CONDA, PYPI)
    _more(world)
    moved = _moved(_resolve(world, CONDA, PYPI, update=[]))
    assert moved.keys() == {"a", "b", "x", "y", "python"}


def test_nothing_newer_moves_nothing(world: World) -> None:
    before = _resolve(world, CONDA, PYPI)
    again = _resolve(world, CONDA, PYPI, update=["x", "a"])
    assert again.changes == ()
    assert encode(again.lock) == encode(before.lock)


def test_a_project_of_conda_is_named_as_either_side_names_it(world: World) -> None:
    world.conda("ruamel.yaml", "1.0", ["python"])
    world.wheel("needs", "1.0", ["ruamel-yaml"])
    asked = ["ruamel.yaml", "python"], ["needs"]
    _resolve(world, *asked)
    world.conda("ruamel.yaml", "2.0", ["python"])
    moved = _moved(_resolve(world, *asked, update=["ruamel_yaml"], dry_run=True))
    assert moved == {"ruamel.yaml": ("1.0", "2.0")}
    assert _moved(_resolve(world, *asked, update=["ruamel.yaml"])) == moved


def test_a_bridge_stays_a_bridge(world: World) -> None:
    world.wheel("a", "1.0")
    _resolve(world, CONDA, ["a", "x"])
    _more(world)
    world.wheel("a", "3.0")
    moved = _moved(_resolve(world, CONDA, ["a", "x"], update=["x"]))
    assert moved == {"x": ("1.0", "2.0")}


def test_a_yanked_wheel_stays_unless_it_is_named(world: World) -> None:
    _resolve(world, CONDA, PYPI)
    _more(world)
    world.page_options = {"yanked": {f"{name}-1.0-py3-none-any.whl": "broken" for name in ("x", "y")}}
    assert _moved(_resolve(world, CONDA, PYPI, update=["x"])) == {"x": ("1.0", "2.0")}


def test_typed_in_another_order_it_is_the_same(world: World) -> None:
    _resolve(world, CONDA, PYPI)
    _more(world)
    world.wheel("x", "3.0", ["y>=2"])
    one = _resolve(world, CONDA, PYPI, update=["x", "a"], dry_run=True)
    two = _resolve(world, CONDA[::-1], PYPI[::-1], update=["a", "x"], dry_run=True)
    assert encode(one.lock) == encode(two.lock)


def test_an_extension_updates_what_it_added(world: World) -> None:
    base = _resolve(world, ["a", "python"], ["x"]).lock
    options = {"using": base, "using_name": "base:v1"}
    _resolve(world, ["b"], ["y"], **options)
    _more(world)
    assert _moved(_resolve(world, ["b"], ["y"], update=["y"], **options)) == {"y": ("1.0", "2.0")}
    assert _moved(_resolve(world, ["b"], ["y"], update=[], **options)) == {"b": ("1.0", "2.0")}
    with pytest.raises(UsageError, match=r"x is pinned by base:v1"):
        _resolve(world, ["b"], ["y"], update=["x"], **options)


def test_a_name_that_is_not_there(world: World) -> None:
    with pytest.raises(NotFound, match="nothing was resolved"):
        _resolve(world, CONDA, PYPI, update=["x"])
    world.wheel("requests", "1.0")
    _resolve(world, CONDA, ["requests"])
    with pytest.raises(UsageError) as refused:
        _resolve(world, CONDA, ["requests"], update=["request"])
    assert "did you mean requests?" in str(refused.value)


def test_a_host_python_stays(world: World) -> None:
    from conjoin.spec.platform import host_platform

    world.write()
    asked = build_requirements(
        pypi=["x"], channels=[world.channel_url], index_url=world.index_url, python_source="host"
    )
    first = resolve_request(asked).lock.platforms[host_platform()]
    world.wheel("x", "2.0")
    world.write()
    moved = resolve_request(asked, options=ResolveOptions(update=["x"]))
    assert _moved(moved) == {"x": ("1.0", "2.0")}
    assert [p for p in first.packages if p.kind == "python"] == [
        p for p in moved.lock.platforms[host_platform()].packages if p.kind == "python"
    ]


def test_two_channels_may_have_a_file_of_the_same_name(world: World) -> None:
    for channel in ("channel", "mirror"):
        world.conda("app", "1.0", ["lib <2"], channel=channel)
        world.conda("lib", "1.0", channel=channel)
    channels = [world.channel_url, (world.root / "mirror").as_uri()]

    def resolve(*conda: str, update: Sequence[str] | None = None) -> Resolution:
        world.write()
        asked = build_requirements(conda=conda, channels=channels)
        return resolve_request(asked, [PLATFORM], ResolveOptions(update=update))

    assert _versions(resolve("app", "lib")) == {"app": "1.0", "lib": "1.0"}
    for channel in ("channel", "mirror"):
        world.conda("app", "2.0", ["lib >=3"], channel=channel)
        world.conda("lib", "2.0", channel=channel)
    assert _moved(resolve("app", "lib", update=["lib", "app"])) == {}
    for channel in ("channel", "mirror"):
        del world._records[channel][PLATFORM]["app-1.0-0.conda"]
    with pytest.raises(NoSolution, match=r"app 2\.0 needs lib >=3, and the newest of 2 versions of lib"):
        resolve("app", "lib", update=["lib", "app"])
