"""Whether two checkouts give the same answers: ``python -m benchmarks.same_answers OLD NEW [PART ...]``.

Each part is resolved by both, in a process of its own for each checkout, and the locks are compared byte for
byte (messages, where there is no lock). The package may have another name in the old checkout: words that
follow from that are made equal first. Parts: ``packse`` (the scenarios of packse), ``worlds`` (random ones:
extras, conda packages, constraints, overrides, strategies, several platforms, updates), ``mixed`` (the sample
of conda-forge and the public PyPI), ``sets`` (those of ``tests/solve/differential``, on the public PyPI).
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["main"]

PARTS = ("packse", "worlds", "mixed", "sets")
ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
_PORT = re.compile(r"127\.0\.0\.1:\d+")
# Follow from where a loopback server listened, and from the name of the package.
_IDS = re.compile(r'"(req_id|full_id)": "\w+"')

_WORK = "answer"
"""The word that has this file answer for the package on its path."""

Answer = str
Case = tuple[str, Callable[[], Answer]]


def main() -> int:
    """Compare two checkouts; exit status 1 where an answer differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="checkout")
    parser.add_argument("new", type=Path, help="checkout")
    parser.add_argument("parts", nargs="*", default=[], help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--worlds", type=int, default=300, help="how many random ones")
    parser.add_argument("--seed", type=int, default=0, help="of the first of them")
    options = parser.parse_args()
    different = 0
    with tempfile.TemporaryDirectory(prefix="same-answers-") as folder:
        for part in options.parts or PARTS:
            old, new = (
                _answers(checkout.absolute(), part, Path(folder), options.worlds, options.seed)
                for checkout in (options.old, options.new)
            )
            unlike = [name for name in {**old, **new} if old.get(name) != new.get(name)]
            different += len(unlike)
            locks = sum(answer.startswith("{") for answer in new.values())
            print(
                f"{part}: {len(new)} requests ({locks} locks), {len(unlike)} with another answer", flush=True
            )
            for name in unlike:
                print(f"  {name}")
                for line in _difference(old.get(name, "nothing"), new.get(name, "nothing")):
                    print(f"    {line}")
    return 1 if different else 0


def _difference(old: Answer, new: Answer, most: int = 20) -> Iterator[str]:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "old", "new", n=0, lineterm="")
    return itertools.islice(lines, most)


