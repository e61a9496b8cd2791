"""What a source is built with: decided by the solver, exact in the lock, and no reason to build again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conjoin.api import Store
from conjoin.errors import NoSolution
from conjoin.lock.format import encode
from conjoin.lock.model import Lock, LockedPackage
from conjoin.resolving import ResolveOptions, resolve_request
from conjoin.spec.build import build_requirements
from conjoin.spec.requirements import Requirements
from loopback import LoopbackServer
from sdists import Tools, builds, make_building_project, make_building_sdist
from solving import World
from worlds import make_index, make_wheel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sdists"


@pytest.fixture
def tooled(world: World, folder: Path) -> World:
    """``app`` is an sdist alone, and is built with ``maker``, below 3."""
    world.python("3.12.1")
    for version in ("1.0", "2.0", "3.0"):
        world.wheel("maker", version)
    world.add(make_building_sdist(folder, "app", "1.0", tools=Tools(["maker<3"], used=["maker"])))
    return world


def _asked(world: World, *pypi: str, **options: object) -> Requirements:
    world.write()
    return build_requirements(
        pypi=pypi, channels=[world.channel_url], index_url=world.index_url, python="3.12", **options
    )


def _locked(requirements: Requirements, name: str = "app", **options: Any) -> tuple[Lock, LockedPackage]:
    lock = resolve_request(requirements, ["linux-64"], ResolveOptions(**options)).lock
    return lock, next(each for each in lock.platforms["linux-64"].packages if each.name == name)


def _files(package: LockedPackage) -> list[str]:
    return [text.partition("#")[0] for text in package.built_with]


def test_they_are_decided_like_anything_else_and_locked(tooled: World) -> None:
    said: list[str] = []
    _, app = _locked(_asked(tooled, "app"), progress=said.append)
    assert "building app 1.0" in said
    assert _files(app) == ["maker-2.0-py3-none-any.whl"]
    assert app.built_with[0].partition("#sha256=")[2].isalnum()
    assert len(app.build_key) == len(app.build_request) == 64
    assert app.build_key != app.build_request


def test_what_the_backend_asks_for_on_top_is_there(tooled: World, folder: Path) -> None:
    tooled.wheel("extra-maker", "1.0", ["maker<2"])
    needs = Tools(["maker"], more=["extra_maker"], used=["maker", "extra_maker"])
    tooled.add(make_building_sdist(folder, "other", "1.0", tools=needs))
    _, other = _locked(_asked(tooled, "other"), "other")
    # Both are solved together: the first of them alone would have been maker 3.
    assert _files(other) == ["extra_maker-1.0-py3-none-any.whl", "maker-1.0-py3-none-any.whl"]


def test_a_newer_tool_is_no_reason_to_build_again(
    tooled: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tooled.write()
    # With a Python of this host, so that the wheel is all there is to push.
    requirements = build_requirements(pypi=["app"], index_url=tooled.index_url, python_source="host")
    lock = resolve_request(requirements).lock
    (app,) = (package for part in lock.platforms.values() for package in part.packages if package.build_key)
    team = Store(tooled.root / "team")
    team.push(lock)
    tooled.wheel("maker", "2.5")
    tooled.write()
    assert encode(resolve_request(requirements, options=ResolveOptions(force=True)).lock) == encode(lock)
    monkeypatch.setenv("CONJOIN_CACHE", str(tooled.root / "grace" / "cache"))
    monkeypatch.setenv("CONJOIN_STORE", str(tooled.root / "grace" / "store"))
    of_grace = resolve_request(requirements, options=ResolveOptions(force=True), store=team)
    assert encode(of_grace.lock) == encode(lock)
    assert builds(folder, "app") == 1
    noted = json.loads(
        (tooled.root / "team" / "builds" / app.build_request[:2] / app.build_request).read_text()
    )
    assert noted["build_key"] == app.build_key


def test_offline_the_wheel_is_found_without_a_new_solve(tooled: World, folder: Path) -> None:
    lock, _ = _locked(_asked(tooled, "app"))
    for page in (tooled.root / "index").glob("maker/*"):
        page.unlink()
    requirements = build_requirements(
        pypi=["app"], channels=[tooled.channel_url], index_url=tooled.index_url, python="3.12"
    )
    again, _ = _locked(requirements, force=True, offline=True)
    assert again == lock
    assert builds(folder, "app") == 1


def test_the_very_same_tools_give_the_very_same_wheel(tooled: World, folder: Path) -> None:
    """Another request, but what it is built with comes out the same: nothing is built."""
    _, first = _locked(_asked(tooled, "app"))
    tooled.page_options = {"upload_times": {"*": "2024-01-01T00:00:00Z"}, "format": "json"}
    tooled.write()
    with LoopbackServer(tooled.root / "index") as server:
        dated = build_requirements(
            pypi=["app"],
            channels=[tooled.channel_url],
            index_url=server.url,
            python="3.12",
            exclude_newer="2024-06-01",
        )
        _, second = _locked(dated)
    assert second.build_request != first.build_request
    assert (second.build_key, second.sha256) == (first.build_key, first.sha256)
    assert builds(folder, "app") == 1


def test_the_date_of_the_request_holds_for_them(tooled: World, folder: Path) -> None:
    tooled.page_options = {
        "upload_times": {"*": "2024-01-01T00:00:00Z", "maker-2.0-py3-none-any.whl": "2025-01-01T00:00:00Z"},
        "format": "json",
    }
    tooled.write()
    with LoopbackServer(tooled.root / "index") as server:
        options = {"channels": [tooled.channel_url], "index_url": server.url, "python": "3.12"}
        _, app = _locked(build_requirements(pypi=["app"], exclude_newer="2024-06-01", **options))  # type: ignore[arg-type]
    assert _files(app) == ["maker-1.0-py3-none-any.whl"]


def test_a_tool_that_has_to_be_built_itself(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.wheel("base", "1.0")
    world.add(make_building_sdist(folder, "tool", "1.0", ["base"], tools=Tools(["base"], used=["base"])))
    world.add(make_building_sdist(folder, "end", "1.0", tools=Tools(["tool"], used=["base"])))
    _, end = _locked(_asked(world, "end"), "end")
    assert _files(end) == ["base-1.0-py3-none-any.whl", "tool-1.0-py3-none-any.whl"]
    assert (builds(folder, "tool"), builds(folder, "end")) == (1, 1)


def test_what_needs_itself_to_be_built_is_told(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.add(make_building_sdist(folder, "chicken", "1.0", tools=Tools(["egg"])))
    world.add(make_building_sdist(folder, "egg", "2.0", tools=Tools(["chicken"])))
    with pytest.raises(NoSolution, match=r"chicken 1\.0 needs egg 2\.0 needs chicken 1\.0 to be built"):
        world.solve(pypi=["chicken"])
    world.add(make_building_sdist(folder, "snake", "1.0", tools=Tools(["snake"])))
    with pytest.raises(NoSolution, match=r"snake 1\.0 needs snake 1\.0 to be built"):
        world.solve(pypi=["snake"])
    # Two of them, at the same time and from either end, do not wait for each other for ever.
    with pytest.raises(NoSolution):
        world.solve(pypi=["chicken", "egg"])


def test_tools_that_cannot_be_had_are_told(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.wheel("maker", "1.0")
    world.add(make_building_sdist(folder, "app", "1.0", tools=Tools(["maker>=2"])))
    with pytest.raises(NoSolution, match=r"app-1\.0\.tar\.gz cannot be built: .*maker"):
        world.solve(pypi=["app"])
    world.add(make_building_sdist(folder, "maker", "2.0"))
    with pytest.raises(NoSolution, match=r"what it is built with has no solution"):
        world.solve(pypi=["app"], only_binary=["maker"])


def test_metadata_is_asked_for_before_anything_is_built(world: World, folder: Path) -> None:
    world.python("3.12.1")
    world.wheel("maker", "1.0")
    tools = Tools(["maker"], used=["maker"], prepares=True)
    world.add(make_building_sdist(folder / "new", "app", "2.0", ["nowhere"], tools=tools))
    world.add(make_building_sdist(folder, "app", "1.0", tools=tools))
    assert world.solve(pypi=["app"]).wheels == {"app": "1.0"}
    assert builds(folder / "new", "app", "prepared") == 1
    assert builds(folder / "new", "app") == 0
    assert builds(folder, "app") == 1
    world.solve(pypi=["app", "maker"])  # what was told is remembered
    assert builds(folder / "new", "app", "prepared") == 1


def test_a_build_sees_no_login(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of a project runs in a build: what the index is asked with is none of its business."""
    seen = folder / "seen"
    project = make_building_project(
        folder / "code", "app", "1.0", counter=folder, tools=Tools(["maker"], used=["maker"])
    )
    backend = (project / "backend.py").read_text()
    (project / "backend.py").write_text(
        f"import os\nopen({str(seen)!r}, 'w').write(repr(os.environ))\n{backend}"
    )
    world.python("3.12.1")
    world.write()
    wheel = make_wheel(folder / "wheels", "maker", "1.0")
    with LoopbackServer(make_index(folder / "index", [wheel]), auth=("ada", "geheim")) as server:
        solved = world.solve(
            pypi=[f"app @ {project.as_uri()}"], index_url=server.url.replace("://", "://ada:geheim@")
        )
    assert solved.wheels == {"app": "1.0"}
    assert "geheim" not in seen.read_text()
    assert os.environ["PATH"] in seen.read_text()
