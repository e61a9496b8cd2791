"""No request makes the solver go on for ever: rounds and time are bounded, and the error says what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conjoin.errors import NoSolution
from conjoin.solve.search import joint, resolvo, select
from loopback import PYPI_JSON, LoopbackServer
from solving import World


class EndlessIndex(LoopbackServer):
    """An index that makes up projects as they are asked for: ``p7`` needs ``p8``, which needs ``p9`` ...

    ``q`` has two hundred releases, each of which needs a project that nobody has.
    """

    def _content(self, path: str, accept: str) -> tuple[str, bytes, float] | None:
        name = path.strip("/").rpartition("/")[2]
        if name.endswith(".whl.metadata"):
            project, version = name.split("-")[:2]
            need = f"p{int(project[1:]) + 1}" if project[0] == "p" else f"nobody-has-{version}"
            text = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\nRequires-Dist: {need}\n"
            return "text/plain", text.encode(), 0.0
        if not (name[:1] in "pq" and (name[1:].isdigit() or name == "q")):
            return None
        files = [
            {"filename": f"{name}-{v}-py3-none-any.whl", "url": f"{name}-{v}-py3-none-any.whl"}
            for v in range(1, 200 if name == "q" else 2)
        ]
        page = {"meta": {"api-version": "1.0"}, "files": [{**file, "core-metadata": True} for file in files]}
        return PYPI_JSON, json.dumps(page).encode(), 0.0


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackServer]:
    with EndlessIndex(tmp_path) as server:
        yield server


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    made.python("3.12.1")
    return made


def test_requirements_that_lead_on_for_ever_end_after_so_many_rounds(
    world: World, index: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint, "MAX_ROUNDS", 4)
    monkeypatch.setattr(select, "_MOST_LEVELS", 5)
    with pytest.raises(NoSolution, match=r"gave up after 4 rounds.*p\d+.*add a lower bound") as caught:
        world.solve(pypi=["p0"], index_url=index.url)
    assert caught.value.exit_code == 3
    assert len(index.requests) < 100


def test_they_end_after_so_many_seconds_too(
    world: World, index: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint, "MAX_SECONDS", 0.0)
    monkeypatch.setattr(select, "_MOST_LEVELS", 5)
    with pytest.raises(NoSolution, match="gave up after 200 rounds or 0 s"):
        world.solve(pypi=["p0"], index_url=index.url)
    assert len(index.requests) < 100


def test_a_single_round_that_takes_too_long_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    for number in range(30):
        world.conda(f"c{number}", "1", [f"c{other} <1" for other in range(number + 1, 30)])
    monkeypatch.setattr(resolvo, "_TIMEOUT", timedelta(microseconds=1))
    with pytest.raises(NoSolution, match=r"gave up after 0 s.*narrow the request"):
        world.solve([f"c{number}" for number in range(30)], ["p0"])


def test_two_hundred_releases_that_all_need_what_nobody_has_are_no_solution(
    world: World, index: LoopbackServer
) -> None:
    """Every one of them has to be read, and read they are: in few rounds, many at once."""
    with pytest.raises(NoSolution):
        world.solve(pypi=["q"], index_url=index.url)
