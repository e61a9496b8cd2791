from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conjoin.errors import ConjoinError
from conjoin.lock.model import Lock
from conjoin.prefix.hydrate import HydrateOptions, hydrate
from conjoin.prefix.link.uv_interpreter_cache import InterpreterCache
from conjoin.prefix.verify import verify
from hydrating import conda_packages, lock_of, locked_wheel, output, tree
from worlds import make_wheel

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing stands in for Python on Windows")

QUESTION = ("-I", "-B", "-c", "from python.get_interpreter_info import main; main()")


class World:
    """Prefixes whose Python says where it is, counts how often it was asked, and echoes anything else."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def stand_in(self, prefix: Path, *, answer: dict[str, object] | None = None) -> InterpreterCache:
        work = self.home / f"work of {prefix.name}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        given = answer or {"result": "success", "sys_prefix": str(prefix), "stdlib": f"{prefix}/lib/python3"}
        (prefix / "bin").mkdir(parents=True, exist_ok=True)
        (prefix / "answer").write_text(json.dumps(given))
        python = prefix / "bin" / "python"
        python.write_text(
            f"#!/bin/sh\ncase $* in *get_interpreter_info*) echo >> '{prefix}/asked'; cat '{prefix}/answer';;"
            ' *) echo "$@";; esac\n'
        )
        python.chmod(0o755)
        return InterpreterCache(prefix, root=self.home / "interpreters", work=work, packages=())

    def ask(self, stand_in: InterpreterCache) -> dict[str, str]:
        said: dict[str, str] = json.loads(output(stand_in.executable(), *QUESTION))
        stand_in.learn()
        return said

    def times_asked(self, prefix: Path) -> int:
        asked = prefix / "asked"
        return len(asked.read_text().splitlines()) if asked.exists() else 0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("name", ["second", "with a space", "grün", "lib"])
def test_the_answer_of_one_prefix_stands_for_the_next_with_its_own_path(world: World, name: str) -> None:
    first, second = world.home / "first", world.home / name
    world.ask(world.stand_in(first))
    said = world.ask(world.stand_in(second))
    assert said == {"result": "success", "sys_prefix": str(second), "stdlib": f"{second}/lib/python3"}
    assert (world.times_asked(first), world.times_asked(second)) == (1, 0)


def test_anything_but_that_question_reaches_python(world: World) -> None:
    for _ in range(2):
        stand_in = world.stand_in(world.home / "prefix")
        assert output(stand_in.executable(), "-c", "print('a  b')") == "-c print('a  b')"
        world.ask(stand_in)


@pytest.mark.parametrize(
    "answer",
    [
        {"result": "success", "stdlib": "/usr/lib/python3"},
        {"result": "success", "sys_path": ["/usr/lib/python3"]},
        {"result": "success", "flags": "-I{prefix}/include"},
        {"result": "error", "kind": "unsupported"},
    ],
    ids=["elsewhere", "elsewhere in a list", "prefix inside of a text", "an error"],
)
def test_an_answer_that_may_not_hold_elsewhere_is_not_kept(world: World, answer: dict[str, object]) -> None:
    prefix = world.home / "prefix"
    answer = {k: v.format(prefix=prefix) if isinstance(v, str) else v for k, v in answer.items()}
    for _ in range(2):
        assert world.ask(world.stand_in(prefix, answer=answer)) == answer
    assert world.times_asked(prefix) == 2


def test_a_python_that_fails_fails(world: World) -> None:
    stand_in = world.stand_in(world.home / "prefix")
    stand_in.python.write_text("#!/bin/sh\nexit 3\n")
    assert subprocess.run([stand_in.executable(), *QUESTION], check=False).returncode == 3


def test_a_prefix_behind_a_link_is_asked_itself(world: World) -> None:
    (world.home / "real").mkdir()
    (world.home / "link").symlink_to(world.home / "real")
    stand_in = world.stand_in(world.home / "link" / "prefix")
    assert stand_in.executable() == stand_in.python


@pytest.fixture
def lock(forged_channel: Path, tmp_path: Path) -> Lock:
    wheel = make_wheel(tmp_path, "plain", "1.0", entry_points={"plain-tool": "plain:main"})
    return lock_of([*conda_packages(forged_channel), locked_wheel(wheel)])


def answers(home: Path) -> list[Path]:
    return list((home / "cache" / "answers").glob("*.json"))


def test_a_prefix_is_the_same_whether_its_python_was_asked_or_not(
    lock: Lock, tmp_path: Path, isolated_home: Path
) -> None:
    hydrate(lock, options=HydrateOptions(prefix=tmp_path / "first"))
    assert len(answers(isolated_home)) == 1
    told = hydrate(lock, options=HydrateOptions(prefix=tmp_path / "prefix"))
    assert output(told / "bin/plain-tool") == "plain 1.0"
    assert verify(told) == []
    told_tree = tree(told)
    shutil.rmtree(told)
    answers(isolated_home)[0].unlink()
    assert tree(hydrate(lock, options=HydrateOptions(prefix=tmp_path / "prefix"))) == told_tree


def test_an_answer_that_uv_cannot_use_is_forgotten(lock: Lock, tmp_path: Path, isolated_home: Path) -> None:
    hydrate(lock, options=HydrateOptions(prefix=tmp_path / "first"))
    answers(isolated_home)[0].write_text('{"result": "of another age"}')
    with pytest.raises(ConjoinError, match="linking wheels"):
        hydrate(lock, options=HydrateOptions(prefix=tmp_path / "second"))
    assert answers(isolated_home) == []
    assert (
        output(hydrate(lock, options=HydrateOptions(prefix=tmp_path / "second")) / "bin/plain-tool")
        == "plain 1.0"
    )


def test_an_answer_that_is_cut_short_is_asked_for_anew(
    lock: Lock, tmp_path: Path, isolated_home: Path
) -> None:
    hydrate(lock, options=HydrateOptions(prefix=tmp_path / "first"))
    answers(isolated_home)[0].write_text('{"result": "succ')
    hydrate(lock, options=HydrateOptions(prefix=tmp_path / "second"))
    assert json.loads(answers(isolated_home)[0].read_text())["result"] == "success"