def _answers(checkout: Path, part: str, folder: Path, worlds: int, seed: int) -> dict[str, Answer]:
    """Return the answers of one checkout by request."""
    # Whatever the package is called in that commit.
    [package] = [path.parent.name for path in (checkout / "src").glob("*/api.py")]
    work = folder / part
    shutil.rmtree(work, ignore_errors=True)  # at the same place for both: locks hold URLs of folders
    work.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((f"{package.upper()}_", "CI"))
    }
    for name in ("store", "envs", "state"):
        environment[f"{package.upper()}_{name.upper()}"] = str(work / name)
    # Both read the same pages, as long as these are fresh.
    environment[f"{package.upper()}_CACHE"] = str(folder / "cache" / package)
    environment[f"{package.upper()}_CONFIG"] = str(work / "config.toml")
    environment[f"{package.upper()}_PROJECT"] = os.devnull
    environment["PYTHONPATH"] = os.pathsep.join([str(checkout / "src"), str(checkout / "tests")])
    command = [sys.executable, __file__, _WORK, package, part, str(work), str(worlds), str(seed)]
    done = subprocess.run(
        command, env=environment, cwd=checkout, stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


def _work() -> None:
    """Print the answers of the package that is found on the path, a line each."""
    package, part, work, worlds, seed = sys.argv[2:7]
    cases = {
        "packse": lambda: _packse(package, Path(work)),
        "worlds": lambda: _worlds(package, Path(work), int(worlds), int(seed)),
        "mixed": lambda: _mixed(package, Path(work)),
        "sets": lambda: _sets(package, Path(work)),
    }[part]()
    failed: Any = importlib.import_module(f"{package}.errors")
    encode = importlib.import_module(f"{package}.lock.format").encode
    for name, resolve in cases:
        try:
            answer = encode(resolve()).decode()
        except getattr(failed, f"{package.title()}Error") as error:
            answer = str(error)
        answer = _IDS.sub(r'"\1": ""', _PORT.sub("127.0.0.1", answer)) if part != "worlds" else answer
        answer = answer.replace(package, "PACKAGE").replace(package.title(), "Package")
        print(json.dumps([name, answer]), flush=True)


def _packse(package: str, work: Path) -> Iterator[Case]:
    scenarios_below = importlib.import_module("packse").scenarios_below  # of the checkout's tests
    for place in (SHARED / "packse", ROOT / "tests" / "solve" / "packse"):
        for scenario in scenarios_below(place):
            yield scenario.identity, lambda each=scenario: _alone(package, work, each)  # type: ignore[misc]


def _alone(package: str, work: Path, scenario: Any) -> Answer:
    """Resolve with a cache of its own: servers of two scenarios may have listened at the same port."""
    os.environ[f"{package.upper()}_CACHE"] = str(work / scenario.identity / "cache")
    return scenario.resolve(work / scenario.identity)


def _mixed(package: str, work: Path) -> Iterator[Case]:
    serve = importlib.import_module("loopback").LoopbackServer
    api = importlib.import_module(package)
    folder = work / "sample"
    shutil.copytree(SHARED / "conda-forge-sample", folder)
    with serve(folder) as server:
        for case in json.loads((SHARED / "mixed-cases.json").read_text("utf-8"))["cases"]:
            asked = api.Requirements.build(conda=case["conda"], pypi=case["pypi"], channels=[server.url])
            yield case["id"], lambda asked=asked: api.resolve(asked, platforms=["linux-64"])  # type: ignore[misc]


def _sets(package: str, work: Path) -> Iterator[Case]:
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    api = importlib.import_module(package)
    listed = (ROOT / "tests" / "solve" / "differential" / "pypi.toml").read_text("utf-8")
    for asked in tomllib.loads(listed)["set"]:
        world = importlib.import_module("solving").World(work / asked["id"])
        python = asked.get("python", "3.12.8")
        world.python(python)
        world.write()
        built = api.Requirements.build(pypi=asked["requires"], python=python, channels=[world.channel_url])
        yield asked["id"], lambda built=built: api.resolve(built, platforms=["linux-64"])  # type: ignore[misc]


def _worlds(package: str, work: Path, count: int, seed: int) -> Iterator[Case]:
    importlib.import_module(f"{package}.solve.request")._EXIT_PAUSE = 0.0
    api = importlib.import_module(package)
    for number in range(seed, seed + count):
        world = _RandomWorld(number, work / str(number))
        for name, options in world.requests():
            yield f"{number} {name}", lambda world=world, each=options: world.resolve(api, each)  # type: ignore[misc]
        shutil.rmtree(work / str(number), ignore_errors=True)


class _RandomWorld:
    """Projects whose releases ask for each other: enough of them that many requests take a search."""

    PLATFORMS = ("linux-64", "osx-arm64")

    def __init__(self, seed: int, root: Path) -> None:
        self._random = random.Random(seed)
        self._world = importlib.import_module("solving").World(root)
        self._late: list[tuple[Any, ...]] = []
        chance, sample = self._random.random, self._random.choice
        self._names = [f"p{number}" for number in range(self._random.randint(4, 12))]
        self._density = sample((0.5, 1.0, 2.0))
        for platform in self.PLATFORMS:
            self._world.python("3.11.9", "3.12.4", subdir=platform)
        for name in self._names:
            versions = range(1, self._random.randint(2, sample((4, 8, 25))) + 1)
            for version in versions:
                extras = {"x": self._needs(name)} if chance() < 0.3 else {}
                options = {"extras": extras, "requires_python": "<3.12" if chance() < 0.05 else ""}
                wheel = (name, f"{version}.0", self._needs(name), options)
                if chance() < 0.9:
                    self._late.append(wheel) if chance() < 0.15 else self._add(wheel)
            if chance() < 0.3:
                for version in self._random.sample(versions, k=min(2, len(versions))):
                    depends = ["python", *self._random.sample(self._names, k=int(chance() < 0.3))]
                    for platform in self.PLATFORMS:
                        self._world.conda(name, f"{version}.0", depends, subdir=platform)

    def _add(self, wheel: tuple[Any, ...]) -> None:
        name, version, needs, options = wheel
        self._world.wheel(name, version, needs, **options)

    def _needs(self, name: str) -> list[str]:
        count = int(self._random.random() * 2 * self._density + 0.5)
        return [self._need() for _ in range(count)]

    def _need(self) -> str:
        choose = self._random.choice
        bound = choose(
            ("", "", "", f">={choose(range(1, 4))}", f"<{choose(range(2, 9))}", f"=={choose(range(1, 4))}.0")
        )
        extra = "[x]" if self._random.random() < 0.15 else ""
        marker = choose(("", "", "", "", "; python_version < '3.12'", "; sys_platform == 'darwin'"))
        return f"{choose(self._names)}{extra}{bound}{marker}"

    def requests(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield requests; those that update come once the late releases are there."""
        sample = self._random.sample
        pypi = [self._need() for _ in range(self._random.randint(1, 3))]
        conda = ["python", *sample(self._names, k=int(self._random.random() < 0.3))]
        asked: dict[str, Any] = {"pypi": pypi, "conda": conda}
        bound = self._need().partition(";")[0].replace("[x]", "")
        yield "plain", asked
        yield "constraint", {**asked, "constraints": [bound]}
        yield "override", {**asked, "overrides": [bound]}
        yield "lowest", {**asked, "strategy": self._random.choice(("lowest", "lowest-direct"))}
        yield "prefer conda", {**asked, "prefer_conda": True}
        yield "platforms", {**asked, "same_versions": True, "platforms": self.PLATFORMS}
        for wheel in self._late:
            self._add(wheel)
        yield "update", {**asked, "update": [re.split(r"\W", pypi[0])[0]]}

    def resolve(self, api: Any, options: dict[str, Any]) -> Any:
        self._world.write()
        asked = {name: value for name, value in options.items() if name not in ("platforms", "update")}
        requirements = api.Requirements.build(
            channels=[self._world.channel_url], index_url=self._world.index_url, **asked
        )
        platforms = options.get("platforms", ("linux-64",))
        return api.resolve(requirements, platforms=platforms, update=options.get("update"))


if __name__ == "__main__":
    if sys.argv[1:2] == [_WORK]:
        _work()
    else:
        sys.exit(main())
