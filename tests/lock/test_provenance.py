"""What a lock keeps of how a wheel came to be: all of it, back and forth, and old locks as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.version import Version

from conjoin.index.pypi.project import Wheel
from conjoin.lock.format import decode, encode
from conjoin.resolving.from_lock import solution_of
from conjoin.resolving.to_lock import locked_platform, make_lock_of
from conjoin.solve.solution import BuiltFrom, ChosenWheel, PlatformSolution
from conjoin.spec.build import build_requirements
from conjoin.spec.names import PypiName

SHA, KEY, REQUEST = "1" * 64, "2" * 64, "3" * 64
TOOLS = ("maker-1.0-py3-none-any.whl#sha256=" + "4" * 64,)


def solved(source: BuiltFrom | None, *, direct: bool = False) -> PlatformSolution:
    file = "app-1.0-py3-none-any.whl"
    wheel = Wheel(
        filename=file,
        url="" if source else f"https://files.example/{file}",
        version=Version("1.0"),
        sha256=SHA,
        size=7,
        tags="py3-none-any",
    )
    chosen = ChosenWheel(PypiName("app"), wheel, SHA, 7, (), (), "", source, direct)
    return PlatformSolution("linux-64", {"__unix": "0"}, wheels=(chosen,))


@pytest.mark.parametrize(
    "solution",
    [
        solved(None),
        solved(None, direct=True),
        solved(BuiltFrom("https://files.example/app-1.0.tar.gz", SHA, None, KEY, False, REQUEST, TOOLS)),
        solved(BuiltFrom(f"git+https://git.example/app.git@{'5' * 40}", "", None, KEY), direct=True),
        solved(BuiltFrom("file:///home/ada/app", SHA, None, editable=True), direct=True),
    ],
    ids=["wheel", "wheel by url", "sdist with tools", "git", "editable"],
)
def test_a_lock_keeps_how_a_wheel_came_to_be(solution: PlatformSolution) -> None:
    requirements = build_requirements(pypi=["app"])
    lock = make_lock_of(requirements, {"linux-64": locked_platform(solution)})
    again = decode(encode(lock), "here")
    assert again == lock
    assert solution_of("linux-64", again.platforms["linux-64"]) == solution


def test_other_tools_that_give_the_same_wheel_are_the_same_environment() -> None:
    requirements = build_requirements(pypi=["app"])
    url = "https://files.example/app-1.0.tar.gz"
    first, second = (
        make_lock_of(requirements, {"linux-64": locked_platform(solved(source))})
        for source in (
            BuiltFrom(url, SHA, None, KEY, False, REQUEST, TOOLS),
            BuiltFrom(url, SHA, Path("built"), REQUEST, False, REQUEST),
        )
    )
    assert first.full_id == second.full_id
    # As locks were before it was known what wheels are built with: one key, by which stores find them.
    (old,) = second.platforms["linux-64"].packages
    assert (old.build_key, old.build_request, old.built_with) == (REQUEST, "", ())
    assert b"built_with" not in encode(second)
    assert b"direct" not in encode(second)
